package config

import (
	"fmt"
	"regexp"
	"strings"
)

// Match reports whether the full name of a service or method fits a pattern of Backend.services or Service.match: the
// name itself, or a prefix with "*" at its end. The empty pattern fits every name. A pattern that names a service does
// not fit the service's methods: whoever decides about a method asks for both names.
func Match(pattern, name string) bool {
	if pattern == "" {
		return true
	}
	if prefix, open := strings.CutSuffix(pattern, "*"); open {
		return strings.HasPrefix(name, prefix)
	}
	return pattern == name
}

const ident = `[A-Za-z_][A-Za-z0-9_]*`

var (
	patternForm  = regexp.MustCompile(`^(` + ident + `\.)*(` + ident + `\*?|\*)$`)
	selectorForm = regexp.MustCompile(`^` + ident + `(\.` + ident + `)+$`)
	verbForm     = regexp.MustCompile(`^([A-Z][A-Z-]*|\*)$`)
)

func checkPattern(pattern string) error {
	if pattern == "" || patternForm.MatchString(pattern) {
		return nil
	}
	return fmt.Errorf(`%q is not a service or method name, such as acme.orders.v1.Orders, and not a prefix of names with "*" at its end`, pattern)
}

func checkSelector(selector string) error {
	if selectorForm.MatchString(selector) {
		return nil
	}
	return fmt.Errorf("%q is not the full name of a method, such as acme.orders.v1.Orders.GetOrder", selector)
}

func checkVerb(verb string) error {
	if verbForm.MatchString(verb) {
		return nil
	}
	return fmt.Errorf(`%q is not an HTTP method in capitals, such as GET, and not "*"`, verb)
}
