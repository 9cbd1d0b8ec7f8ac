package program

import (
	"fmt"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// Request turns the path variables, the query and the body of a request into the wire bytes of one message. Every leaf
// of the message comes from one of the three. It is immutable and safe for concurrent use.
//
// It writes while it reads: there is no message in between, and in steady state nothing is allocated but the buffer,
// unless the caller's is large enough. Read decoder.go for how.
type Request struct {
	options  Options
	table    *table
	secret   bool // some field of the message, or below, is
	vars     []variable
	body     body
	mask     *field // the field mask of a PATCH, inferred when unset; nil if there is none
	nodes    []node // what the binding sets, whatever the request
	warnings []string
}

// RequestRule is what a binding says about where the fields of a message come from.
type RequestRule struct {
	// HTTPMethod decides whether an update mask is inferred (PATCH), and feeds the warnings.
	HTTPMethod string
	// Vars are the field paths of the template's variables in its order: proto names, dotted.
	Vars []string
	// Body is "" for none, "*" for every field that is not a variable, or the path of one field.
	Body string
}

// Input is one request. AppendWire borrows it until it returns.
type Input struct {
	// Path holds the decoded values of the variables, in the order of RequestRule.Vars.
	Path []string
	// Query is the raw query, without its "?".
	Query string
	// Form are further parameters, as of an HTML form.
	Form []FormValue
	// Body is JSON. Absent and empty are the same. LinesBefore is how many lines of what the client sent stand before it.
	Body        []byte
	LinesBefore int
}

// FormValue is one field of an HTML form.
type FormValue struct {
	Name  string
	Value []byte
	// File says that the value is bytes as they are, of this media type. Other values are text, as in a query.
	File  bool
	Media string
}

// Request makes the program of one binding of a method whose input is md. The error says, for whoever publishes the
// schema, why the binding can never work.
func (c *Compiler) Request(md protoreflect.MessageDescriptor, rule RequestRule, o Options) (*Request, error) {
	r := &Request{options: o.withDefaults(), table: c.table(md, 0), nodes: make([]node, 1), secret: c.secrets.Has(md)}
	if err := r.table.ready(); err != nil {
		return nil, err
	}
	if err := r.compileVars(rule.Vars); err != nil {
		return nil, err
	}
	if err := r.compileBody(rule.Body); err != nil {
		return nil, err
	}
	if err := r.compileNodes(); err != nil {
		return nil, err
	}
	if rule.HTTPMethod == "PATCH" {
		if fd := r.updateMask(); fd != nil {
			r.mask = r.table.byNumber(fd.Number())
		}
	}
	r.warnings = r.lint(rule)
	return r, nil
}

// Warnings lists what is allowed in the binding but ill-advised (AIP-127), for whoever publishes the schema.
func (r *Request) Warnings() []string { return r.warnings }

// AppendWire appends the message's wire bytes to dst, which it returns unchanged on error. ignored counts what was left
// out because Options.Unknown is Ignore; it is 0 otherwise. Errors are *rpc.Error with one of this package's reasons.
// Fields stand in the order in which the body has them; nothing in what is appended points to the input.
//
// The cheap parts are judged first: path, then query, then body.
func (r *Request) AppendWire(dst []byte, in Input) (wire []byte, ignored int, err error) {
	if len(in.Path) != len(r.vars) {
		return dst, 0, rpc.Errorf(codes.Internal, "INTERNAL", "the route does not fit its binding").
			Because(fmt.Errorf("%d path values for %d variables of %s", len(in.Path), len(r.vars), r.table.md.FullName()))
	}
	pool := &r.table.compiler.decoders
	d := pool.get()
	defer pool.put(d)
	d.begin(r, in.Body)
	d.linesBefore = in.LinesBefore
	if err := d.bindPath(r, in.Path); err != nil {
		return dst, 0, err
	}
	if err := d.bindQuery(r, in.Query); err != nil {
		return dst, 0, err
	}
	for i := range in.Form {
		v := &in.Form[i]
		if err := d.bindParameter(r, &pair{key: []byte(v.Name), value: v.Value, file: v.File, media: v.Media}); err != nil {
			return dst, 0, err
		}
	}
	if d.halves > 0 {
		return dst, 0, invalid(ReasonInvalidParameter, "", "a parameter for a map has a key: map[key]=value")
	}
	wire = slices.Grow(dst, len(in.Body)+len(d.content)+wireBytesMore)
	if wire, err = d.decode(wire, r); err != nil {
		return dst, 0, err
	}
	return wire, d.ignored, nil
}

// wireBytesMore is what a message may take beyond its text without a second allocation: tags of what path and query set.
const wireBytesMore = 64

// begin makes d ready for a request.
func (d *decoder) begin(r *Request, text []byte) {
	d.compiler, d.text = r.table.compiler, text
	d.lenient, d.depthMax, d.secret = r.options.lenient(), r.options.DepthMax, r.secret
	d.loose = r.options.GRPCGateway
	d.nodes = append(d.nodes[:0], r.nodes...)
	if r.body.field != nil {
		d.bodyPath = r.body.field.name
	}
}

// compileNodes makes the tree of what body and path set. The body's field comes first: it is what other fields are in
// conflict with.
func (r *Request) compileNodes() (err error) {
	if f := r.body.field; f != nil {
		if r.nodes, r.body.node, err = addPath(r.nodes, r.table, f.fields, f.name); err != nil {
			return err
		}
		k := &r.nodes[r.body.node]
		k.body = true
		if k.f.message != nil {
			if err := k.f.message.ready(); err != nil {
				return err
			}
		}
		r.body.fillable = fillable(k.f)
	}
	for i := range r.vars {
		v := &r.vars[i]
		if r.nodes, v.node, err = addPath(r.nodes, r.table, v.path.fields, v.path.name); err != nil {
			return err
		}
	}
	return nil
}

// compileVars resolves the template's variables.
func (r *Request) compileVars(names []string) error {
	for _, name := range names {
		p, err := resolve(r.table.md, name, byProtoName)
		if err != nil {
			return fmt.Errorf("path variable {%s}: %w", name, err)
		}
		leaf := p.leaf()
		csv := leaf.IsList() && isText(leaf) && r.options.RepeatedCSV
		if leaf.Cardinality() == protoreflect.Repeated && !csv || !isText(leaf) {
			return fmt.Errorf("path variable {%s} is %s; a variable must be a singular scalar", name, describe(leaf))
		}
		for _, other := range r.vars {
			if other.path.name == p.name {
				return fmt.Errorf("path variable {%s} is bound twice", name)
			}
			if od := sharedOneof(&other.path, p); od != nil {
				return fmt.Errorf("path variables {%s} and {%s} are members of one oneof, %s", other.path.name, name, od.FullName())
			}
		}
		r.vars = append(r.vars, variable{path: *p, csv: csv})
	}
	return nil
}

// sharedOneof returns the oneof that p and q would set different members of; nil if there is none.
func sharedOneof(p, q *path) protoreflect.OneofDescriptor {
	for i, fd := range p.fields {
		if i == len(q.fields) {
			return nil
		}
		other := q.fields[i]
		if fd.Number() == other.Number() {
			continue
		}
		od, otherOd := fd.ContainingOneof(), other.ContainingOneof()
		if od != nil && otherOd != nil && od.Index() == otherOd.Index() {
			return od
		}
		return nil
	}
	return nil
}

// compileBody resolves the rule's body.
func (r *Request) compileBody(rule string) error {
	switch rule {
	case "":
		return nil
	case "*":
		r.body.whole = true
		return nil
	}
	p, err := resolve(r.table.md, rule, byProtoName)
	if err != nil {
		return fmt.Errorf("body %q: %w", rule, err)
	}
	if formOf(r.table.md) != formObject {
		return fmt.Errorf("body %q: %s has a JSON form of its own, so its fields cannot be a body; use \"*\"", rule, r.table.md.FullName())
	}
	r.body.field = p
	return nil
}

// variable is a path variable's field.
type variable struct {
	path path
	csv  bool  // the values of a repeated field, separated by commas
	node int32 // the field's node
}
