package program

import (
	"sync"
)

// decoder is one request on its way to wire bytes. It reads the body once, from front to back, and appends each value
// as it comes; fields that path and query set are appended where the message that holds them ends. It belongs to one
// goroutine and is used again: its slices keep their memory.
//
// Its methods take the buffer that they append to and a place in the text, and return both as they are afterwards. A
// place of -1 says that the text is refused; refusal says why.
type decoder struct {
	compiler *Compiler
	lenient  bool
	loose    bool // Options.GRPCGateway
	depthMax int
	secret   bool // values are not to be repeated in errors
	text     []byte
	// linesBefore is how many lines stand before text.
	linesBefore int
	depth       int // of brackets that are open

	// partial means that required fields may be missing: inside an Any, as in protojson.
	partial bool
	// dropped is set by a value that was left out: an enum's unknown name, when lenient.
	dropped bool
	ignored int
	refusal refusal
	// late is the first thing that is wrong with a message whose parts are all right. It is told when nothing else is.
	late error

	bits  []uint64 // per open object: which oneofs and fields it has named
	keys  []keyAt  // of the maps that are open
	slots []uint32 // hash tables of those with many keys
	spare []byte   // a string without its escapes
	types typeScan // where the Anys have their types

	nodes    []node // what path, query and body bind; the first is the message itself
	values   []boundValue
	content  []byte // the encoded values
	pairs    []pair
	query    []byte
	trail    []*field
	seen     map[string]half // of maps, by grpc-gateway's parameters
	halves   int             // parameters that came alone where two are an entry
	noBody   bool            // the body is absent, and that is no value
	bodyPath string

	masked bool   // the field that is read may be named in an inferred mask
	prefix []byte // the path that leads to it
	paths  []byte // the mask so far, encoded
}

// refusal is why a text is refused, and where.
type refusal struct {
	at     int
	reason string
	text   string
}

// decoders are kept between requests.
type decoders struct{ pool sync.Pool }

func (p *decoders) get() *decoder {
	if d, ok := p.pool.Get().(*decoder); ok {
		return d
	}
	return &decoder{}
}

// scratchBytesMax bounds what one decoder keeps between requests.
const scratchBytesMax = 1 << 16

// put takes a decoder back. It forgets the request, and what an uncommonly large one has left.
func (p *decoders) put(d *decoder) {
	if cap(d.keys)*16+cap(d.slots)*4+cap(d.spare)+cap(d.content)+cap(d.query)+cap(d.paths)+cap(d.nodes)*64 > scratchBytesMax {
		return
	}
	clear(d.nodes)
	*d = decoder{
		bits: d.bits[:0], keys: d.keys[:0], slots: d.slots[:0], spare: d.spare[:0],
		nodes: d.nodes[:0], values: d.values[:0], content: d.content[:0], pairs: d.pairs[:0], query: d.query[:0],
		trail: d.trail[:0], prefix: d.prefix[:0], paths: d.paths[:0],
	}
	p.pool.Put(d)
}

// fail refuses the text for what stands at a place in it.
func (d *decoder) fail(dst []byte, at int, text string) ([]byte, int) {
	d.refuse(ReasonMalformedBody, at, text)
	return dst, -1
}

// wrong refuses what stands at a place, for it is not what is expected there.
func (d *decoder) wrong(dst []byte, at int, expected string) ([]byte, int) {
	return d.fail(dst, at, "expected "+expected+", found "+d.found(at))
}

// found says what stands at a place. A text, a number or a word is not repeated where the message has secrets.
func (d *decoder) found(at int) string {
	if c := d.at(at); d.secret && (c == '"' || isWord(c)) {
		return "another value"
	}
	return found(d.text, at)
}

func (d *decoder) refuse(reason string, at int, text string) {
	if d.refusal.reason == "" {
		d.refusal = refusal{at: min(at, len(d.text)), reason: reason, text: text}
	}
}

// tell keeps the first error that is told if nothing worse is found.
func (d *decoder) tell(err error) {
	if d.late == nil {
		d.late = err
	}
}

// err is the refusal as an error for the client: about the field that the place belongs to, with line and column.
func (d *decoder) err() error {
	r := d.refusal
	place := d.place(r.at)
	if deep := firstTooDeep(d.text, d.depthMax); deep >= 0 { // that goes before whatever else is wrong with it
		r, place = refusal{at: deep, reason: ReasonBodyTooDeep, text: tooDeep(d.depthMax)}, "body"
	}
	return invalid(r.reason, place, lineColumn(d.text, r.at, d.linesBefore)+": "+clip(r.text, bodyTextMax))
}

// place names the field of the request that the text at some place is about.
func (d *decoder) place(at int) string {
	place := placeOf(d.text, at)
	switch {
	case d.bodyPath == "" && place == "":
		return "body"
	case d.bodyPath == "":
		return place
	case place == "" || place[0] == '[':
		return d.bodyPath + place
	}
	return d.bodyPath + "." + place
}

// open notes a bracket at s[i]. It returns where what is inside starts, or -1.
func (d *decoder) open(i int) int {
	if d.depth++; d.depth > d.depthMax {
		d.refuse(ReasonBodyTooDeep, i, tooDeep(d.depthMax))
		return -1
	}
	return space(d.text, i+1)
}

// at returns the byte at s[i], 0 at the end. A 0 in the text is no JSON outside strings, where at is not used.
func (d *decoder) at(i int) byte {
	if uint(i) < uint(len(d.text)) {
		return d.text[i]
	}
	return 0
}

// following looks for what stands behind an element of an object or array that close ends: where the next element
// starts, with more, or what is behind the end. next is -1 if it is neither.
func (d *decoder) following(i int, close byte) (next int, more bool) {
	if d.at(i) == ',' && d.at(i+1) > ' ' { // compact
		return i + 1, true
	}
	i = space(d.text, i)
	switch d.at(i) {
	case ',':
		return space(d.text, i+1), true
	case close:
		d.depth--
		return i + 1, false
	}
	d.wrong(nil, i, `"," or "`+string(rune(close))+`"`)
	return -1, false
}

// message appends a message, without a tag or a length. over is the node of what path and query set in it, or none.
func (d *decoder) message(dst []byte, i int, t *table, over int32) ([]byte, int) {
	if err := t.ready(); err != nil {
		return d.fail(dst, i, err.Error())
	}
	switch t.kind {
	case kindTimestamp:
		return d.timestamp(dst, i)
	case kindDuration:
		return d.duration(dst, i)
	case kindFieldMask:
		return d.fieldMask(dst, i)
	case kindWrapper:
		return d.single(dst, i, &t.fields[0], none)
	case kindAny:
		return d.any(dst, i)
	case kindStruct:
		return d.entries(dst, i, &t.fields[0])
	case kindListValue:
		return d.list(dst, i, &t.fields[0])
	case kindValue:
		return d.value(dst, i, t)
	}
	return d.object(dst, i, t, over, false)
}
