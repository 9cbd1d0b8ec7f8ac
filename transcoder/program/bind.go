package program

import (
	"bytes"
	"fmt"
	"strings"
)

// bindPath reads the variables' values.
func (d *decoder) bindPath(r *Request, values []string) error {
	for i := range r.vars {
		v := &r.vars[i]
		d.nodes[v.node].bound = true
		text := values[i]
		for more := text != "" || !v.csv || d.loose; more; {
			one := text
			if v.csv {
				one, text, more = strings.Cut(text, ",")
			} else {
				more = false
			}
			d.spare = append(d.spare[:0], one...)
			start, ok := len(d.content), false
			if d.content, ok = d.appendPathValue(r, d.nodes[v.node].f, d.spare); !ok {
				if err := d.misfit(r, d.nodes[v.node].f, v.path.name, []byte(one), "the path has %s where it takes %s"); err != nil {
					return err
				}
			}
			d.bind(v.node, start)
		}
	}
	return nil
}

// bindQuery reads the query's parameters. Those that are left out because the program is lenient are counted.
func (d *decoder) bindQuery(r *Request, raw string) (err error) {
	if raw == "" {
		return nil
	}
	parse := parseQuery
	if r.options.GRPCGateway {
		if parse = parseQueryLoosely; !r.takesQuery() {
			return nil
		}
	}
	d.query = append(d.query[:0], raw...)
	if d.pairs, err = parse(d.pairs[:0], raw, d.query); err != nil {
		return err
	}
	for i := range d.pairs {
		if err := d.bindParameter(r, &d.pairs[i]); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) bindParameter(r *Request, p *pair) error {
	if r.options.PartialResponses && r.isFieldMask(p.key) {
		return nil
	}
	if names := 1 + bytes.Count(p.key, []byte(".")); names > r.options.QueryDepthMax {
		return invalid(ReasonInvalidParameter, string(p.key), fmt.Sprintf(
			"the parameter names a field %d levels deep; at most %d are allowed", names, r.options.QueryDepthMax))
	}
	if d.loose && !p.file {
		if ok, err := d.bindEntry(r, p); ok {
			return err
		}
	}
	if !d.follow(r, p.key) {
		if d.loose {
			if err := d.passOver(r, p.key); err != nil {
				return err
			}
		}
		if d.lenient {
			d.ignored++
			return nil
		}
		return r.judgeParameter(string(p.key))
	}
	f := d.trail[len(d.trail)-1]
	start := len(d.content)
	if err := d.readParameter(r, f, p); err != nil {
		return err
	}
	n := int32(0)
	for _, f := range d.trail {
		if d.nodes[n].file {
			return invalid(ReasonParameterConflict, string(p.key), "a file sets the message that has this field already")
		}
		d.nodes, n = addChild(d.nodes, n, f, p.key)
	}
	if p.file && d.nodes[n].child != 0 {
		return invalid(ReasonParameterConflict, string(p.key), "other values set fields of this message already; send the file or those")
	}
	if d.nodes[n].bound && (f.card != cardList || d.loose && !bytes.Equal(d.nodes[n].name, p.key)) { // the other name of a list, by grpc-gateway
		return invalid(ReasonDuplicateParam, string(p.key), fmt.Sprintf("%s takes one value and came more than once", r.pathOf(string(p.key))))
	}
	d.nodes[n].bound, d.nodes[n].file = true, p.file
	d.bind(n, start)
	return nil
}

// follow finds the field that a parameter names, among those that neither path nor body set. d.trail is the way to it.
func (d *decoder) follow(r *Request, key []byte) bool {
	if r.body.whole {
		return false
	}
	d.trail = d.trail[:0]
	t, n := r.table, int32(0)
	for more := true; more; {
		var name []byte
		name, key, more = bytes.Cut(key, []byte("."))
		f := t.byName(name)
		if f == nil {
			return false
		}
		d.trail = append(d.trail, f)
		if n != none {
			if n = d.child(n, f); n != none && (d.nodes[n].body || d.nodes[n].bound && n < int32(len(r.nodes))) {
				return false
			}
		}
		if !more {
			return n == none || !d.loose || n >= int32(len(r.nodes)) // what has fields that path or body set is passed over
		}
		if f.card != cardSingle || f.message == nil || f.message.ready() != nil || !r.leadsInto(f) {
			return false
		}
		t = f.message
	}
	return true
}

// leadsInto reports whether parameters name fields of a message: not where it has a form of its own, which grpc-gateway does not mind.
func (r *Request) leadsInto(f *field) bool {
	return f.message.form == formObject || r.options.GRPCGateway
}

// judgeParameter says why a parameter is not bound.
func (r *Request) judgeParameter(key string) error {
	field, err := resolve(r.table.md, key, byAnyName)
	if err != nil {
		return r.unknownParameter(key, err.(*pathError))
	}
	if r.setter(field) == setByPath {
		return invalid(ReasonParameterConflict, key, "the path sets this field already; leave the parameter out")
	}
	return invalid(ReasonParameterConflict, key, "the body sets this field; send it there")
}

// pathOf is a parameter's field by its names in the .proto file.
func (r *Request) pathOf(key string) string {
	if field, err := resolve(r.table.md, key, byAnyName); err == nil {
		return field.name
	}
	return key
}

// setter tells which part of a request sets the field.
func (r *Request) setter(field *path) setter {
	for i := range r.vars {
		if field.within(r.vars[i].path.name) {
			return setByPath
		}
	}
	if r.body.whole || r.body.field != nil && field.within(r.body.field.name) {
		return setByBody
	}
	return setByQuery
}

type setter uint8

const (
	setByQuery setter = iota
	setByPath
	setByBody
)

// readParameter appends the value of a parameter for a field to d.content.
func (d *decoder) readParameter(r *Request, f *field, p *pair) error {
	if p.file {
		return d.readFile(f, p)
	}
	if free, err := d.freeParameter(f, p); free {
		return err
	}
	if !f.isText() {
		return invalid(ReasonInvalidParameter, string(p.key), notText(f.fd))
	}
	value := p.value
	if op := f.textOp(); len(value) == 0 && op != opString && !r.emptyIsValue(f) {
		if !p.bare || !r.options.BoolFlags || op != opBool {
			return invalid(ReasonInvalidParameter, string(p.key), "the parameter is empty where it takes "+expected(f.fd))
		}
		value = []byte("true")
	}
	var ok bool
	if d.content, ok = r.options.appendParameter(d.content, f, value); !ok {
		return d.misfit(r, f, string(p.key), value, "found %s where the parameter takes %s")
	}
	return nil
}

// emptyIsValue reports whether grpc-gateway reads nothing as a value that is no string.
func (r *Request) emptyIsValue(f *field) bool {
	return r.options.GRPCGateway && (f.textOp() == opBytes || f.message != nil && f.message.kind == kindFieldMask)
}

// isText tells whether one value of f can be written as the text of a path variable or a query parameter.
func (f *field) isText() bool {
	if f.card == cardMap || f.message == nil {
		return f.card != cardMap
	}
	return f.message.ready() == nil && (f.message.form == formText || f.message.form == formWrapper)
}

// textOp is f's op, or that of what it wraps: in path and query a BoolValue is written as a bool is.
func (f *field) textOp() op {
	if f.message != nil && f.message.kind == kindWrapper {
		return f.message.fields[0].op
	}
	return f.op
}

// unknownParameter says what is wrong with a parameter's name and which name was perhaps meant.
func (r *Request) unknownParameter(key string, e *pathError) error {
	text := e.Error()
	if e.leaf == nil {
		if meant := nearest(e.name, r.parameters(e)); meant != "" {
			text += fmt.Sprintf("; did you mean %s?", e.prefix+meant)
		}
	}
	return invalid(ReasonUnknownParameter, key, clip(text, bodyTextMax))
}

// parameters lists the names that could stand in the place of an unknown one. A name with an underscore is answered in
// the same style.
func (r *Request) parameters(e *pathError) []string {
	base, _ := resolve(r.table.md, strings.TrimSuffix(e.prefix, "."), byAnyName) // nil at the top
	var names []string
	for i := range e.in.Fields().Len() {
		fd := e.in.Fields().Get(i)
		p := &path{name: string(fd.Name())}
		if base != nil {
			p.name = base.name + "." + p.name
		}
		switch {
		case r.setter(p) != setByQuery:
		case strings.Contains(e.name, "_"):
			names = append(names, fd.TextName())
		default:
			names = append(names, fd.JSONName())
		}
	}
	return names
}
