package e2e

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// differentialRequests are the requests of testdata/differential/requests.txt, and variations of each route of the
// demo: of its path, its method, its query, its headers and the form of its body. No two are the same.
func differentialRequests(t *testing.T) []testCase {
	t.Helper()
	all := readRequests(t, "testdata/differential/requests.txt")
	for i, r := range demoRoutes() {
		all = append(all, r.request(r.verb, r.path, r.query, r.body))
		for k, c := range r.variations() {
			if (i+k)%variedEvery == 0 {
				all = append(all, c)
			}
		}
	}
	seen, unique := map[string]bool{}, all[:0]
	for _, c := range all {
		if text := requestText(c); !seen[text] {
			seen[text], unique = true, append(unique, c)
		}
	}
	return unique
}

// variedEvery says that a route gets each fourth of the variations, and each fourth route the same.
const variedEvery = 4

// readRequests reads requests in the form of requestText. Below "= VERB target" each line is the body of one request.
func readRequests(t *testing.T, file string) []testCase {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return parseRequests(t, file, string(data))
}

func parseRequests(t *testing.T, file, text string) (all []testCase) {
	t.Helper()
	many := testCase{}
	for i, line := range strings.Split(text, "\n") {
		verb, target, _ := strings.Cut(strings.TrimPrefix(line, "= "), " ")
		switch {
		case line == "":
			many = testCase{}
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "= "):
			many = testCase{verb: verb, target: target, headers: []string{"Content-Type: application/json"}}
		case strings.HasPrefix(line, "  ") && many.verb != "":
			c := many
			if err := c.add(line[2:]); err != nil {
				t.Fatalf("%s:%d: %v", file, i+1, err)
			}
			all = append(all, c)
		case strings.HasPrefix(line, "  "):
			if err := all[len(all)-1].add(line[2:]); err != nil {
				t.Fatalf("%s:%d: %v", file, i+1, err)
			}
		default:
			all = append(all, testCase{verb: verb, target: target})
		}
	}
	return all
}

// demoRoute is one route of the demo with a request that it takes.
type demoRoute struct{ verb, path, query, body string }

func demoRoutes() []demoRoute {
	return []demoRoute{
		{"GET", "/v1/shelves", "", ""},
		{"POST", "/v1/shelves", "", `{"name":"shelves/art","theme":"Art"}`},
		{"GET", "/v1/shelves/science/books/origin", "", ""},
		{"GET", "/v1/shelves/science/books", "pageSize=1", ""},
		{"GET", "/v1/books", "genre=GENRE_HISTORY", ""},
		{"GET", "/v1/books:search", "query=the", ""},
		{"POST", "/v1/shelves/history/books", "bookId=annals", `{"title":"Annals","authors":["Tacitus"]}`},
		{"PATCH", "/v1/shelves/science/books/origin", "", `{"pages":503}`},
		{"DELETE", "/v1/shelves/science/books/origin", "", ""},
		{"POST", "/v1/shelves/science/books/origin:archive", "", `{"reason":"worn"}`},
		{"GET", "/v1/shelves/science:watch", "limit=2", ""},
		{"POST", "/v1/books:reindex", "", `{}`},
		{"POST", "/v1/orders", "", `{"customer":"bob","email":"bob@example.com","items":[{"book":"shelves/a/books/b","quantity":1}],"pickup":true}`},
		{"GET", "/v1/orders/order-1", "", ""},
		{"GET", "/v1/customers/ada/orders", "states=STATE_PLACED", ""},
		{"POST", "/v1/orders/order-1:cancel", "", `{"reason":"late"}`},
		{"GET", "/v1/orders/order-1:track", "", ""},
	}
}

// request is the route's request with another path, query and body.
func (r demoRoute) request(verb, path, query, body string, headers ...string) testCase {
	c := testCase{verb: verb, target: path, headers: headers, body: body, hasBody: body != ""}
	if query != "" {
		c.target += "?" + query
	}
	return c
}

func (r demoRoute) variations() []testCase {
	all := append(r.paths(), r.queries()...)
	all = append(all, r.bodies()...)
	for _, verb := range []string{"GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "TRACE", "get"} {
		all = append(all, r.request(verb, r.path, r.query, r.body))
	}
	for _, header := range []string{
		"Accept: */*", "Accept: text/html", "Accept: application/json;q=0.5, text/*", "X-HTTP-Method-Override: DELETE",
		"Grpc-Timeout: 0m", "X-Server-Timeout: 0", "X-Server-Timeout: x", "Te: trailers", "Grpc-Metadata-A: b",
	} {
		all = append(all, r.request(r.verb, r.path, r.query, r.body, header))
	}
	return all
}

// paths spells the path in other ways.
func (r demoRoute) paths() (all []testCase) {
	last := r.path[strings.LastIndexByte(r.path, '/')+1:]
	first := fmt.Sprintf("%%%02X", last[0])
	for _, path := range []string{
		r.path + "/", "/" + r.path, r.path + ":nope", r.path + "%3Anope", r.path + "/more", r.path + "%2Fmore", r.path + "%zz", r.path + ";a=b",
		strings.TrimSuffix(r.path, last) + first + last[1:], strings.TrimSuffix(r.path, last),
		strings.ToUpper(r.path), "/v1/../v1" + strings.TrimPrefix(r.path, "/v1"), "/v1/%2e" + strings.TrimPrefix(r.path, "/v1"),
		strings.Replace(r.path, ":", "%3A", 1), strings.Replace(r.path, "/v1/", "/v1//", 1),
	} {
		all = append(all, r.request(r.verb, path, r.query, r.body))
	}
	return all
}

// queries adds parameters.
func (r demoRoute) queries() (all []testCase) {
	for _, extra := range []string{"nope=1", "nope", "=1", "&", "a%zz=1", "nope.more=1", "NAME=x", "name=other", "order_id=other", "reason=x", "a=1;b=2"} {
		query := extra
		if r.query != "" {
			query = r.query + "&" + extra
		}
		all = append(all, r.request(r.verb, r.path, query, r.body))
	}
	if r.query != "" {
		all = append(all, r.request(r.verb, r.path, r.query+"&"+r.query, r.body))
	}
	return all
}

// bodies sends the body in other forms, and bodies where none belongs.
func (r demoRoute) bodies() (all []testCase) {
	if r.body == "" {
		for _, body := range []string{"{}", " ", "[]", `{"name":"x"}`, "x", "null"} {
			all = append(all, r.request(r.verb, r.path, r.query, body))
		}
		return all
	}
	open, rest := r.body[:1], r.body[1:]
	if rest != "}" {
		rest = "," + rest
	}
	for _, body := range []string{
		"", "{}", "null", "[]", `"text"`, "1", "[" + r.body + "]", r.body + " x", r.body + r.body, r.body[:len(r.body)-1], " \n" + r.body + "\t",
		open + `"nope":1` + rest, open + `"nope":{"a":[1,{"b":null}]}` + rest, open + `"nope":1x` + rest, "{'a':1}", "// a\n" + r.body, "\ufeff" + r.body,
		open + `"name":null` + rest,
	} {
		all = append(all, r.request(r.verb, r.path, r.query, body, "Content-Type: application/json"))
	}
	for _, media := range []string{
		"application/x-www-form-urlencoded", "text/plain", "application/json; charset=utf-8", "application/json; charset=latin1", "application/vnd.acme+json",
		"application/merge-patch+json", "nonsense", "application/protobuf",
	} {
		all = append(all, r.request(r.verb, r.path, r.query, r.body, "Content-Type: "+media))
	}
	return append(all,
		r.request(r.verb, r.path, r.query, r.body, "Content-Encoding: br"),
		r.request(r.verb, r.path, r.query, r.body, "Content-Encoding: identity"),
		r.request(r.verb, r.path, r.query, strconv.FormatInt(int64(len(r.body)), 16)+"\r\n"+r.body+"\r\n0\r\n\r\n", "Transfer-Encoding: chunked"))
}
