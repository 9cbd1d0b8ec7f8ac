package transcoder_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"testing"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

func newEnv() front.Env {
	return front.Env{
		Listener:     rpc.ListenerPublic,
		Client:       func(peer netip.Addr, _ http.Header) netip.Addr { return peer },
		BodyBytesMax: 4 << 20,
		Ignored:      func(string, int) {},
		Unrouted:     func(string, string, int, *http.Request) {},
	}
}

func newTable() *front.Table {
	routes, err := route.Build[*front.Route](nil, route.Options{})
	if err != nil {
		panic(err) // there is nothing in it that could be wrong
	}
	return &front.Table{Methods: map[string]*front.Endpoint{}, Routes: routes}
}

func TestHandler_ReleasesWhatItAcquired(t *testing.T) {
	held := 0
	table := newTable()
	h := transcoder.Handler(newEnv(), func() (*front.Table, func()) {
		held++
		return table, func() { held-- }
	})
	for range 3 {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/x", nil))
	}
	if held != 0 {
		t.Errorf("%d tables are still held", held)
	}
	// A front that breaks gives the table back too.
	table = nil
	func() {
		defer func() { _ = recover() }()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/x", nil))
	}()
	if held != 0 {
		t.Errorf("after a panic, %d tables are still held", held)
	}
}

func TestFronts_SomeFrontTakesEveryRequest(t *testing.T) {
	fronts := transcoder.Fronts(newEnv())
	for _, mediaType := range []string{"", "application/json", "application/grpc", "text/html"} {
		r := httptest.NewRequest("POST", "/x", nil)
		r.Header.Set("Content-Type", mediaType)
		took := slices.IndexFunc(fronts, func(f front.Front) bool { return f.Detect(r) })
		if last := len(fronts) - 1; took < 0 || (took == last) == (mediaType == "application/grpc") {
			t.Errorf("%q is taken by front %d of %d", mediaType, took, len(fronts))
		}
	}
}

func ExampleHandler() {
	h := transcoder.Handler(newEnv(), func() (*front.Table, func()) { return newTable(), func() {} })
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/v1/books/1", nil))
	fmt.Println(w.Code, w.Header().Get("Content-Type"))
	// Output: 404 application/json
}
