package gateway

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"buf.build/go/protoyaml"
	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

var update = flag.Bool("update", false, "rewrite the section want of testdata/openapi/*.txtar")

// TestOpenAPI writes the document of the schema in each testdata/openapi/*.txtar. Its section want has the paths and the schemas; what is
// the same in every document is left out.
func TestOpenAPI(t *testing.T) {
	names, err := filepath.Glob("testdata/openapi/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			sources, cfg, want := compile.Sources{}, &configv1.Config{}, ""
			for _, f := range archive.Files {
				switch {
				case f.Name == "want":
					want = string(f.Data)
				case f.Name == "config":
					if err := protoyaml.Unmarshal(f.Data, cfg); err != nil {
						t.Fatal(err)
					}
				default:
					sources[f.Name] = f.Data
				}
			}
			text, err := newGateway(t, testkit.Compile(t, sources), cfg).OpenAPI("public")
			if err != nil {
				t.Fatal(err)
			}
			got := essence(t, text)
			if *update {
				archive.Files = slices.DeleteFunc(archive.Files, func(f txtar.File) bool { return f.Name == "want" })
				archive.Files = append(archive.Files, txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// essence is paths, security schemes and schemas in YAML, without the schemas of errors, and without responses that are alike everywhere.
func essence(t *testing.T, text []byte) string {
	t.Helper()
	var doc struct {
		Paths      yaml.Node
		Components struct {
			Schemas         yaml.Node
			SecuritySchemes yaml.Node `yaml:"securitySchemes"`
		}
	}
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	drop(&doc.Paths, "default")
	drop(&doc.Paths, "x-gatehouse-timeout")
	drop(&doc.Paths, "tags")
	drop(&doc.Components.Schemas, "error-aip193")
	drop(&doc.Components.Schemas, "error-problem")
	var out strings.Builder
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	whole := map[string]*yaml.Node{"paths": &doc.Paths, "schemas": &doc.Components.Schemas}
	if doc.Components.SecuritySchemes.Kind != 0 {
		whole["securitySchemes"] = &doc.Components.SecuritySchemes
	}
	for _, n := range whole {
		block(n)
	}
	if err := encoder.Encode(whole); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// drop takes a member out of all mappings.
func drop(n *yaml.Node, key string) {
	if n.Kind == yaml.MappingNode {
		for i := 0; i < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				n.Content = slices.Delete(n.Content, i, i+2)
				i -= 2
			}
		}
	}
	for _, below := range n.Content {
		drop(below, key)
	}
}

// block takes JSON's style off, but for short lists.
func block(n *yaml.Node) {
	n.Style = 0
	for _, below := range n.Content {
		block(below)
	}
}
