package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
)

// form compiles what a rule takes HTML forms by, nil if it takes none. vars are the variables of its path.
func (c *compiler) form(md protoreflect.MethodDescriptor, r rule, vars []string, options program.Options) (*front.Form, error) {
	options.PartialResponses = false // what a form names are fields
	switch {
	case !methodOptions(md).GetForms():
		return nil, nil
	case md.IsStreamingClient():
		return nil, errors.New("forms: a form is one message, and the method streams requests; leave it out")
	case r.body == "" || r.verb != http.MethodPost && r.verb != http.MethodPut || rawBody(md.Input(), r.body, "*") != nil:
		return nil, nil
	}
	f, whole := &front.Form{}, md.Input()
	for i := range vars {
		f.Vars = append(f.Vars, i)
	}
	if r.body != "*" {
		field := whole.Fields().ByName(protoreflect.Name(r.body))
		if field == nil || field.Message() == nil || field.Cardinality() == protoreflect.Repeated || field.Kind() == protoreflect.GroupKind {
			return nil, fmt.Errorf("forms: the body %q is no message whose fields a form could set", r.body)
		}
		f.Field, whole = field.Number(), field.Message()
		f.Vars, vars = within(r.body, vars)
	}
	if whole.RequiredNumbers().Len() > 0 {
		return nil, fmt.Errorf("forms: %s has required fields, which a form cannot be held to", whole.FullName())
	}
	var err error
	f.Request, err = c.programs.Request(whole, program.RequestRule{HTTPMethod: r.verb, Vars: vars}, options)
	return f, err
}

// within picks the variables that are fields of a field: their places, and their names inside.
func within(field string, vars []string) (places []int, names []string) {
	for i, v := range vars {
		if name, ok := strings.CutPrefix(v, field+"."); ok {
			places, names = append(places, i), append(names, name)
		}
	}
	return places, names
}
