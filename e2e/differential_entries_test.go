package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// difference is a request to which two gateways answer differently.
type difference struct {
	rule         string // the heading under which it is listed: the number and what it says
	request      string
	theirs, ours string
}

// unlisted heads the differences that nobody has judged yet.
const unlisted = "?"

// requestText is a request as the files have it: method and path, then headers and body, each line with two spaces
// before it. What cannot stand in a line is a Go string after %q.
func requestText(c testCase) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", c.verb, c.target)
	for _, h := range c.headers {
		fmt.Fprintf(&b, "  %s\n", h)
	}
	switch {
	case c.hasBody && plainLine(c.body):
		fmt.Fprintf(&b, "  %s\n", c.body)
	case c.hasBody:
		fmt.Fprintf(&b, "  %%q %q\n", c.body)
	}
	return b.String()
}

// plainLine reports whether a body can stand in a line as it is.
func plainLine(body string) bool {
	if body == "" || headerLine.MatchString(body) || strings.HasPrefix(body, "%q ") || strings.TrimSpace(body) != body {
		return false
	}
	for _, r := range body {
		if r < ' ' || r == '\uFFFD' || r == '\u00a0' {
			return false
		}
	}
	return true
}

// readDifferences reads the listed differences. The file is written by -update; what people write in it is under which
// heading an entry stands, and the comment at its top.
func readDifferences(t *testing.T, file, name string) []difference {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []difference
	rule := ""
	for i, line := range strings.Split(string(data), "\n") {
		last := len(all) - 1
		heading, isHeading := strings.CutPrefix(line, "== ")
		theirs, isTheirs := strings.CutPrefix(line, name+": ")
		ours, isOurs := strings.CutPrefix(line, "gatehouse: ")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case isHeading:
			rule = heading
		case isTheirs:
			all[last].theirs = theirs
		case isOurs:
			all[last].ours = ours
		case strings.HasPrefix(line, "  "):
			all[last].request += line + "\n"
		case rule == "":
			t.Fatalf("%s:%d: an entry below no heading", file, i+1)
		default:
			all = append(all, difference{rule: rule, request: line + "\n"})
		}
	}
	return all
}

// checkDifferences compares what is listed with what was found.
func checkDifferences(t *testing.T, listed, found []difference) {
	t.Helper()
	byRequest := map[string]difference{}
	for _, d := range found {
		byRequest[d.request] = d
	}
	for _, d := range listed {
		got, ok := byRequest[d.request]
		switch {
		case d.number() < 1 || d.number() > lastNumber:
			t.Errorf("listed under %q, which is no line of docs/semantics.md:\n%s", d.rule, d)
		case !ok:
			t.Errorf("listed under %q, but there is no difference any more:\n%s", d.rule, d)
		case got.theirs != d.theirs || got.ours != d.ours:
			t.Errorf("listed under %q:\n%s\nbut now it is:\n%s", d.rule, d, got)
		}
		delete(byRequest, d.request)
	}
	for _, d := range found {
		if _, left := byRequest[d.request]; left {
			t.Errorf("a difference that is not listed; it is a mistake, or a line of docs/semantics.md decides it:\n%s", d)
		}
	}
}

// number is the line of docs/semantics.md that decides, 0 if there is none.
func (d difference) number() int {
	text, _, _ := strings.Cut(d.rule, " ")
	n, _ := strconv.Atoi(text) // 0 if it is no number
	return n
}

// String is the entry as the file has it, without its heading.
func (d difference) String() string { return fmt.Sprintf("%s%s / %s\n", d.request, d.theirs, d.ours) }

// writeDifferences writes what was found below the headings where it is listed, in the order of the requests.
func writeDifferences(t *testing.T, file, name string, listed, found []difference) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for line := range strings.Lines(string(data)) { // the comment at the top
		if !strings.HasPrefix(line, "#") {
			break
		}
		b.WriteString(line)
	}
	rules, ruleOf := []string{}, map[string]string{}
	for _, d := range listed {
		if len(rules) == 0 || rules[len(rules)-1] != d.rule {
			rules = append(rules, d.rule)
		}
		ruleOf[d.request] = d.rule
	}
	if len(rules) == 0 || rules[len(rules)-1] != unlisted {
		rules = append(rules, unlisted)
	}
	for _, rule := range rules {
		heading := fmt.Sprintf("\n== %s\n", rule)
		for _, d := range found {
			if ruleOf[d.request] == rule || ruleOf[d.request] == "" && rule == unlisted {
				fmt.Fprintf(&b, "%s%s%s: %s\ngatehouse: %s\n", heading, d.request, name, d.theirs, d.ours)
				heading = "\n"
			}
		}
	}
	writeFile(t, file, b.String())
}
