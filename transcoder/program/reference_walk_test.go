package program

import (
	"encoding/json"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// walker goes through a JSON body that protojson has accepted, beside the descriptors, for what protojson does not say:
// which names it left out, which fields a PATCH names, and which values it took although they are not strict ProtoJSON.
//
// It relies on the text being valid and at most Options.DepthMax deep.
type walker struct {
	types   Resolver
	text    []byte
	at      int
	ignored int
	err     error // the first value that is refused

	masked  bool     // collect present
	present []string // paths of the fields that the text names, relative to where it starts
	skip    []string // paths that are never collected
}

// walkBody walks the body of a request.
func (r *refRequest) walkBody(text []byte) (present []string, ignored int, err error) {
	w := &walker{types: r.types, text: text, masked: r.mask != nil}
	if r.body.field == nil {
		w.message(r.md)
		return nil, w.ignored, w.err
	}
	for i := range r.vars {
		if inner, ok := strings.CutPrefix(r.vars[i].path.name, r.body.field.name+"."); ok {
			w.skip = append(w.skip, inner)
		}
	}
	fd := r.body.field.leaf()
	if w.masked {
		w.object(fd.Message(), "", false)
	} else {
		w.field(fd, "")
	}
	return w.present, w.ignored, w.err
}

// field walks the value of a field. path is its own, for the mask.
func (w *walker) field(fd protoreflect.FieldDescriptor, path string) {
	switch {
	case w.peek() == 'n' && !takesNull(fd):
		w.value()
	case fd.IsList() || fd.IsMap():
		masked := w.masked
		w.masked = false
		w.elements(fd)
		w.masked = masked
	case w.masked && fd.Message() != nil && formOf(fd.Message()) == formObject && fd.Message().FullName() != wellKnown.Append("Empty"):
		if !w.object(fd.Message(), path+".", false) {
			return
		}
	default:
		if !w.single(fd) {
			return
		}
	}
	w.collect(fd, path)
}

// collect adds a path to the mask.
func (w *walker) collect(fd protoreflect.FieldDescriptor, path string) {
	if !w.masked {
		return
	}
	for _, s := range w.skip {
		if s == path {
			return
		}
	}
	if fd.IsExtension() {
		w.refuse(w.at, "the extension "+string(fd.FullName())+" cannot be named in an inferred update mask; send the mask")
		return
	}
	w.present = append(w.present, path)
}

// elements walks a list, or the values of a map.
func (w *walker) elements(fd protoreflect.FieldDescriptor) {
	element := fd
	if fd.IsMap() {
		element = fd.MapValue()
	}
	for w.open(); w.more(); {
		if fd.IsMap() {
			w.str()
		}
		w.single(element)
	}
}

// single walks one value of a field's type. It tells whether the value was kept.
func (w *walker) single(fd protoreflect.FieldDescriptor) bool {
	switch {
	case fd.Message() != nil:
		masked := w.masked
		w.masked = false
		w.message(fd.Message())
		w.masked = masked
	case fd.Kind() == protoreflect.BytesKind:
		w.base64()
	case fd.Enum() != nil && w.peek() == '"':
		if name := w.str(); fd.Enum().Values().ByName(protoreflect.Name(name)) == nil {
			w.ignored++
			return false
		}
	default:
		w.value()
	}
	return true
}

// message walks a message in its own JSON form.
func (w *walker) message(md protoreflect.MessageDescriptor) {
	switch formOf(md) {
	case formObject:
		w.object(md, "", false)
	case formAny:
		w.any()
	case formText:
		w.timestamp(md)
	case formWrapper:
		w.single(wrapped(md))
	default:
		w.value()
	}
}

// object walks an object of fields. It tells whether the object is {}, naming nothing.
func (w *walker) object(md protoreflect.MessageDescriptor, prefix string, inAny bool) (empty bool) {
	empty = true
	for w.open(); w.more(); empty = false {
		name := w.str()
		switch fd := w.find(md, name); {
		case inAny && name == "@type":
			w.value()
		case fd == nil:
			w.ignored++
			w.value()
		default:
			w.field(fd, prefix+string(fd.Name()))
		}
	}
	return empty
}

// find is protojson's look-up of a key.
func (w *walker) find(md protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if !strings.HasPrefix(name, "[") || !strings.HasSuffix(name, "]") {
		return byAnyName(md.Fields(), name)
	}
	xt, err := w.types.FindExtensionByName(protoreflect.FullName(name[1 : len(name)-1]))
	if err != nil {
		return nil
	}
	return xt.TypeDescriptor()
}

// any walks an Any. Its "@type" may stand anywhere, so it is looked for first.
func (w *walker) any() {
	start, url, names := w.at, "", 0
	for w.open(); w.more(); names++ {
		if w.str() == "@type" {
			url = w.str()
			continue
		}
		w.value()
	}
	mt, err := w.types.FindMessageByURL(url)
	if err != nil { // no @type: {} is an empty Any, and what a lenient program finds instead is unknown
		w.ignored += names
		return
	}
	w.at = start
	md := mt.Descriptor()
	if formOf(md) == formObject && md.FullName() != wellKnown.Append("Empty") {
		w.object(md, "", true)
		return
	}
	for w.open(); w.more(); {
		switch w.str() {
		case "@type":
			w.value()
		case "value":
			w.message(md)
		default:
			w.ignored++
			w.value()
		}
	}
}

func (w *walker) timestamp(md protoreflect.MessageDescriptor) {
	if md.Name() != "Timestamp" {
		w.value()
		return
	}
	w.space()
	start := w.at
	if !strictTimestamp(w.str()) {
		w.refuse(start, "a google.protobuf.Timestamp is written by RFC 3339, as in 2006-01-02T15:04:05.5Z")
	}
}

func (w *walker) base64() {
	w.space()
	start := w.at
	if strings.ContainsAny(w.str(), "\r\n") {
		w.refuse(start, "base64 has a line break in it; write it in one line")
	}
}

func (w *walker) refuse(at int, text string) {
	if w.err == nil {
		w.err = invalid(ReasonMalformedBody, "body", lineColumn(w.text, at, 0)+": "+text)
	}
}

// The rest reads tokens of valid JSON. Each first skips white space and what separates values.

func (w *walker) space() {
	for w.at < len(w.text) && (isSpace(w.text[w.at]) || w.text[w.at] == ',' || w.text[w.at] == ':') {
		w.at++
	}
}

// peek returns the first byte of the next token.
func (w *walker) peek() byte {
	w.space()
	if w.at == len(w.text) {
		return 0
	}
	return w.text[w.at]
}

// open steps into an object or an array.
func (w *walker) open() {
	w.space()
	w.at++
}

// more tells whether another element follows, and steps out if not.
func (w *walker) more() bool {
	switch w.peek() {
	case '}', ']':
		w.at++
		return false
	case 0:
		return false
	}
	return true
}

// str reads a string: a value, or the name of one.
func (w *walker) str() string {
	w.space()
	start := w.at
	w.value()
	raw := w.text[start:w.at]
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	if !strings.Contains(string(raw), `\`) {
		return string(raw[1 : len(raw)-1])
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return ""
	}
	return s
}

// value steps over a value of any kind.
func (w *walker) value() {
	w.space()
	depth, quoted := 0, false
	for ; w.at < len(w.text); w.at++ {
		c := w.text[w.at]
		switch {
		case quoted && c == '\\':
			w.at++
		case c == '"':
			quoted = !quoted
			if !quoted && depth == 0 {
				w.at++
				return
			}
		case quoted:
		case c == '{' || c == '[':
			depth++
		case (c == '}' || c == ']') && depth > 1:
			depth--
		case c == '}' || c == ']':
			if depth == 1 {
				w.at++
			}
			return
		case depth == 0 && (c == ',' || isSpace(c)):
			return
		}
	}
}
