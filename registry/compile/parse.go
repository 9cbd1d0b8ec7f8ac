package compile

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bufbuild/protocompile/ast"
	"github.com/bufbuild/protocompile/parser"
)

// parse reads the text of every source that is to be compiled.
func (c *compilation) parse(ctx context.Context) error {
	for _, path := range c.sources.Paths() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if c.builtin.Has(path) {
			c.unused(path)
			continue
		}
		handler := c.handler()
		file, err := parser.Parse(path, bytes.NewReader(c.sources[path]), handler)
		if err != nil {
			continue // already reported
		}
		result, err := parser.ResultFromAST(file, true, handler)
		if err != nil {
			continue
		}
		c.parsed[path] = result
		c.paths = append(c.paths, path)
	}
	return nil
}

// unused warns that a copy of a built-in file is not read.
func (c *compilation) unused(path string) {
	c.found = append(c.found, Diagnostic{File: path, Severity: Warning,
		Message: "this file is built in; the copy is not used"})
}

// imports checks that every import leads somewhere and none leads back, and puts c.paths in an order in
// which files come after what they import.
func (c *compilation) imports(context.Context) error {
	c.dropVendored()
	c.misplaced()
	walk := importWalk{compilation: c, state: map[string]visit{}}
	for _, path := range c.paths {
		if walk.state[path] == unseen {
			walk.from(path)
		}
	}
	c.paths = walk.order
	return nil
}

// dropVendored leaves out copies of built-in files that are kept in a folder of their own, such as
// third_party/google/api/http.proto: compiled beside the built-in file, each of their names would exist twice.
// A copy that is imported by its own path stays, because then the built-in one may be in nobody's way.
func (c *compilation) dropVendored() {
	imported := map[string]bool{}
	for _, path := range c.paths {
		for _, name := range c.parsed[path].FileDescriptorProto().GetDependency() {
			imported[name] = true
		}
	}
	c.paths = slices.DeleteFunc(c.paths, func(path string) bool {
		if imported[path] || !c.builtin.hasSuffixOf(path) {
			return false
		}
		c.unused(path)
		delete(c.parsed, path)
		return true
	})
}

type visit int

const (
	unseen visit = iota
	open         // on the way from the start of the walk to here
	done
)

// importWalk visits files depth first, along imports.
type importWalk struct {
	*compilation
	state map[string]visit
	trail []string
	order []string
}

func (w *importWalk) from(path string) {
	w.state[path] = open
	w.trail = append(w.trail, path)
	for _, node := range importNodes(w.parsed[path]) {
		name := node.Name.AsString()
		switch {
		case w.builtin.Has(name):
		case w.parsed[name] == nil:
			w.fault(path, node, w.notFound(name))
		case w.state[name] == open:
			w.fault(path, node, "import cycle: "+strings.Join(append(w.trail[slices.Index(w.trail, name):], name), " → "))
		case w.state[name] == unseen:
			w.from(name)
		}
	}
	w.trail = w.trail[:len(w.trail)-1]
	w.state[path] = done
	w.order = append(w.order, path)
}

func importNodes(file parser.Result) []*ast.ImportNode {
	var nodes []*ast.ImportNode
	for _, decl := range file.AST().Decls {
		if node, ok := decl.(*ast.ImportNode); ok {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

func (w *importWalk) fault(path string, node *ast.ImportNode, message string) {
	position := w.parsed[path].AST().NodeInfo(node.Name).Start()
	w.found = append(w.found, Diagnostic{File: path, Line: position.Line, Column: position.Col, Message: message})
}

// notFound says that name is missing and, when the file is there under a longer or shorter path, which one.
func (w *importWalk) notFound(name string) string {
	for _, path := range w.paths {
		if strings.HasSuffix(path, "/"+name) || strings.HasSuffix(name, "/"+path) {
			return fmt.Sprintf("%s is not found; the file %s is there, but imports count from the folder that is compiled",
				quote(name), quote(path))
		}
	}
	return quote(name) + " is neither among these files nor built in"
}

// quote quotes a name that came from outside, cut to a length that fits a line.
func quote(name string) string {
	const shown = 200
	if len(name) > shown {
		name = strings.ToValidUTF8(name[:shown], "") + "…"
	}
	return strconv.Quote(name)
}
