package front

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

// Match finds the route of an HTTP method and a path. Where routes have the habits of grpc-gateway it looks for them as that does: it
// decodes a path before it splits it, so %2F is a slash and %3A begins a verb, and a variable takes what it finds, empty segments, dots and bytes
// that are no UTF-8 among it. No value of a variable leads anywhere else by that: it is one segment when the route is chosen, and only text
// behind. all says that what no route takes is looked for so, too.
func (t *Table) Match(method, path string, all bool, b *route.Binding[*Route]) error {
	err := t.Routes.Match(method, path, b)
	if !t.GRPCGateway {
		return err
	}
	odd, full := spellings(path)
	if odd != "" {
		err = t.matchInstead(method, odd, all, err, b)
	}
	if err != nil && full != "" {
		err = t.matchInstead(method, full, false, err, b)
	}
	if err == nil && b.Rule.Value.GRPCGateway {
		for i, v := range b.Rule.Template.Vars {
			b.Values[i] = b.Rule.Template.WithEmpty(v, b.Values[i])
		}
	}
	return err
}

// matchInstead prefers another spelling of a path where that leads to a route with the habits of grpc-gateway, and finds no other way to
// one.
func (t *Table) matchInstead(method, path string, all bool, err error, b *route.Binding[*Route]) error {
	var found route.Binding[*Route]
	otherwise := t.Routes.Match(method, path, &found)
	switch {
	case otherwise == nil && found.Rule.Value.GRPCGateway:
		for i, v := range found.Values {
			found.Values[i] = reveal(v)
		}
		*b = found
		return nil
	case otherwise == nil:
		return err
	case err == nil && b.Rule.Value.GRPCGateway, err != nil && (all || t.likeAt(path, otherwise)):
		return otherwise
	}
	return err
}

// LikeGRPCGateway reports whether a path is served, by another HTTP method, by a route with the habits of grpc-gateway. err is what Match
// said to the request's own.
func (t *Table) LikeGRPCGateway(path string, err error) bool {
	odd, full := spellings(path)
	return t.likeAt(path, err) || odd != "" && t.likeAt(odd, err) || full != "" && t.likeAt(full, err)
}

func (t *Table) likeAt(path string, err error) bool {
	not := new(route.MethodNotAllowedError)
	return errors.As(err, &not) && slices.ContainsFunc(not.Allow, func(method string) bool {
		var b route.Binding[*Route]
		return t.Routes.Match(method, path, &b) == nil && b.Rule.Value.GRPCGateway
	})
}

// What no route takes is looked for by a stand-in: a character that nobody has (of a private plane's end), for each byte, and for nothing.
const (
	standIns     = 0x10FE00
	standInEmpty = standIns + 0x100
)

// spellings are how else than as it is a path is looked for: with stand-ins for what is odd about it, and for empty segments, too. "" is
// no other way. Most paths have none.
func spellings(path string) (odd, full string) {
	plain, bad := url.PathUnescape(path)
	if bad != nil || hasStandIn(plain) || !strings.HasPrefix(plain, "/") {
		return "", ""
	}
	if strings.Contains(path, "%") || strings.Contains(path, "/.") || strings.Contains(path, "/:") || !utf8.ValidString(path) {
		odd = standInForOdd(plain)
	}
	if plain != "/" && (strings.Contains(plain, "//") || strings.HasSuffix(plain, "/")) {
		full = standInForEmpty(plain)
	}
	return odd, full
}

func isStandIn(r rune) bool { return r >= standIns && r <= standInEmpty }

func hasStandIn(path string) bool { return strings.ContainsFunc(path, isStandIn) }

// standInForOdd spells a decoded path as routes are looked for, with stand-ins for NUL, for bytes that are no UTF-8, for segments of
// dots, and for a colon that nothing stands before: what follows that is no verb.
func standInForOdd(path string) string {
	var b strings.Builder
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		if i > 0 {
			b.WriteByte('/')
		}
		name := segment
		if i == len(segments)-1 {
			name = segment[:max(strings.LastIndexByte(segment, ':'), 0)] // a verb may follow
		}
		dots, verbless := dotted(segment) || dotted(name), i == len(segments)-1
		for k, r := range segment {
			switch c := segment[k]; {
			case c == 0, c == '.' && dots, c == ':' && k == 0 && verbless, r == utf8.RuneError && !strings.HasPrefix(segment[k:], string(utf8.RuneError)):
				b.WriteRune(standIns + rune(c))
			default:
				b.WriteRune(r)
			}
		}
	}
	return (&url.URL{Path: b.String()}).EscapedPath()
}

func dotted(segment string) bool { return segment == "." || segment == ".." }

// standInForEmpty does the same, also for segments that are empty.
func standInForEmpty(path string) string {
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		if s == "" {
			segments[i] = string(rune(standInEmpty))
		}
	}
	return standInForOdd("/" + strings.Join(segments, "/"))
}

// reveal puts what was there in the place of the stand-ins.
func reveal(value string) string {
	if !hasStandIn(value) {
		return value
	}
	var b strings.Builder
	for _, r := range value {
		switch {
		case !isStandIn(r):
			b.WriteRune(r)
		case r != standInEmpty:
			b.WriteByte(byte(r - standIns))
		}
	}
	return b.String()
}

// MatchForm finds the route of a form that no POST takes: by grpc-gateway that of the GET, whose query may have been too long.
func (t *Table) MatchForm(path string, b *route.Binding[*Route]) bool {
	var get route.Binding[*Route]
	if !t.GRPCGateway || t.Match(http.MethodGet, path, false, &get) != nil || !get.Rule.Value.GRPCGateway {
		return false
	}
	*b = get
	return true
}
