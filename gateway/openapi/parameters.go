package openapi

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// parametersMax bounds the query parameters of one operation: messages that hold many messages would have thousands, which
// nobody reads. Those that are nearest to the top are told.
const parametersMax = 200

// parameters lists those of the path, then those of the query.
func (d *document) parameters(path apiPath, f *Face, verb string) []any {
	var list []any
	for _, part := range path.parts {
		if part.name != "" {
			list = append(list, d.pathParameter(part, f))
		}
	}
	if f.Body != "*" {
		list = append(list, d.query(f, verb)...)
	}
	if f.JSON.PartialResponses {
		list = append(list, pairs("name", "$fields", "in", "query",
			"description", "The fields of the reply that are wanted, separated by commas; all if left out.", "schema", pairs("type", "string")))
	}
	return list
}

func (d *document) pathParameter(part pathPart, f *Face) *object {
	p := pairs("name", part.name, "in", "path", "required", true)
	schema, said := pairs("type", "string"), ""
	if part.field != "" {
		fd := fieldAt(f.Method.Input.Descriptor, part.field)
		if fd != nil && part.whole == "" {
			schema = d.schemas.field(fd, styleOf(f.JSON))
			said = text(schema.take("description"))
		} else if fd != nil {
			said = paragraphs("A segment of "+part.field+", which is "+part.whole+".", comment(fd))
		}
	}
	if part.name != part.field && part.whole == "" && part.field != "" {
		said = paragraphs("The field "+part.field+".", said)
	}
	if part.deep {
		said = paragraphs(said, "Any number of segments: slashes in it stay as they are, and it may be empty.")
		p.set("x-gatehouse-multi-segment", true)
	}
	p.setText("description", said)
	p.set("schema", schema)
	return p
}

// query lists every leaf of the request message that is set neither by the path nor by the body.
func (d *document) query(f *Face, verb string) []any {
	q := &queryFields{style: styleOf(f.JSON), bound: []string{f.Body}}
	for _, v := range f.Template.Vars {
		q.bound = append(q.bound, v.FieldPath)
	}
	if wellKnown(f.Method.Input.Descriptor) != nil {
		return nil
	}
	q.level(f.Method.Input.Descriptor)
	var list []any
	for _, leaf := range q.leaves {
		p := d.queryParameter(leaf, q.style)
		if leaf.fd.Message() != nil && leaf.fd.Message().FullName() == "google.protobuf.FieldMask" && verb == "PATCH" && f.Body != "" {
			p.set("description", paragraphs(text(p.get("description")), "If left out: what the body names."))
		}
		list = append(list, p)
	}
	return list
}

func (d *document) queryParameter(leaf queryField, st style) *object {
	p := pairs("name", leaf.name, "in", "query")
	schema := d.schemas.field(leaf.fd, st)
	p.setText("description", text(schema.take("description")))
	if must(leaf.fd) && !strings.Contains(leaf.name, ".") {
		p.set("required", true)
	}
	if schema.take("deprecated") != nil {
		p.set("deprecated", true)
	}
	if leaf.fd.IsList() {
		p.set("style", "form")
		p.set("explode", true)
	}
	p.set("schema", schema)
	return p
}

// queryField is one leaf, with its name as callers write it.
type queryField struct {
	name string
	fd   protoreflect.FieldDescriptor
}

// queryFields collects leaves, level by level, so that the bound takes the deepest away.
type queryFields struct {
	style  style
	bound  []string // paths that path and body set
	leaves []queryField
}

// inner is a message that is still to be looked at.
type inner struct {
	md         protoreflect.MessageDescriptor
	name, path string // its prefix, as callers and as the .proto write it
	above      []protoreflect.FullName
}

func (q *queryFields) level(md protoreflect.MessageDescriptor) {
	for next := []inner{{md: md}}; len(next) > 0; next = next[1:] {
		in := next[0]
		for _, fd := range fieldsOf(in.md.Fields()) {
			if len(q.leaves) == parametersMax {
				return
			}
			path := in.path + string(fd.Name())
			if slices.Contains(q.bound, path) {
				continue
			}
			name := in.name + q.style.name(fd)
			switch {
			case asText(fd):
				q.leaves = append(q.leaves, queryField{name, fd})
			case fd.IsList() || fd.IsMap() || wellKnown(fd.Message()) != nil:
			case slices.Contains(in.above, fd.Message().FullName()) || fd.Message() == in.md:
				// A message within itself would go on for ever. Callers may go deeper than what is told.
			default:
				next = append(next, inner{fd.Message(), name + ".", path + ".", append(slices.Clone(in.above), in.md.FullName())})
			}
		}
	}
}
