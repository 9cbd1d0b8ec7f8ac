package route

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNotFound is returned by Match when no template matches the path.
var ErrNotFound = errors.New("no route matches this path")

// MethodNotAllowedError is returned by Match when templates match the path but
// none serves the method.
type MethodNotAllowedError struct {
	Method string
	Allow  []string // as Router.Allowed returns it; belongs to the receiver
}

func (e *MethodNotAllowedError) Error() string {
	return fmt.Sprintf("method %q is not allowed on this path; use %s", e.Method, strings.Join(e.Allow, ", "))
}

// Fault is what is wrong with a malformed path.
type Fault uint8

const (
	// FaultNotRooted is a path that does not start with a slash.
	FaultNotRooted Fault = iota + 1
	// FaultBadEscape is a % without two hexadecimal digits after it.
	FaultBadEscape
	// FaultNUL is a NUL character, escaped or not.
	FaultNUL
	// FaultNotUTF8 is text that is not UTF-8 once decoded.
	FaultNotUTF8
	// FaultDotSegment is a . or .. segment, escaped or not.
	FaultDotSegment
)

func (f Fault) text() string {
	switch f {
	case FaultNotRooted:
		return `it must start with "/"`
	case FaultBadEscape:
		return "% must be followed by two hexadecimal digits; write a percent sign as %25"
	case FaultNUL:
		return "it must not contain a NUL character"
	case FaultNotUTF8:
		return "it must be UTF-8 once percent-decoded"
	case FaultDotSegment:
		return `"." and ".." are not allowed as segments; send the path they lead to`
	}
	return "it is malformed"
}

// PathError is returned by Match for a path that is malformed, whatever the
// rules.
type PathError struct {
	Path   string // as received; untrusted
	Fault  Fault
	Offset int // in bytes, where the fault begins
}

// Error says what to change. It does not repeat the path.
func (e *PathError) Error() string {
	return fmt.Sprintf("malformed path at byte %d: %s", e.Offset, e.Fault.text())
}

// TemplateError is returned by Parse.
type TemplateError struct {
	Template string
	Column   int // in bytes, from 1
	Problem  string
}

func (e *TemplateError) Error() string {
	return fmt.Sprintf("template %q, column %d: %s", e.Template, e.Column, e.Problem)
}

// Claim is one rule's side in an error of Build.
type Claim struct {
	Owner    string
	Template string // as written
}

// ConflictError is one of the errors of Build: two rules would serve the same
// requests.
type ConflictError struct {
	Method        string
	Shape         string
	First, Second Claim // in the order of the rules
}

func (e *ConflictError) Error() string {
	if e.First.Owner == e.Second.Owner {
		return fmt.Sprintf("%s %s is bound twice by %s (as %s and %s); remove one",
			e.Method, e.Shape, e.First.Owner, e.First.Template, e.Second.Template)
	}
	return fmt.Sprintf("%s %s is claimed by both %s (as %s) and %s (as %s); change one of the templates",
		e.Method, e.Shape, e.First.Owner, e.First.Template, e.Second.Owner, e.Second.Template)
}

// CostError is returned by Build when one path could make the search visit too
// many nodes, because a literal and * stand side by side at many levels.
type CostError struct {
	Steps, Limit int
	Example      Claim // a rule where it is worst
}

func (e *CostError) Error() string {
	return fmt.Sprintf("one path could take %d steps to route, and %d is the limit: too many templates like %s (of %s) have a literal where others have *; give them different prefixes",
		e.Steps, e.Limit, e.Example.Template, e.Example.Owner)
}
