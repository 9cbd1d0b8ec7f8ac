package program

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// run is one message on its way from wire to JSON. It belongs to one goroutine and lives on its stack.
//
// There are two ways to write a message that is an object of its fields. The fast one (object.go) writes each field as
// it comes, and gives up when that is not the order of the declaration. The other one (scan.go) first notes where each
// field is, then writes. Both visit each byte once, but giving up costs what was written; run bounds the sum of that.
type run struct {
	compiler *Compiler
	style    style
	wire     []byte
	scratch  *scratch // nil until something needs it

	// again is how many bytes may still be given up on and written anew. A message that would exceed it fails with
	// errAgain. After any error all starts over with scan set, which never gives up and has the last word. So no wire
	// costs more than four times what the same bytes in order cost.
	again int
	scan  bool
	// partial means that required fields may be missing: inside an Any, as in protojson, and in what is not shown.
	partial bool
	// unseen means that the text is thrown away, since another value took its place. Only what is wrong with the wire
	// is an error then, not what JSON cannot show.
	unseen bool
}

// content is the wire of one message: run.wire[start:end], and the pieces that more leads to. A message has several
// pieces where its field occurs several times: protobuf merges them, which is the same as reading one after the other.
type content struct {
	start, end int
	more       uint32 // index of the next piece in scratch.pieces, 0 for none
}

var (
	errTooLong = errors.New("more than 4 GiB")
	errOrder   = errors.New("fields are not in the order of their declaration")
	errAgain   = errors.New("too much to write anew")
	errDepth   = errors.New("messages nest too deep")
	errUnset   = errors.New("required field is not set")
)

// appendJSON appends the JSON of one reply to dst. On error what it returns is of no use.
func (c *Compiler) appendJSON(dst, wire []byte, p *Response) ([]byte, error) {
	if uint64(len(wire)) > math.MaxUint32 {
		return dst, errTooLong
	}
	r := run{compiler: c, style: p.table.style, wire: wire, again: 2 * len(wire)}
	out, err := r.reply(dst, p)
	if err != nil {
		// What cannot be shown may be replaced by, or merge with, what comes later. The scan knows.
		r.restart()
		out, err = r.reply(dst, p)
	}
	r.free()
	return out, err
}

// reply appends the whole message, or the field of it that is the reply.
func (r *run) reply(dst []byte, p *Response) ([]byte, error) {
	c := content{end: len(r.wire)}
	if p.only == nil {
		return r.message(dst, p.table, c, p.levels)
	}
	s := r.need()
	if err := r.note(p.table, c, p.levels); err != nil {
		return dst, err
	}
	start, required := len(dst), 0
	for _, sl := range s.slots {
		if sl.f.required {
			required++
		}
		var err error
		if sl.f.number == p.only.number {
			sl.f = p.only
			dst, err = r.slot(dst, sl, p.levels)
		} else {
			err = r.judgeSlot(sl, p.levels)
		}
		if err != nil {
			return dst, err
		}
	}
	if required < p.table.required {
		return dst, p.table.missing(c)
	}
	if len(dst) == start {
		return append(dst, p.absent...), nil
	}
	return dst, nil
}

// restart makes the run start over, this time without the fast way.
func (r *run) restart() {
	r.free()
	r.scan, r.partial, r.unseen = true, false, false
}

// scratch is the memory of a run that does not know beforehand how much it needs. The slices are stacks: whoever pushes
// pops again.
type scratch struct {
	slots   []slot
	sparse  []uint32
	pieces  []piece // the first is never used: 0 means none
	entries []entry
	groups  map[uint32]uint64 // where the first tag of a group ends → where its content ends, where it ends itself
	unseen  []byte            // text that is thrown away
}

// Bounds of what a scratch may hold on to when it goes back to the pool. A run whose fields alternate a million times
// needs some 12 bytes for each, and gives them back to the collector.
const (
	scratchKeep      = 1 << 12
	scratchKeepBytes = 1 << 16
)

// need returns the run's scratch.
func (r *run) need() *scratch {
	if r.scratch == nil {
		s, ok := r.compiler.scratches.Get().(*scratch)
		if !ok {
			s = &scratch{pieces: make([]piece, 1, 16)}
		}
		r.scratch = s
	}
	return r.scratch
}

// free gives the scratch back, unless it grew large.
func (r *run) free() {
	s := r.scratch
	if s == nil {
		return
	}
	r.scratch = nil
	if max(cap(s.slots), cap(s.sparse), cap(s.pieces), cap(s.entries), len(s.groups)) > scratchKeep || cap(s.unseen) > scratchKeepBytes {
		return
	}
	clear(s.groups) // what the slots point at lives as long as the compiler, and so does the pool
	s.slots, s.sparse, s.pieces, s.entries, s.unseen = s.slots[:0], s.sparse[:0], s.pieces[:1], s.entries[:0], s.unseen[:0]
	r.compiler.scratches.Put(s)
}

// following returns the next piece of c.
func (r *run) following(c content) (content, bool) {
	if c.more == 0 {
		return content{}, false
	}
	return r.scratch.content(c.more), true
}

// content returns the content that starts with a piece.
func (s *scratch) content(first uint32) content {
	p := s.pieces[first]
	return content{int(p.start), int(p.end), p.next}
}

// message appends the JSON of one message in the form that its type has. levels is how many levels it may take, itself
// included.
func (r *run) message(dst []byte, t *table, c content, levels int) ([]byte, error) {
	if levels <= 0 {
		return dst, errDepth
	}
	if err := t.ready(); err != nil {
		return dst, err
	}
	switch t.kind {
	case ordinary:
		start := len(dst)
		dst, err := r.fields(dst, t, c, levels)
		return closeObject(dst, start), err
	case kindTimestamp, kindDuration:
		return r.moment(dst, t, c)
	case kindFieldMask:
		return r.fieldMask(dst, t, c)
	case kindWrapper:
		return r.wrapper(dst, t, c)
	case kindStruct:
		return r.object(dst, t, c, levels)
	case kindValue:
		return r.value(dst, t, c, levels)
	case kindListValue:
		return r.listValue(dst, t, c, levels)
	}
	return r.any(dst, t, c, levels)
}

// closeObject makes an object of fields that were appended from start on, each with a comma before it.
func closeObject(dst []byte, start int) []byte {
	if len(dst) == start {
		return append(dst, '{', '}')
	}
	dst[start] = '{'
	return append(dst, '}')
}

// fields appends the fields of one message, each with a comma before it.
func (r *run) fields(dst []byte, t *table, c content, levels int) ([]byte, error) {
	if r.scan || !t.ordered || c.more != 0 {
		return r.scanned(dst, t, c, levels)
	}
	start := len(dst)
	dst, err := r.inOrder(dst, t, c, levels)
	if err != errOrder {
		return dst, err
	}
	if r.again -= c.end - c.start; r.again < 0 {
		return dst, errAgain
	}
	return r.scanned(dst[:start], t, c, levels)
}

// fault is what is wrong with a message, and where: the cause of a BAD_REPLY, for the log.
type fault struct {
	name protoreflect.FullName // of the field or the type
	at   int                   // offset in the wire
	err  error
}

func (f *fault) Error() string { return fmt.Sprintf("%s, at byte %d: %v", f.name, f.at, f.err) }

func (f *fault) Unwrap() error { return f.err }

func (t *table) fault(at int) error          { return &fault{t.md.FullName(), at, errWire} }
func (f *field) fault(at int) error          { return &fault{f.fd.FullName(), at, errWire} }
func (f *field) fails(at int, e error) error { return &fault{f.fd.FullName(), at, e} }

// find returns the field that tag stands before, by its number, or nil if that is unknown to t or does not go with the
// wire type. i is where the tag ends.
func (r *run) find(t *table, tag uint64, i int) (*field, error) {
	number := numberOf(tag)
	if number == 0 {
		return nil, t.fault(i)
	}
	f := t.byNumber(number)
	if f == nil && t.extensible {
		var err error
		if f, err = t.extension(number); err != nil {
			return nil, err
		}
	}
	if f == nil || !f.takes(protowire.Type(tag&7)) {
		return nil, nil
	}
	return f, nil
}

// takes tells whether values of f come with this wire type.
func (f *field) takes(wire protowire.Type) bool {
	return wire == f.wire || f.packable && wire == protowire.BytesType
}
