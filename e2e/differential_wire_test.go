package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	libraryv1 "github.com/gatehouse-gateway/gatehouse/e2e/differential/acme/library/v1"
	ordersv1 "github.com/gatehouse-gateway/gatehouse/e2e/differential/acme/orders/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/demo"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// TestDifferentialWire gives the generated grpc-gateway and Gatehouse in its mode the same requests before one backend that answers
// by script, and compares all that a client and the backend see: streams that fail early and late, errors, headers, trailers, metadata.
func TestDifferentialWire(t *testing.T) {
	t.Parallel()
	sources := sourcesOf(demo.Modules()[0])
	maps.Copy(sources, sourcesOf(demo.Modules()[1]))
	files := testkit.Compile(t, sources)
	backend := testkit.NewBackend(t, files)
	ours := testkit.Serve(t, append(configFile(t, differentialConfig+"compat: GRPC_GATEWAY\n"), "--dev",
		"--descriptors", testkit.Descriptors(t, files), "--backend", backend.Target)...).Public
	mux := runtime.NewServeMux()
	conn := dialed(t, backend.Target)
	if err := libraryv1.RegisterLibraryHandler(t.Context(), mux, conn); err != nil {
		t.Fatal(err)
	}
	if err := ordersv1.RegisterOrdersHandler(t.Context(), mux, conn); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)

	const item = `{"book":"shelves/a/books/b","quantity":1}`
	for _, r := range []struct{ verb, path, body string }{
		{"GET", "/v1/shelves/science/books/origin", ""},
		{"POST", "/v1/orders/order-1:cancel", `{"reason":"late"}`},
		{"GET", "/v1/shelves/science:watch", ""},
		{"GET", "/v1/orders/order-1:track", ""},
		{"POST", "/acme.orders.v1.Orders/ImportOrders", strings.Repeat(`{"customer":"bob","email":"bob@example.com","items":[`+item+`],"pickup":true}`, 2)},
		{"POST", "/acme.orders.v1.Orders/QuoteOrders", item + "\n" + item + "\n"},
	} {
		for name, script := range wireScripts() {
			backend.Answer(script)
			var seen [2]wire
			for i, address := range []string{server.Listener.Addr().String(), ours} {
				// grpc-gateway would write the bytes of details as they are into a trailer, which no client can read.
				seen[i] = exchange(t, backend, !strings.HasSuffix(name, "failure"), r.verb, "http://"+address+r.path, r.body)
			}
			if theirs, got := seen[0], seen[1]; theirs.String() != got.String() {
				t.Errorf("%s %s, %s:\ngrpc-gateway: %s\ngatehouse:    %s", r.verb, r.path, name, theirs, got)
			}
			for key, want := range seen[0].metadata {
				if got := seen[1].metadata[key]; !slices.Equal(got, want) {
					t.Errorf("%s %s: the backend got %s: %q by Gatehouse, %q by grpc-gateway", r.verb, r.path, key, got, want)
				}
			}
		}
	}
}

// wireScripts are what a backend may do.
func wireScripts() map[string]testkit.Script {
	answer := func(n int, err error) testkit.Script {
		return func(c *testkit.Received, s *testkit.Replies) error {
			if err := s.SetHeader(metadata.Pairs("x-one", "1", "x-one", "2", "etag", `"a"`, "set-cookie", "a=b")); err != nil {
				return err
			}
			s.SetTrailer(metadata.Pairs("x-late", "3"))
			if !c.Method.IsStreamingServer() {
				n = min(n, 1)
			}
			for range n {
				if err := s.Send(s.New()); err != nil {
					return err
				}
			}
			return err
		}
	}
	detailed, err := status.New(codes.FailedPrecondition, "not \"so\"\nfast <&> ü").WithDetails(&errdetails.ErrorInfo{Reason: "BUSY", Domain: "demo"})
	if err != nil {
		panic(err) // of a message that is linked in
	}
	return map[string]testkit.Script{
		"two messages":   answer(2, nil),
		"early failure":  answer(0, detailed.Err()),
		"late failure":   answer(2, detailed.Err()),
		"unknown method": answer(0, status.Error(codes.Unimplemented, "no such method")),
		"no identity":    answer(0, status.Error(codes.Unauthenticated, "who are you")),
	}
}

// wire is what was seen of one exchange, in a form in which two gateways' can be compared.
type wire struct {
	status   int
	media    string
	lines    []string
	header   []string // those with grpc-gateway's prefixes
	trailer  []string
	metadata metadata.MD
}

func (w wire) String() string {
	return fmt.Sprintf("%d %s %q header %q trailer %q", w.status, w.media, w.lines, w.header, w.trailer)
}

// exchange sends a request with headers of all kinds.
func exchange(t *testing.T, backend *testkit.Backend, trailers bool, verb, url, body string) (w wire) {
	t.Helper()
	r, err := http.NewRequestWithContext(bounded(t), verb, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "api.example.com"
	for name, value := range map[string]string{
		"Accept": "text/html", "Accept-Language": "de", "Cookie": "a=b", "Origin": "https://example.com", "Grpc-Metadata-X-User": "ada",
		"Grpc-Metadata-X-Some-Bin": "AAH/", "Referer": "https://example.com/a", "If-None-Match": `"a"`, "Pragma": "no-cache", "Warning": "199 - x",
		"Content-Type": "text/plain; charset=latin1",
	} {
		r.Header.Set(name, value)
	}
	if trailers {
		r.Header.Set("Te", "trailers")
	}
	backend.Take()
	response, err := (&http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	w.status, w.media = response.StatusCode, response.Header.Get("Content-Type")
	for line := range strings.Lines(string(text)) {
		var v any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%s: %q: %v", url, line, err)
		}
		compact, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		end := ""
		if strings.HasSuffix(line, "\n") {
			end = "\n"
		}
		w.lines = append(w.lines, strings.ReplaceAll(string(compact), "\u00a0", " ")+end)
	}
	w.header, w.trailer = prefixed(response.Header), prefixed(response.Trailer)
	if calls := backend.Take(); len(calls) == 1 {
		w.metadata = calls[0].Metadata
		for _, own := range []string{":authority", "user-agent", "content-type", "grpc-accept-encoding"} { // of the connection to the backend
			delete(w.metadata, own)
		}
	}
	return w
}

func prefixed(h http.Header) (all []string) {
	for name, values := range h {
		if strings.HasPrefix(name, "Grpc-") && name != "Grpc-Metadata-Content-Type" { // grpc-go's own
			all = append(all, name+": "+strings.Join(values, ", "))
		}
	}
	slices.Sort(all)
	return all
}
