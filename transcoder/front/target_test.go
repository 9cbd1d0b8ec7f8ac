package front

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestTarget(t *testing.T) {
	for raw, want := range map[string][2]string{
		"/a/b":                      {"/a/b", ""},
		"/a%2Fb?x=%20&y":            {"/a%2Fb", "x=%20&y"},
		"/a?b?c":                    {"/a", "b?c"},
		"//pkg.Service/Method":      {"//pkg.Service/Method", ""},
		"/a#b":                      {"/a#b", ""},
		"http://host/a%2Fb?x":       {"/a%2Fb", "x"},
		"http://host":               {"/", ""},
		"http://host?x=1":           {"/", "x=1"},
		"http://user@host:1//a?b":   {"//a", "b"},
		"*":                         {"*", ""},
		"host:443":                  {"host:443", ""},
		"/http://other/x?u=http://": {"/http://other/x", "u=http://"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RequestURI = raw
		if path, query := Target(r); path != want[0] || query != want[1] {
			t.Errorf("%s: got %q, %q; want %q", raw, path, query, want)
		}
	}
	r, err := http.NewRequest("GET", "http://host/a%2Fb?x=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if path, query := Target(r); path != "/a%2Fb" || query != "x=1" {
		t.Errorf("without a request line: %q, %q", path, query)
	}
}
