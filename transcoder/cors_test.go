package transcoder_test

import (
	"net/http/httptest"
	"testing"

	"github.com/gatehouse-gateway/gatehouse/transcoder"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/cors"
	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

// TestHandler_CrossOriginGoesByTheMethodCalled: a REST route that has the path of a method, too, says nothing about calls of that
// method by protocols that know it by its path.
func TestHandler_CrossOriginGoesByTheMethodCalled(t *testing.T) {
	const page = "https://page.example"
	open, err := cors.New(cors.Options{Origins: []string{page}})
	if err != nil {
		t.Fatal(err)
	}
	everything, err := route.Parse("/{name=**}")
	if err != nil {
		t.Fatal(err)
	}
	routes, err := route.Build([]route.Rule[*front.Route]{
		{Method: "GET", Template: everything, Owner: "a.B.Open", Value: &front.Route{Endpoint: &front.Endpoint{CORS: open}}},
	}, route.Options{})
	if err != nil {
		t.Fatal(err)
	}
	table := &front.Table{
		// The host below is one that every front refuses, so that nothing has to be served.
		Methods: map[string]*front.Endpoint{"/a.B/Shut": {}}, Routes: routes, CrossOrigin: true,
	}
	h := transcoder.Handler(newEnv(), func() (*front.Table, func()) { return table, func() {} })
	for _, c := range []struct {
		verb, target, preflight string
		allowed                 bool
	}{
		{"GET", "/a.B/Shut", "", true}, // by REST it is a name
		{"GET", "/a.B/Shut?connect=v1&encoding=json&message={}", "", false},
		{"OPTIONS", "/a.B/Shut", "GET", true},
		{"OPTIONS", "/a.B/Shut?connect=v1&encoding=json&message={}", "GET", false},
	} {
		r := httptest.NewRequest(c.verb, c.target, nil)
		r.Header.Set("Origin", page)
		r.Header.Set("Host", "another.example")
		if c.preflight != "" {
			r.Header.Set("Access-Control-Request-Method", c.preflight)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get("Access-Control-Allow-Origin") != ""; got != c.allowed {
			t.Errorf("%s %s: %d, allowed %t", c.verb, c.target, w.Code, got)
		}
	}
}
