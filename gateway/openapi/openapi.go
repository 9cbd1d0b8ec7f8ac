// Package openapi writes the OpenAPI 3.1 document of what one listener serves by REST. Read this file first, then
// operation.go for what becomes of a method's face, path.go for templates, and schema.go for messages.
//
// A document is written whole, from descriptors and effective policies, and knows nothing of a running gateway. It follows
// OpenAPI 3.1.1 and JSON Schema 2020-12; messages are in the ProtoJSON form that the service's options ask for.
package openapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

// version is the version of the OpenAPI Specification that documents are written by.
const version = "3.1.1"

// API is what a document describes.
type API struct {
	Title string
	// Version is the document's own: the revision of the schema.
	Version string
	Faces   []Face
	// Keys and Tokens say which credentials callers can have: API keys, JSON Web Tokens.
	Keys, Tokens bool
	// AdminKey says that every request needs the key of the admin listener.
	AdminKey bool
}

// Face is one way to reach a method by REST.
type Face struct {
	Method *rpc.Method
	// Verb is the HTTP method, or route.Any.
	Verb     string
	Template *route.Template
	// Body and ResponseBody are the selectors of the rule.
	Body, ResponseBody string
	// JSON is how the service's messages look.
	JSON program.Options
	// Errors is the shape of the method's errors.
	Errors front.Shape
	// Success is the HTTP status of a success; 0 is 200.
	Success int
	// Elements says that a body which is a JSON array is many messages.
	Elements bool
	// Forms says that the body may also be an HTML form.
	Forms bool
	// GRPCGateway says that the face has the habits of grpc-gateway.
	GRPCGateway bool
}

// direct reports whether the face is the one that every method has: POST /pkg.Service/Method.
func (f *Face) direct() bool { return f.Verb == "POST" && f.Template.String() == f.Method.Path }

// Write returns the document as JSON, the same for the same API. Of several faces of one method the order counts: it
// names their operations.
func Write(api API) ([]byte, error) {
	faces := worthTelling(api.Faces)
	d := &document{api: api, schemas: newSchemas(faces), ids: map[string]bool{}}
	paths := d.paths(faces)
	doc := newObject()
	doc.set("openapi", version)
	doc.set("jsonSchemaDialect", "https://spec.openapis.org/oas/3.1/dialect/base")
	doc.set("info", pairs("title", api.Title, "version", api.Version))
	doc.set("servers", []any{pairs("url", "/")})
	if api.AdminKey {
		doc.set("security", []any{pairs(schemeAdmin, []string{})})
	}
	doc.set("tags", tags(faces))
	doc.set("paths", paths)
	doc.set("components", d.components())
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(doc); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// document is one that is being written.
type document struct {
	api     API
	schemas *schemas
	ids     map[string]bool // operation ids that are taken
	// shapes are the error shapes that operations refer to.
	shapes [len(shapeNames)]bool
	// secured says that some operation needs a credential.
	secured bool
}

// worthTelling leaves out the face that every method has where there is another, and sorts by path and method. Faces of one
// method keep their order.
func worthTelling(faces []Face) []numbered {
	count := map[protoreflect.FullName]int{}
	for i := range faces {
		count[faces[i].Method.Descriptor.FullName()]++
	}
	var kept []numbered
	next := map[protoreflect.FullName]int{}
	for _, f := range faces {
		name := f.Method.Descriptor.FullName()
		if f.direct() && count[name] > 1 {
			continue
		}
		next[name]++
		kept = append(kept, numbered{f, next[name]})
	}
	slices.SortStableFunc(kept, func(a, b numbered) int {
		return cmp.Or(cmp.Compare(a.Template.Shape(), b.Template.Shape()), cmp.Compare(a.Verb, b.Verb))
	})
	return kept
}

// numbered is a face with its place among those of its method, from 1.
type numbered struct {
	Face
	number int
}

// tags is one for each service, by name.
func tags(faces []numbered) []any {
	services := map[string]protoreflect.Descriptor{}
	var names []string
	for _, f := range faces {
		if services[f.Method.Service()] == nil {
			services[f.Method.Service()] = f.Method.Descriptor.Parent()
			names = append(names, f.Method.Service())
		}
	}
	slices.Sort(names)
	list := []any{}
	for _, name := range names {
		tag := pairs("name", name)
		tag.setText("description", comment(services[name]))
		list = append(list, tag)
	}
	return list
}
