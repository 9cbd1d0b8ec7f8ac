package program

import (
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	lru "github.com/hashicorp/golang-lru/v2"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Partial returns the program that writes of a reply only what a mask names: paths with commas between them, as
// MaskRule.Paths has them, from the message that the reply shows. An empty mask is the whole reply. It is made of tables
// that know the named fields and no others, so that what is left out is skipped like any unknown field: a partial reply
// costs less than a whole one. The error is an *rpc.Error with ReasonInvalidFieldMask, about whatever sent names.
//
// Programs are kept for masks that come again, few enough for clients that make them up.
func (r *Response) Partial(mask, sent string) (*Response, error) {
	if mask == "" {
		return r, nil
	}
	key := partialKey{r, mask}
	known := r.table.compiler.partials.get()
	if p, ok := known.Get(key); ok {
		return p, nil
	}
	p, err := r.partial(mask)
	if err != nil {
		return nil, invalid(ReasonInvalidFieldMask, sent, clip(err.Error(), bodyTextMax))
	}
	known.Add(key, p)
	return p, nil
}

// Bounds of what clients make a gateway keep: some 40 MB if they try hard (a mask through 255 levels takes 172 KB), and
// 2 KB for a mask such as people send.
const (
	maskBytesMax  = 1024
	maskFieldsMax = 256 // in all tables of a mask
	partialsMax   = 256
)

// partials are the partial programs that masks were met for last.
type partials struct {
	once sync.Once
	kept *lru.Cache[partialKey, *Response]
}

type partialKey struct {
	of   *Response
	mask string
}

func (p *partials) get() *lru.Cache[partialKey, *Response] {
	p.once.Do(func() { p.kept, _ = lru.New[partialKey, *Response](partialsMax) }) // its error is about a size below 1
	return p.kept
}

// partial compiles a mask.
func (r *Response) partial(mask string) (*Response, error) {
	if len(mask) > maskBytesMax {
		return nil, fmt.Errorf("the field mask has %d bytes; at most %d are allowed", len(mask), maskBytesMax)
	}
	if !utf8.ValidString(mask) {
		return nil, fmt.Errorf("the field mask is not UTF-8")
	}
	var only protoreflect.FieldDescriptor
	if r.only != nil {
		only = r.only.fd
	}
	var tree fieldTree
	for text := range strings.SplitSeq(mask, ",") {
		p, err := r.table.compiler.fieldPath(r.table.md, only, strings.Trim(text, " "))
		if err != nil {
			return nil, fmt.Errorf("%s", pathText(err.(*pathError)))
		}
		tree.add(p)
	}
	if tree.whole {
		return r, nil
	}
	left := maskFieldsMax
	var err error
	p := *r
	if r.only == nil {
		p.table, err = r.table.partial(&tree, &left)
		return &p, err
	}
	f := *r.only
	err = f.showOnly(&tree, &left)
	p.only = &f
	return &p, err
}

// partial returns a table of the fields of t that a mask names. Members of a oneof of which it names others are in it
// too, hidden: they have taken the value from the others. left is how many fields there may be.
func (t *table) partial(tree *fieldTree, left *int) (*table, error) {
	if err := t.ready(); err != nil {
		return nil, err
	}
	p := &table{md: t.md, style: t.style, compiler: t.compiler, form: t.form, kind: t.kind, oneofs: t.oneofs, sealed: true}
	p.compiled.Store(true)
	shown := map[int]bool{} // the oneofs of which something is
	for i := range t.fields {
		if f := &t.fields[i]; f.oneof != 0 && tree.at(f.number) != nil {
			shown[f.oneof] = true
		}
	}
	places := map[int]int{}
	for i := range t.fields {
		f := t.fields[i]
		named := tree.at(f.number)
		if named == nil && !shown[f.oneof] {
			continue
		}
		f.index = len(p.fields)
		if f.oneof == 0 {
			f.place = f.index
		} else if first, met := places[f.oneof]; met {
			f.place = first
		} else {
			f.place, places[f.oneof] = f.index, f.index
		}
		if named == nil {
			f.hidden, f.required, f.key, f.absent = true, false, nil, nil
		} else if err := f.showOnly(named, left); err != nil {
			return nil, err
		}
		if f.required {
			p.required++
		}
		p.fields = append(p.fields, f)
	}
	for i := range p.fields {
		p.number(&p.fields[i], partialDenseMax)
	}
	p.ordered = p.isOrdered()
	if err := p.addNamed(t, tree, left); err != nil {
		return nil, err
	}
	if *left -= len(p.fields); *left < 0 {
		return nil, fmt.Errorf("the field mask has too many fields")
	}
	return p, nil
}

// partialDenseMax is denseMax of tables that have few fields.
const partialDenseMax = 32

// addNamed adds the extensions that the mask names. There are no others: p is sealed.
func (p *table) addNamed(t *table, tree *fieldTree, left *int) error {
	known := map[protowire.Number]*field{}
	for _, b := range tree.below {
		if !b.fd.IsExtension() {
			continue
		}
		full, err := t.extension(b.fd.Number())
		if err != nil || full == nil {
			return err
		}
		f := *full
		f.index = len(p.fields) + len(known)
		f.place = f.index
		if err := f.showOnly(b.tree, left); err != nil {
			return err
		}
		known[f.number] = &f
	}
	p.extensible = len(known) > 0
	p.extensions.known.Store(&known)
	*left -= len(known)
	return nil
}

// showOnly makes f show of its messages only what a mask names.
func (f *field) showOnly(tree *fieldTree, left *int) (err error) {
	if tree.whole || f.message == nil {
		return nil
	}
	if f.message, err = f.message.partial(tree, left); err != nil || f.card != cardMap {
		return err
	}
	if err := f.entry.ready(); err != nil {
		return err
	}
	entry := &table{md: f.entry.md, style: f.entry.style, compiler: f.entry.compiler, form: f.entry.form, kind: f.entry.kind, sealed: true}
	entry.fields = append(entry.fields, f.entry.fields...)
	entry.fields[1].message = f.message
	for i := range entry.fields {
		entry.number(&entry.fields[i], partialDenseMax)
	}
	entry.ordered = entry.isOrdered()
	entry.compiled.Store(true)
	f.entry = entry
	return nil
}

// FieldMask returns the field mask that a caller sends for the reply, and what it sent it in; "" is none. It is the query
// parameter "$fields", or "fields" if the message has no field of that name, or else the values of the header
// X-Goog-FieldMask, if Options.PartialResponses is set. AppendWire leaves those parameters out.
func (r *Request) FieldMask(query string, header []string) (mask, sent string, err error) {
	if !r.options.PartialResponses {
		return "", "", nil
	}
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if !strings.Contains(name, "%") && !r.isFieldMask([]byte(name)) {
			continue
		}
		p, err := parsePair(part, []byte(part))
		if err != nil || !r.isFieldMask(p.key) {
			continue // AppendWire says what is wrong
		}
		if sent != "" {
			return "", "", invalid(ReasonDuplicateParam, string(p.key), "the reply has one field mask, and it came more than once")
		}
		mask, sent = string(p.value), string(p.key)
	}
	if sent == "" && len(header) > 0 {
		return strings.Join(header, ","), HeaderFieldMask, nil
	}
	return mask, sent, nil
}

// HeaderFieldMask is the header that a field mask can come in.
const HeaderFieldMask = "X-Goog-FieldMask"

// TakesFieldMask tells whether a caller's field mask is looked for.
func (r *Request) TakesFieldMask() bool { return r.options.PartialResponses }

// isFieldMask tells whether a parameter is the reply's field mask.
func (r *Request) isFieldMask(key []byte) bool {
	switch string(key) {
	case "$fields":
		return true
	case "fields":
		return r.table.byName(key) == nil
	}
	return false
}
