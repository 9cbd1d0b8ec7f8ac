package route

import (
	"fmt"
	"slices"
	"strings"
)

// Parse reads a template by the grammar of google/api/http.proto:
//
//	Template = "/" Segments [ Verb ] ;
//	Segments = Segment { "/" Segment } ;
//	Segment  = "*" | "**" | LITERAL | Variable ;
//	Variable = "{" FieldPath [ "=" Segments ] "}" ;
//	FieldPath = IDENT { "." IDENT } ;
//	Verb     = ":" LITERAL ;
//
// A literal is made of the characters that RFC 3986 allows in a segment, percent
// escapes, and letters beyond ASCII; other characters must be escaped. The verb
// is what follows the last colon of the last segment; earlier colons belong to
// literals.
//
// Beyond the grammar, "/" alone is the root, and segments may follow **. There
// may be one ** in a template, because with two it is not clear which takes
// what. A template that no request could reach is refused. Errors are
// *TemplateError.
func Parse(template string) (*Template, error) {
	p := parser{text: template, t: &Template{text: template, deep: -1}}
	if err := p.template(); err != nil {
		return nil, err
	}
	return p.t, nil
}

type parser struct {
	text string
	pos  int
	t    *Template
}

func (p *parser) template() error {
	if len(p.text) > templateMax {
		return p.errorf(templateMax, "longer than %d bytes", templateMax)
	}
	if !strings.HasPrefix(p.text, "/") {
		return p.errorf(0, `a template starts with "/"`)
	}
	if p.pos++; p.text == "/" {
		return nil
	}
	if err := p.segments(false); err != nil {
		return err
	}
	return p.verb()
}

func (p *parser) segments(inVar bool) error {
	for {
		if len(p.t.segments) == segmentsMax {
			return p.errorf(p.pos, "more than %d segments", segmentsMax)
		}
		if err := p.segment(inVar); err != nil {
			return err
		}
		if p.next() != '/' {
			return nil
		}
		p.pos++
	}
}

func (p *parser) segment(inVar bool) error {
	switch p.next() {
	case '{':
		if inVar {
			return p.errorf(p.pos, "a variable cannot hold another variable")
		}
		return p.variable()
	case '*':
		return p.wildcard(inVar)
	default:
		return p.literal(inVar)
	}
}

func (p *parser) wildcard(inVar bool) error {
	start := p.pos
	for p.next() == '*' {
		p.pos++
	}
	stars := p.text[start:p.pos]
	if len(stars) > 2 || !p.atSegmentEnd(inVar) {
		return p.errorf(start, `"*" and "**" stand alone between slashes; write a star in a literal as %%2A`)
	}
	if stars == "**" {
		if p.t.deep >= 0 {
			return p.errorf(start, `a second "**"; one template may have one`)
		}
		p.t.deep = len(p.t.segments)
	}
	p.t.segments = append(p.t.segments, stars)
	return nil
}

func (p *parser) variable() error {
	start := p.pos
	p.pos++
	path, err := p.fieldPath()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(p.t.Vars, func(v Var) bool { return v.FieldPath == path }) {
		return p.errorf(start, "variable %s is there twice", path)
	}
	v := Var{FieldPath: path, from: len(p.t.segments)}
	if p.next() == '=' {
		p.pos++
		if err := p.segments(true); err != nil {
			return err
		}
	} else {
		p.t.segments = append(p.t.segments, "*")
	}
	if p.next() != '}' {
		return p.errorf(p.pos, `variable %s lacks its "}"`, path)
	}
	p.pos++
	if !p.atSegmentEnd(false) {
		return p.errorf(p.pos, `a variable is a whole segment; "/", ":" or the end must follow it`)
	}
	v.to = len(p.t.segments)
	v.Multi = v.to-v.from > 1 || p.t.deep >= v.from
	p.t.Vars = append(p.t.Vars, v)
	return nil
}

func (p *parser) fieldPath() (string, error) {
	start := p.pos
	for {
		ident := p.pos
		for isIdent(p.next(), p.pos == ident) {
			p.pos++
		}
		if p.pos == ident {
			return "", p.errorf(p.pos, "a field name is missing; it starts with a letter or _")
		}
		if p.next() != '.' {
			return p.text[start:p.pos], nil
		}
		p.pos++
	}
}

func (p *parser) literal(inVar bool) error {
	start, end := p.pos, len(p.text)
	if i := strings.IndexAny(p.text[start:], "/{}*"); i >= 0 {
		end = start + i
	}
	p.pos = end
	switch c := p.next(); {
	case c == '{', c == '*':
		return p.errorf(end, `%q must be a whole segment`, c)
	case c == '}' && !inVar:
		return p.errorf(end, `"}" without "{"`)
	}
	text := p.text[start:end]
	if colon := strings.LastIndexByte(text, ':'); colon >= 0 && !inVar && end == len(p.text) {
		text, p.pos = text[:colon], start+colon
	}
	if text == "" {
		return p.errorf(start, "an empty segment")
	}
	if isDots(text) {
		return p.errorf(start, "segment %s never matches: such paths are refused", text)
	}
	if colon := strings.LastIndexByte(text, ':'); colon > 0 && isDots(text[:colon]) {
		return p.errorf(start, "segment %s is a dot segment with a verb: such paths are refused", text)
	}
	if err := p.checkLiteral(start, text); err != nil {
		return err
	}
	p.t.segments = append(p.t.segments, normal(text))
	return nil
}

func (p *parser) verb() error {
	if p.pos == len(p.text) {
		return nil
	}
	start := p.pos + 1 // after the colon: a segment ends before a slash, a colon or nothing
	text := p.text[start:]
	if text == "" {
		return p.errorf(start, "an empty verb")
	}
	if i := strings.IndexAny(text, "/:{}*"); i >= 0 {
		return p.errorf(start+i, "a verb ends the template and cannot hold %q", text[i])
	}
	if err := p.checkLiteral(start, text); err != nil {
		return err
	}
	p.t.Verb = normal(text)
	return nil
}

// checkLiteral refuses what can stand in no path, and raw characters that no
// path may carry. start is where text begins.
func (p *parser) checkLiteral(start int, text string) error {
	for i := range len(text) {
		if c := text[i]; c < 0x80 && c != '%' && !isPathChar(c) {
			return p.errorf(start+i, "%q must be percent-encoded, as %%%02X", c, c)
		}
	}
	if fault, at := inspect(text); fault != 0 {
		return p.errorf(start+at, "%s", fault.text())
	}
	return nil
}

// next returns the byte at pos, or 0 at the end. A NUL in the template is taken
// for neither an end nor a literal: checkLiteral refuses it.
func (p *parser) next() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

func (p *parser) atSegmentEnd(inVar bool) bool {
	if p.pos == len(p.text) {
		return true
	}
	c := p.text[p.pos]
	return c == '/' || c == '}' && inVar || c == ':' && !inVar
}

func (p *parser) errorf(at int, format string, args ...any) error {
	return &TemplateError{Template: p.text, Column: at + 1, Problem: fmt.Sprintf(format, args...)}
}

func isIdent(c byte, first bool) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
		return true
	}
	return '0' <= c && c <= '9' && !first
}
