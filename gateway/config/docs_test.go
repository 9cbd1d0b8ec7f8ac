package config_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/spf13/pflag"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/gatehouse-gateway/gatehouse/gateway/config"
)

const (
	page   = "../../docs/configuration.md"
	marker = "<!-- From here on written by: go test ./gateway/config -run TestDocumentation -update -->\n"
)

// TestDocumentation holds docs/configuration.md against the flags and the comments in proto/gatehouse: every setting
// stands there, with what its comment says. With -update it writes that part of the page anew.
func TestDocumentation(t *testing.T) {
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	prose, got, ok := strings.Cut(string(data), marker)
	if !ok {
		t.Fatalf("%s has lost its marker:\n%s", page, marker)
	}
	r := &reference{t: t, seen: map[protoreflect.FullName]bool{}}
	r.flags()
	r.message(configDescriptor(t))
	want := r.text.String()
	if *update {
		if err := os.WriteFile(page, []byte(prose+marker+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("%s does not say what the schema and the flags say; run this test with -update. It should be\n%s", page, want)
	}
}

// configDescriptor compiles the schema from its source, because generated descriptors carry no comments.
func configDescriptor(t *testing.T) protoreflect.MessageDescriptor {
	t.Helper()
	compiler := protocompile.Compiler{
		Resolver: protocompile.CompositeResolver{
			&protocompile.SourceResolver{ImportPaths: []string{"../../proto"}},
			protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
				file, err := protoregistry.GlobalFiles.FindFileByPath(path)
				return protocompile.SearchResult{Desc: file}, err
			}),
		},
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(t.Context(), "gatehouse/config/v1/config.proto")
	if err != nil {
		t.Fatal(err)
	}
	return files[0].Messages().ByName("Config")
}

// reference is the page's text as it grows.
type reference struct {
	t    *testing.T
	text strings.Builder
	seen map[protoreflect.FullName]bool
}

func (r *reference) flags() {
	r.text.WriteString("\n## Flags and variables\n\n| Flag | Variable | Default | |\n|---|---|---|---|\n")
	set := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	config.BindFlags(set)
	set.VisitAll(func(f *pflag.Flag) {
		value, usage := pflag.UnquoteUsage(f)
		usage, _, _ = strings.Cut(usage, " (default ")
		preset := "none"
		if f.DefValue != "" {
			preset = "`" + strings.ReplaceAll(f.DefValue, ", ", "` `") + "`"
		}
		variable := "GATEHOUSE_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		r.row("`"+strings.TrimSpace("--"+f.Name+" "+value)+"`", "`"+variable+"`", preset, strings.ReplaceAll(usage, "*", `\*`))
	})
}

// message writes one group of settings, then the groups below it, each once.
func (r *reference) message(m protoreflect.MessageDescriptor) {
	if r.seen[m.FullName()] {
		return
	}
	r.seen[m.FullName()] = true
	fmt.Fprintf(&r.text, "\n## %s\n\n%s\n\n| Setting | Value | |\n|---|---|---|\n", title(m), r.comment(m))
	for i := range m.Fields().Len() {
		r.field(m.Fields().Get(i))
	}
	for i := range m.Fields().Len() {
		if below := m.Fields().Get(i).Message(); below != nil && !isDuration(below) {
			r.message(below)
		}
	}
}

func (r *reference) field(f protoreflect.FieldDescriptor) {
	meaning := r.ownComment(f)
	switch {
	case meaning != "":
	case f.Message() != nil && !isDuration(f.Message()):
		meaning = r.comment(f.Message())
	case f.Enum() != nil:
		meaning = r.comment(f.Enum())
	default:
		meaning = r.comment(f)
	}
	if e := f.Enum(); e != nil {
		for i := range e.Values().Len() {
			if v := e.Values().Get(i); !strings.HasSuffix(string(v.Name()), "_UNSPECIFIED") {
				meaning += fmt.Sprintf("<br>`%s`: %s", v.Name(), r.comment(v))
			}
		}
	}
	r.row("`"+string(f.Name())+"`", valueOf(f), meaning)
}

func (r *reference) row(cells ...string) {
	for i := range cells {
		cells[i] = strings.ReplaceAll(cells[i], "|", `\|`)
	}
	fmt.Fprintf(&r.text, "| %s |\n", strings.Join(cells, " | "))
}

func (r *reference) comment(d protoreflect.Descriptor) string {
	text := r.ownComment(d)
	if text == "" {
		r.t.Errorf("%s has no comment to print", d.FullName())
	}
	return text
}

func (r *reference) ownComment(d protoreflect.Descriptor) string {
	text := d.ParentFile().SourceLocations().ByDescriptor(d).LeadingComments
	return strings.NewReplacer("*", `\*`, "<", "&lt;").Replace(strings.Join(strings.Fields(text), " "))
}

func valueOf(f protoreflect.FieldDescriptor) string {
	value := map[protoreflect.Kind]string{protoreflect.StringKind: "text", protoreflect.Uint32Kind: "number", protoreflect.BoolKind: "true or false", protoreflect.EnumKind: "one of"}[f.Kind()]
	if m := f.Message(); m != nil {
		value = fmt.Sprintf("[%s](#%s)", title(m), strings.ToLower(title(m)))
		if isDuration(m) {
			value = "duration"
		}
	}
	if f.IsList() {
		value = "list of " + value
	}
	return value
}

func isDuration(m protoreflect.MessageDescriptor) bool {
	return m.FullName() == "google.protobuf.Duration"
}

func title(m protoreflect.MessageDescriptor) string {
	return string(m.Name())
}
