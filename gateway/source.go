package gateway

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jhump/protoreflect/v2/grpcreflect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/gatehouse-gateway/gatehouse/gateway/backend"
	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

// reflectTimeout bounds how long a backend may take to tell its whole schema.
const reflectTimeout = 20 * time.Second

// readSource reads a fixed schema: descriptors, sources, or what the backends themselves tell. Sources are returned
// too, so that what is found later can be shown in them.
func (g *Gateway) readSource(ctx context.Context, source *configv1.Source) (*compile.Files, compile.Sources, error) {
	switch from := source.GetFrom().(type) {
	case *configv1.Source_Descriptors:
		data, err := os.ReadFile(from.Descriptors)
		if err != nil {
			return nil, nil, err
		}
		files, err := compile.LinkBytes(data)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", from.Descriptors, err)
		}
		return files, nil, nil
	case *configv1.Source_Proto:
		sources, err := compile.ReadDir(from.Proto, func(note string) { g.log.Warn(note) })
		if err != nil {
			return nil, nil, err
		}
		result, err := compile.Compile(ctx, sources)
		if err != nil {
			return nil, nil, err
		}
		for _, w := range result.Warnings {
			g.log.Warn(w.String())
		}
		return result.Files, sources, nil
	default:
		files, err := g.reflect(ctx)
		return files, nil, err
	}
}

// reflect asks every configured backend for its schema, by reflection v1 or v1alpha.
func (g *Gateway) reflect(ctx context.Context) (*compile.Files, error) {
	builtin, err := compile.NewBuiltin()
	if err != nil {
		return nil, err
	}
	given := reflected{builtin: builtin, files: map[string]reflectedFile{}}
	for _, b := range g.cfg.GetBackends() {
		conn, err := backend.Dial(b)
		if err != nil {
			return nil, err
		}
		err = given.add(ctx, b.GetTarget(), conn)
		_ = conn.Close()
		if err != nil {
			return nil, fmt.Errorf("reflection of backend %s: %w", b.GetTarget(), err)
		}
	}
	return compile.Link(given.set())
}

// reflected is the files that backends have, by path, without those that the gateway has of its own.
type reflected struct {
	builtin *compile.Builtin
	files   map[string]reflectedFile
}

type reflectedFile struct {
	file   *descriptorpb.FileDescriptorProto
	target string // of the backend that had it first
}

// set returns the files, in no order.
func (r reflected) set() *descriptorpb.FileDescriptorSet {
	s := &descriptorpb.FileDescriptorSet{}
	for _, f := range r.files {
		s.File = append(s.File, f.file)
	}
	return s
}

func (r reflected) add(ctx context.Context, target string, conn grpc.ClientConnInterface) error {
	ctx, cancel := context.WithTimeout(ctx, reflectTimeout)
	defer cancel()
	client := grpcreflect.NewClientAuto(ctx, conn)
	defer client.Reset()
	names, err := client.ListServices()
	switch {
	case status.Code(err) == codes.Unimplemented:
		return errors.New("it has no reflection service; register one, or use --proto or --descriptors instead of --reflect")
	case err != nil:
		return fmt.Errorf("it does not answer; does it run there? %w", err)
	}
	seen := map[string]bool{}
	for _, name := range names {
		// Every backend has these, each in another version; what the gateway answers is its own.
		if strings.HasPrefix(string(name), "grpc.reflection.") || strings.HasPrefix(string(name), "grpc.health.") {
			continue
		}
		file, err := client.FileContainingSymbol(name)
		if err == nil {
			err = r.take(file, target, seen)
		}
		if err != nil {
			return fmt.Errorf("service %s: %w", name, err)
		}
	}
	return nil
}

// take adds a file and what it imports. Which of two different files of one path is meant, nobody could say: to take
// the first would lose the other's services without a word.
func (r reflected) take(fd protoreflect.FileDescriptor, target string, seen map[string]bool) error {
	path := fd.Path()
	if seen[path] || fd.IsPlaceholder() || r.builtin.Has(path) {
		return nil
	}
	seen[path] = true
	file := protodesc.ToFileDescriptorProto(fd)
	if first, taken := r.files[path]; taken && !proto.Equal(first.file, file) {
		return fmt.Errorf("its file %s is not the one of backend %s; give the schema as --proto or --descriptors", path, first.target)
	}
	r.files[path] = reflectedFile{file, target}
	for i := range fd.Imports().Len() {
		if err := r.take(fd.Imports().Get(i).FileDescriptor, target, seen); err != nil {
			return err
		}
	}
	return nil
}
