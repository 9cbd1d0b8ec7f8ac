// Command export writes the annotation files that are built in as .proto text, so
// that tools which read sources (buf, editors) find what our own .proto files import.
//
//	go run ./registry/compile/builtin/export DIR
//
// DIR is made anew: what it held before is removed. The well-known types are left
// out, because every such tool brings them.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/jhump/protoreflect/v2/protoprint"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/registry/compile/builtin"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: export DIR")
		os.Exit(2)
	}
	if err := export(os.Args[1], builtin.Annotations()); err != nil {
		fmt.Fprintln(os.Stderr, "export:", err)
		os.Exit(1)
	}
}

// export replaces dir with the text of files. The text is written beside dir first, so
// that a failure leaves the old content in place.
func export(dir string, files []protoreflect.FileDescriptor) error {
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(parent, "export-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(fresh)
	printer := protoprint.Printer{ForceFullyQualifiedNames: true, SortElements: true}
	if err := printer.PrintProtosToFileSystem(files, fresh); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(fresh, dir)
}
