package compile

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Severity says what a Diagnostic stops.
type Severity int

const (
	// Fault stops the schema from being used.
	Fault Severity = iota
	// Warning stops nothing.
	Warning
)

// Diagnostic is one remark about a schema, at a place in a file.
type Diagnostic struct {
	// File is the path as imports write it. Empty when the remark is about the schema as a whole.
	File string
	// Line and Column count from 1; 0 is unknown. Columns count characters, and a tab goes to the
	// next multiple of eight, which is how protoc and buf count.
	Line, Column int
	// Severity is Fault when not set.
	Severity Severity
	// Message says what is wrong and, where that is known, what to do. It has no line break at its end.
	Message string
	// Source is the text of the line, without its line break. Empty when it is not known.
	Source string
}

// String returns the remark as a compiler prints it: file:line:column: message, and below that the source
// line and a caret, when they are known.
func (d Diagnostic) String() string {
	var b strings.Builder
	if d.File != "" {
		b.WriteString(d.File)
		if d.Line > 0 {
			fmt.Fprintf(&b, ":%d", d.Line)
		}
		if d.Line > 0 && d.Column > 0 {
			fmt.Fprintf(&b, ":%d", d.Column)
		}
		b.WriteString(": ")
	}
	if d.Severity == Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(d.Message)
	if d.Source != "" && d.Column > 0 {
		text, caret := d.excerpt()
		fmt.Fprintf(&b, "\n  %s\n  %s^", text, caret)
	}
	return b.String()
}

// excerptMax is how many characters of a long line are shown on either side of the caret.
const excerptMax = 80

// excerpt returns the source line and the blank text that puts a caret below the column. Tabs are
// kept in both, so the caret is in place whatever width the reader's tabs have.
func (d Diagnostic) excerpt() (text, blank string) {
	line := []rune(d.Source)
	column, at := 1, 0
	for at < len(line) && column < d.Column {
		if line[at] == '\t' {
			column += 8 - (column-1)%8
		} else {
			column++
		}
		at++
	}
	from, to := max(0, at-excerptMax), min(len(line), at+excerptMax)
	before := make([]rune, at-from)
	for i, r := range line[from:at] {
		before[i] = ' '
		if r == '\t' {
			before[i] = '\t'
		}
	}
	text, blank = printable(line[from:to]), string(before)
	if from > 0 {
		text, blank = "…"+text, " "+blank
	}
	if to < len(line) {
		text += "…"
	}
	return text, blank
}

// printable returns line with control characters made visible, so that a source cannot play tricks on a terminal.
func printable(line []rune) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && (r < ' ' || r == 0x7f || 0x80 <= r && r < 0xa0) {
			return utf8.RuneError
		}
		return r
	}, string(line))
}

// Error is everything that is wrong with a schema. There is at least one Diagnostic, and each is a Fault.
type Error struct {
	Diagnostics []Diagnostic
	// More counts the errors beyond those listed.
	More int
}

// diagnosticsMax is how many errors one Error lists: past that nobody reads on.
const diagnosticsMax = 50

func newError(faults []Diagnostic) *Error {
	n := min(len(faults), diagnosticsMax)
	return &Error{Diagnostics: faults[:n:n], More: len(faults) - n}
}

// fault returns an Error of one Diagnostic about file, which may be empty.
func fault(file, format string, args ...any) *Error {
	return newError([]Diagnostic{{File: file, Message: fmt.Sprintf(format, args...)}})
}

// Error returns all of it, one remark below the other, as a compiler prints it.
func (e *Error) Error() string {
	lines := make([]string, 0, len(e.Diagnostics)+1)
	for _, d := range e.Diagnostics {
		lines = append(lines, d.String())
	}
	if e.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more errors", e.More))
	}
	return strings.Join(lines, "\n")
}

// recovered turns a panic of the compiler's libraries into an error: one bad file must not take a gateway down.
func recovered(err *error) {
	if cause := recover(); cause != nil {
		*err = fault("", "these files made the compiler panic, which is a bug in it: %v", cause)
	}
}
