package transcoder_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"slices"
	"strings"
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

// Each request is in one protocol, whatever else it says of itself.
func TestFronts_OneTakesEachRequest(t *testing.T) {
	fronts := transcoder.Fronts(newEnv())
	for _, c := range []struct {
		line string
		want string // the package
		more []string
	}{
		{"POST /x", "rest", nil},
		{"POST /x", "rest", []string{"Content-Type", "application/json"}},
		{"POST /x", "rest", []string{"Content-Type", "text/html"}},
		{"POST /x?connect=v1", "rest", []string{"Content-Type", "application/json"}},
		{"GET /x", "rest", []string{"Connect-Protocol-Version", "1"}},
		{"HEAD /x?connect=v1", "rest", nil},
		{"POST /x", "grpc", []string{"Content-Type", "application/grpc", "Connect-Protocol-Version", "1"}},
		{"GET /x?connect=v1", "grpc", []string{"Content-Type", "Application/gRPC+json"}},
		{"POST /x", "grpcweb", []string{"Content-Type", "application/grpc-web", "Connect-Protocol-Version", "1"}},
		{"POST /x", "grpcweb", []string{"Content-Type", "application/grpc-web-text+json"}},
		{"POST /x", "connect", []string{"Content-Type", "application/json", "Connect-Protocol-Version", "1"}},
		{"POST /x", "connect", []string{"Content-Type", "application/connect+json"}},
		{"GET /x?connect=v1", "connect", []string{"Content-Type", "application/json"}},
		{"GET /x?connect=v1", "websocket", []string{"Connection", "Upgrade", "Upgrade", "websocket"}},
	} {
		verb, target, _ := strings.Cut(c.line, " ")
		r := httptest.NewRequest(verb, target, nil)
		for i := 0; i < len(c.more); i += 2 {
			r.Header.Set(c.more[i], c.more[i+1])
		}
		took := slices.IndexFunc(fronts, func(f front.Front) bool { return f.Detect(r) })
		if got := reflect.TypeOf(fronts[took]).String(); got != "*"+c.want+".Front" {
			t.Errorf("%s %v: %s, want %s", c.line, c.more, got, c.want)
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
