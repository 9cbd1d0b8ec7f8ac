package gateway

import (
	"errors"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/registry/compile"
	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

// faultsMax bounds what one schema is told: past that nobody reads on.
const faultsMax = 50

// Where the http option stands below a method in a file's source locations: MethodDescriptorProto.options, and in
// there the field number of google.api.http.
const (
	optionsField = 4
	httpOption   = 72295728
)

// remark says something of a method's REST rule, or of the method where it has none.
func remark(md protoreflect.MethodDescriptor, severity compile.Severity, message string) compile.Diagnostic {
	locations := md.ParentFile().SourceLocations()
	at := locations.ByDescriptor(md)
	if at.Path != nil {
		rule := append(append(protoreflect.SourcePath{}, at.Path...), optionsField, httpOption)
		if l := locations.ByPath(rule); l.Path != nil {
			at = l
		}
	}
	d := compile.Diagnostic{File: md.ParentFile().Path(), Severity: severity, Message: message}
	if at.Path != nil {
		d.Line, d.Column = at.StartLine+1, at.StartColumn+1
	}
	return d
}

func (c *compiler) fault(md protoreflect.MethodDescriptor, err error) {
	c.faults = append(c.faults, remark(md, compile.Fault, string(md.FullName())+": "+err.Error()))
}

// conflicts tells each route conflict at the later of the two methods.
func (c *compiler) conflicts(units []unit, err error) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		c.faults = append(c.faults, compile.Diagnostic{Message: err.Error()})
		return
	}
	for _, err := range joined.Unwrap() {
		var conflict *route.ConflictError
		if !errors.As(err, &conflict) {
			c.faults = append(c.faults, compile.Diagnostic{Message: err.Error()})
			continue
		}
		for _, u := range units {
			if u.method.Name() == conflict.Second.Owner {
				c.faults = append(c.faults, remark(u.method.Descriptor, compile.Fault, err.Error()))
				break
			}
		}
	}
}

// failure returns what is wrong with the schema, nil if nothing is.
func (c *compiler) failure() error {
	if len(c.faults) == 0 {
		return nil
	}
	n := min(len(c.faults), faultsMax)
	return &compile.Error{Diagnostics: c.faults[:n:n], More: len(c.faults) - n}
}
