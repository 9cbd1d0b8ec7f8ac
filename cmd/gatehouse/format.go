package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// format is how a verb prints an answer: as a table for people, or as JSON for programs.
type format struct{ name string }

func bindFormat(cmd *cobra.Command) *format {
	f := &format{}
	cmd.Flags().StringVarP(&f.name, "output", "o", "table", "table or json")
	return f
}

func (f *format) check() error {
	if f.name != "table" && f.name != "json" {
		return fmt.Errorf("--output %s: it must be table or json", f.name)
	}
	return nil
}

// print prints message as JSON, or table, whose first row is the headings.
func (f *format) print(cmd *cobra.Command, message proto.Message, table [][]string) error {
	if f.name == "json" {
		text, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(message)
		if err != nil {
			return err
		}
		var even bytes.Buffer // protojson varies its spaces on purpose; programs and eyes like them even
		if err := json.Indent(&even, text, "", "  "); err != nil {
			return err
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), even.String())
		return err
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, row := range table {
		cells := make([]string, len(row))
		for i, cell := range row {
			if cell == "" {
				cell = "-"
			}
			cells[i] = cell
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}
