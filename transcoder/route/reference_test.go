package route_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

// reference is the matcher as one would write it from the rules alone: it tries
// every template on every path, with no trie and no care for speed. It shares no
// code with the router.
type reference struct {
	rules  []route.Rule[string]
	strip  bool
	parsed []refTemplate
}

type refTemplate struct {
	segments []string // as written
	vars     [][2]int
	verb     string
}

func newReference(rules []route.Rule[string], strip bool) *reference {
	r := &reference{rules: rules, strip: strip}
	for _, rule := range rules {
		r.parsed = append(r.parsed, refParse(rule.Template.String()))
	}
	return r
}

// refParse takes apart a template that is known to be good.
func refParse(text string) (t refTemplate) {
	if i := strings.LastIndex(text, ":"); i > strings.LastIndexAny(text, "/}") {
		text, t.verb = text[:i], text[i+1:]
	}
	if text == "/" {
		return t
	}
	for text != "" {
		text = text[1:] // the slash
		if strings.HasPrefix(text, "{") {
			variable, rest, _ := strings.Cut(text[1:], "}")
			_, pattern, ok := strings.Cut(variable, "=")
			if !ok {
				pattern = "*"
			}
			from := len(t.segments)
			t.segments = append(t.segments, strings.Split(pattern, "/")...)
			t.vars = append(t.vars, [2]int{from, len(t.segments)})
			text = rest
			continue
		}
		end := strings.IndexByte(text, '/')
		if end < 0 {
			end = len(text)
		}
		t.segments = append(t.segments, text[:end])
		text = text[end:]
	}
	return t
}

// candidate is one way in which a rule matches a path.
type candidate struct {
	rule   int
	widths []int // the segments of the path that each segment of the template takes
	values []string
}

func (r *reference) outcome(method, path string) string {
	if refMalformed(path) {
		return "400"
	}
	var all, served []candidate
	for i := range r.rules {
		if c, ok := r.candidate(i, path); ok {
			all = append(all, c)
			if r.rank(i, method) > 0 {
				served = append(served, c)
			}
		}
	}
	switch {
	case len(served) > 0:
		best := slices.MinFunc(served, func(a, b candidate) int { return r.compare(a, b, method) })
		text := r.rules[best.rule].Value
		for i, v := range r.rules[best.rule].Template.Vars {
			text += fmt.Sprintf(" %s=%q", v.FieldPath, best.values[i])
		}
		return text
	case len(all) > 0:
		return "405 " + strings.Join(r.allow(all), " ")
	}
	return "404"
}

func (r *reference) allow(all []candidate) []string {
	allow := []string{"OPTIONS"}
	for _, c := range all {
		switch m := r.rules[c.rule].Method; m {
		case "GET":
			allow = append(allow, "GET", "HEAD")
		case "*":
			allow = append(allow, "DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
		default:
			allow = append(allow, m)
		}
	}
	slices.Sort(allow)
	return slices.Compact(allow)
}

// rank is 0 when the rule does not serve the method, and less the better it does.
func (r *reference) rank(rule int, method string) int {
	switch m := r.rules[rule].Method; {
	case m == method && m != "*":
		return 1
	case m == "GET" && method == "HEAD":
		return 2
	case m == "*":
		return 3
	}
	return 0
}

func (r *reference) compare(a, b candidate, method string) int {
	ta, tb := r.parsed[a.rule], r.parsed[b.rule]
	if (ta.verb == "") != (tb.verb == "") {
		if ta.verb != "" {
			return -1
		}
		return 1
	}
	class := func(segment string) int { return slices.Index([]string{"*", "**"}, segment) }
	for i := 0; i < len(ta.segments) && i < len(tb.segments); i++ {
		if d := class(ta.segments[i]) - class(tb.segments[i]); d != 0 {
			return d
		}
		if d := a.widths[i] - b.widths[i]; d != 0 {
			return d
		}
	}
	if d := len(ta.segments) - len(tb.segments); d != 0 {
		return d
	}
	return r.rank(a.rule, method) - r.rank(b.rule, method)
}

func (r *reference) candidate(rule int, path string) (candidate, bool) {
	t := r.parsed[rule]
	slashOK := len(t.segments) > 0 && t.segments[len(t.segments)-1] == "**"
	if t.verb == "" {
		slashOK = slashOK || r.strip
	} else {
		if r.strip {
			path = strings.TrimSuffix(path, "/")
		}
		i := strings.LastIndex(path, ":")
		if i < strings.LastIndex(path, "/") || i < 0 || !refSame(path[i+1:], t.verb) {
			return candidate{}, false
		}
		path = path[:i]
	}
	whole := path
	var segments []string
	if path != "/" {
		if strings.HasSuffix(path, "/") {
			if !slashOK {
				return candidate{}, false
			}
			path = path[:len(path)-1]
		}
		if path == "" {
			return candidate{}, false
		}
		segments = strings.Split(path[1:], "/")
	}
	if slices.Contains(segments, "") {
		return candidate{}, false
	}
	widths, ok := refAssign(t.segments, segments)
	if !ok {
		return candidate{}, false
	}
	c := candidate{rule: rule, widths: widths}
	for i, v := range t.vars {
		from, to := refSum(widths[:v[0]]), refSum(widths[:v[1]])
		text := strings.Join(segments[from:to], "/")
		if text != "" && v[1] == len(t.segments) && t.segments[v[1]-1] == "**" && whole != path {
			text += "/"
		}
		multi := v[1]-v[0] > 1 || t.segments[v[0]] == "**"
		if multi != r.rules[rule].Template.Vars[i].Multi {
			panic("Multi is wrong")
		}
		c.values = append(c.values, refDecode(text, multi, r.rules[rule].Decode))
	}
	return c, true
}

// refAssign says how many segments of the path each of the template takes.
func refAssign(template, path []string) ([]int, bool) {
	if len(template) == 0 {
		return nil, len(path) == 0
	}
	if template[0] == "**" {
		for n := range len(path) + 1 {
			if rest, ok := refAssign(template[1:], path[n:]); ok {
				return append([]int{n}, rest...), true
			}
		}
		return nil, false
	}
	if len(path) == 0 || template[0] != "*" && !refSame(template[0], path[0]) {
		return nil, false
	}
	rest, ok := refAssign(template[1:], path[1:])
	return append([]int{1}, rest...), ok
}

func refSum(widths []int) (sum int) {
	for _, w := range widths {
		sum += w
	}
	return sum
}

const (
	refUnreserved = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
	refReserved   = ":/?#[]@!$&'()*+,;="
)

// refSame compares literals by what RFC 3986 calls equivalent: each character as
// itself, or as one that needs its escape.
func refSame(a, b string) bool { return slices.Equal(refSpell(a), refSpell(b)) }

func refSpell(text string) (spelled []int) {
	for i := 0; i < len(text); i++ {
		c, needs := text[i], !strings.Contains(refUnreserved+"!$&'()*+,;=:@", text[i:i+1])
		if c == '%' {
			decoded, err := url.PathUnescape(text[i : i+3])
			if err != nil {
				panic(err)
			}
			c, needs = decoded[0], !strings.Contains(refUnreserved, decoded)
			i += 2
		}
		if needs {
			spelled = append(spelled, 256+int(c))
		} else {
			spelled = append(spelled, int(c))
		}
	}
	return spelled
}

func refDecode(text string, multi bool, d route.Decode) string {
	var out []byte
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			out = append(out, text[i])
			continue
		}
		decoded, err := url.PathUnescape(text[i : i+3])
		if err != nil {
			panic(err)
		}
		keep := multi && (d == route.KeepSlash && decoded == "/" ||
			d == route.KeepReserved && strings.Contains(refReserved, decoded))
		if keep {
			decoded = text[i : i+3]
		}
		out = append(out, decoded...)
		i += 2
	}
	return string(out)
}

func refMalformed(path string) bool {
	decoded, err := url.PathUnescape(path)
	if err != nil || !strings.HasPrefix(path, "/") || strings.Contains(decoded, "\x00") || !utf8.ValidString(decoded) {
		return true
	}
	segments := strings.Split(path, "/")
	if last := segments[len(segments)-1]; strings.Contains(last, ":") {
		segments = append(segments, last[:strings.LastIndex(last, ":")])
	}
	return slices.ContainsFunc(segments, func(s string) bool {
		plain, err := url.PathUnescape(s)
		return err != nil || plain == "." || plain == ".."
	})
}
