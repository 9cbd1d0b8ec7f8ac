package e2e

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// section is one number of docs/semantics.md in testdata/semantics/cases.txt.
type section struct {
	number int
	title  string
	cases  []testCase
}

// testCase is one request with its outcome, or one schema with what publishing it gives.
type testCase struct {
	line int

	verb, gateway, target string // verb is "publish" for a schema
	headers               []string
	body                  string
	hasBody               bool

	status   int    // of a refusal; 0 if accepted
	reason   string // of a refusal, "-" if the HTTP library refuses; of a publish: served, warned, refused
	texts    []string
	method   string // that an accepted request reaches
	request  string // what it gets, as JSON
	response []string
}

func (c testCase) accepted() bool {
	return c.status == 0 && c.reason != "refused" && c.reason != "warned"
}

var (
	sectionLine = regexp.MustCompile(`^== (\d+) (.+)$`)
	caseLine    = regexp.MustCompile(`^([A-Za-z]+)(?:@(\w+))?(?: (\S+))? => (\S+) ?(.*)$`)
	headerLine  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*: `)
	quoted      = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
)

// readCases reads the file, whose format is explained at its top.
func readCases(t *testing.T, path string) []*section {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var sections []*section
	var current *testCase
	for i, line := range strings.Split(string(data), "\n") {
		where := fmt.Sprintf("%s:%d", path, i+1)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			current = nil
		case strings.HasPrefix(line, "  "):
			if current == nil {
				t.Fatalf("%s: no case above", where)
			}
			if err := current.add(line[2:]); err != nil {
				t.Fatalf("%s: %v", where, err)
			}
		case strings.HasPrefix(line, "== "):
			m := sectionLine.FindStringSubmatch(line)
			if m == nil {
				t.Fatalf("%s: want == NUMBER title", where)
			}
			number, _ := strconv.Atoi(m[1]) // digits
			sections, current = append(sections, &section{number: number, title: m[2]}), nil
		default:
			c, err := newCase(line)
			if err != nil || len(sections) == 0 {
				t.Fatalf("%s: %v, in no section or not a case", where, err)
			}
			c.line = i + 1
			last := sections[len(sections)-1]
			last.cases = append(last.cases, c)
			current = &last.cases[len(last.cases)-1]
		}
	}
	return sections
}

func newCase(line string) (c testCase, err error) {
	m := caseLine.FindStringSubmatch(line)
	if m == nil {
		return c, fmt.Errorf("%q is not VERB TARGET => OUTCOME", line)
	}
	c.verb, c.gateway, c.target = m[1], m[2], m[3]
	status, notNumber := strconv.Atoi(m[4])
	switch {
	case c.verb == "publish":
		c.reason = m[4]
	case notNumber != nil:
		c.method, c.request = m[4], m[5]
		return c, nil
	default:
		c.status = status
		c.reason, _, _ = strings.Cut(m[5], " ")
	}
	for _, text := range quoted.FindAllString(m[5], -1) {
		plain, err := strconv.Unquote(text)
		if err != nil {
			return c, fmt.Errorf("%s: %w", text, err)
		}
		c.texts = append(c.texts, plain)
	}
	return c, nil
}

// add takes one line below the case.
func (c *testCase) add(line string) error {
	expected, isExpected := strings.CutPrefix(line, "< ")
	literal, isLiteral := strings.CutPrefix(line, "%q ")
	switch {
	case c.verb == "publish":
		c.body += line + "\n"
	case isExpected:
		c.response = append(c.response, expected)
	case isLiteral:
		text, err := strconv.Unquote(literal)
		c.body, c.hasBody = c.body+text, true
		return err
	case !c.hasBody && headerLine.MatchString(line):
		c.headers = append(c.headers, line)
	default:
		c.body, c.hasBody = c.body+line, true
	}
	return nil
}

// wire returns the request as it is sent.
func (c testCase) wire() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n", c.verb, c.target)
	length := c.hasBody
	for _, h := range c.headers {
		length = length && !strings.HasPrefix(h, "Content-Length:") && !strings.HasPrefix(h, "Transfer-Encoding:")
		b.WriteString(h + "\r\n")
	}
	if length {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(c.body))
	}
	b.WriteString("\r\n" + c.body)
	return b.String()
}
