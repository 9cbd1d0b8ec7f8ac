package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write docs/cli.md anew")

// TestCommandLinePage holds docs/cli.md to what --help prints.
func TestCommandLinePage(t *testing.T) {
	var page strings.Builder
	page.WriteString("# Command line\n\nWhat `--help` prints, for every verb.\n")
	root := newRoot()
	root.InitDefaultHelpCmd()
	describe(&page, root)
	file := filepath.Join("..", "..", "docs", "cli.md")
	if *update {
		if err := os.WriteFile(file, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != page.String() {
		t.Error("docs/cli.md is not what --help prints; run: go test ./cmd/gatehouse -run TestCommandLinePage -update")
	}
}

func describe(page *strings.Builder, cmd *cobra.Command) {
	if cmd.Name() == "help" || cmd.Name() == "completion" || cmd.Hidden {
		return
	}
	cmd.InitDefaultHelpFlag()
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	fmt.Fprintf(page, "\n## %s\n\n```\n%s\n\n%s```\n", cmd.CommandPath(), strings.TrimSpace(text), cmd.UsageString())
	for _, below := range cmd.Commands() {
		describe(page, below)
	}
}
