package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"buf.build/go/protoyaml"
	"go.yaml.in/yaml/v3"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
)

// decode reads YAML into cfg, and the place of every setting into places, under its path. protoyaml turns values into
// fields; the shape is read before, because protoyaml takes repeated keys, further documents and null without a word,
// and names only some of the valid names.
func decode(name string, data []byte, cfg *configv1.Config, places map[string]place) []problem {
	if p := checkText(name, data); p != nil {
		return []problem{*p}
	}
	root, err := document(data)
	if err != nil {
		return []problem{syntaxProblem(name, err)}
	}
	s := &shape{file: name, places: places, paths: map[place]string{}}
	places[""] = place{name, 1, 1}
	if root == nil || root.Tag == "!!null" {
		return nil // nothing but comments
	}
	s.message(root, cfg.ProtoReflect().Descriptor(), "")
	err = protoyaml.UnmarshalOptions{}.Unmarshal(data, cfg)
	return append(s.problems, s.values(err)...)
}

// checkText refuses what may not stand in YAML, with its place, and the line separators other than \n, which protoyaml
// does not count as such.
func checkText(name string, data []byte) *problem {
	at := place{name, 1, 1}
	for rest := bytes.TrimPrefix(data, []byte("\ufeff")); len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		next := rest[size:]
		switch {
		case r == utf8.RuneError && size == 1:
			return &problem{at, "the file is not UTF-8 here"}
		case r == '\r' && !bytes.HasPrefix(next, []byte("\n")), r < ' ' && r != '\t' && r != '\n' && r != '\r',
			r >= 0x7f && r < 0xa0, r == '\u2028', r == '\u2029', r == '\ufeff', r == '\ufffe', r == '\uffff':
			return &problem{at, fmt.Sprintf("the character %U cannot stand here; inside of quotes, write it as an escape", r)}
		case r == '\n':
			at.line, at.column = at.line+1, 0
		}
		at.column++
		rest = next
	}
	return nil
}

// document returns the root of the only document, or nil when there is none.
func document(data []byte) (*yaml.Node, error) {
	d := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	if err := d.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	switch err := d.Decode(&more); {
	case err == nil:
		return nil, fmt.Errorf("yaml: line %d: a second document begins; a configuration is one", more.Line)
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	return doc.Content[0], nil
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

// syntaxProblem gives an error of the YAML parser its place. The parser knows lines only.
func syntaxProblem(name string, err error) problem {
	at, message := place{name, 1, 1}, err.Error()
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		at.line, _ = strconv.Atoi(m[1])
		message = message[len(m[0]):]
	}
	return problem{at, "not YAML: " + strings.TrimPrefix(message, "yaml: ")}
}

var (
	protoyamlPlace = regexp.MustCompile(`^:(\d+):(\d+) `)
	strconvName    = regexp.MustCompile(`strconv\.\w+: parsing `)
)

// values turns what protoyaml reports into problems, without those of places that have one already.
func (s *shape) values(err error) (problems []problem) {
	if err == nil {
		return nil
	}
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	told := map[place]bool{}
	for _, p := range s.problems {
		told[p.at] = true
	}
	for _, err := range all {
		at, message := place{s.file, 1, 1}, err.Error()
		if m := protoyamlPlace.FindStringSubmatch(message); m != nil {
			at.line, _ = strconv.Atoi(m[1])
			at.column, _ = strconv.Atoi(m[2])
			message, _, _ = strings.Cut(message[len(m[0]):], "\n")
			message = strconvName.ReplaceAllString(message, "")
		}
		if !told[at] {
			told[at] = true
			problems = append(problems, problem{at, under(s.paths[at], message)})
		}
	}
	return problems
}
