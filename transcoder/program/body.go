package program

// body says which fields the body of a request sets. The zero value is none.
type body struct {
	whole bool  // every field that the path does not set
	field *path // one field
	node  int32 // its node
	// fillable tells that {} is a value of the field, so that an absent body is the same.
	fillable bool
}

// decode appends the message that path, query and body make.
func (d *decoder) decode(dst []byte, r *Request) ([]byte, error) {
	blank := isBlank(d.text)
	base := len(d.bits)
	required, i := 0, 0
	switch {
	case !r.body.whole && r.body.field == nil:
		if err := refuseBody(d.text); err != nil {
			return dst, err
		}
		d.text = nil
	case r.body.whole && !blank && r.table.form == formObject:
		over := int32(none)
		if len(d.nodes) > 1 {
			over = 0
		}
		if dst, i = d.object(dst, space(d.text, 0), r.table, over, false); i < 0 || !d.ended(i) {
			return dst, d.err()
		}
		return dst, d.late
	case r.body.whole && !blank:
		start := len(dst)
		if dst, i = d.message(dst, space(d.text, 0), r.table, none); i < 0 || !d.ended(i) {
			return dst, d.err()
		}
		dst = d.takeBound(dst, start)
	case r.body.field != nil:
		d.masked = r.mask != nil && d.infers(d.child(0, r.mask))
		d.noBody = blank && !r.body.fillable && !(d.loose && isMessage(d.nodes[r.body.node].f))
	}
	d.reserve(r.table)
	if dst, required = d.rest(dst, 0, r.table, base); required < 0 {
		return dst, d.err()
	}
	if d.loose && r.mask != nil {
		d.finishMask(r)
	}
	if len(d.paths) > 0 || d.loose && d.masked {
		dst = appendTag(dst, r.mask.tag)
		if r.mask.op == opGroup {
			dst = appendTag(append(dst, d.paths...), groupEnd(r.mask.tag))
		} else {
			dst = append(appendTag(dst, uint64(len(d.paths))), d.paths...)
		}
		d.mark(base, r.table.oneofs+r.mask.index)
		if r.mask.required {
			required++
		}
	}
	if required < r.table.required {
		d.missing(r.table, base, "")
	}
	return dst, d.late
}

// infers tells whether the mask at node n is inferred from the body: not if it came as a parameter. grpc-gateway always infers it first.
func (d *decoder) infers(n int32) bool { return n == none || d.loose }

// ended tells whether nothing follows at text[i].
func (d *decoder) ended(i int) bool {
	if i = space(d.text, i); i < len(d.text) {
		d.fail(nil, i, "the body must be one JSON value, and "+d.found(i)+" follows it")
		return false
	}
	return true
}

// refuseBody is for bindings that take no body: nothing, white space and {} say nothing and are fine.
func refuseBody(text []byte) error {
	text = trimSpace(text)
	if len(text) == 0 || text[0] == '{' && text[len(text)-1] == '}' && len(text) > 1 && isBlank(text[1:len(text)-1]) {
		return nil
	}
	return invalid(ReasonUnexpectedBody, "body", "this method takes no body; send its fields in the path and the query")
}

// fillable tells whether {} is a value of the body's field, so that an absent body is the same.
func fillable(f *field) bool {
	if f.card != cardSingle || f.message == nil {
		return false
	}
	return f.message.form == formObject || f.message.form == formAny || f.message.kind == kindStruct
}

// bodyField appends the field that is the body, which is node n. As a body, null is no message, but it is a Value, and
// no wrapper.
func (d *decoder) bodyField(dst []byte, n int32) ([]byte, bool) {
	if d.noBody {
		return dst, true
	}
	f := d.nodes[n].f
	if isBlank(d.text) {
		d.text = []byte("{}")
		if d.loose && !fillable(f) {
			return d.appendEmpty(dst, f), true
		}
	}
	over := int32(none)
	if d.nodes[n].child != 0 {
		over = n
	}
	i := space(d.text, 0)
	message := f.card == cardSingle && f.message != nil
	switch {
	case d.at(i) == 'n' && !f.null && (!message || f.message.form == formWrapper && !d.loose):
		i = d.literal(i, "null")
	case message:
		dst, i = d.single(dst, i, f, over)
	default:
		dst, i = d.field(dst, i, f)
	}
	return dst, i >= 0 && d.ended(i)
}

// takeBound takes the fields that the path binds out of dst[start:], a message that has a JSON form of its own. They
// have been compared, and are appended with the rest.
func (d *decoder) takeBound(dst []byte, start int) []byte {
	for c := d.nodes[0].child; c != 0; c = d.nodes[c].next {
		kept, taken := []byte{}, []byte{}
		for i := start; i < len(dst); {
			tag, value := varint(dst, i)
			end := (&run{}).skip(dst, value, tag)
			if numberOf(tag) == d.nodes[c].f.number {
				taken = append(taken, dst[i:end]...)
			} else {
				kept = append(kept, dst[i:end]...)
			}
			i = end
		}
		dst = append(append(dst[:start], kept...), taken...)
		dst = d.compare(dst, start+len(kept), c)
	}
	return dst
}
