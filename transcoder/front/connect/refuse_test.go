package connect_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/connect"
)

// ask sends one request to a front with two methods, /a.B/C and /a.B/Stream, which answer with the request, and with its x-control
// as cache-control.
func ask(env front.Env, r *http.Request) *httptest.ResponseRecorder {
	env.BodyBytesMax = 1 << 20
	env.Client = func(peer netip.Addr, _ http.Header) netip.Addr { return peer }
	env.Unrouted = func(string, string, int, *http.Request) {}
	env.Ignored = func(string, int) {}
	serve := func(c *rpc.Call, ss grpc.ServerStream) error {
		var f rpc.Frame
		defer f.Free()
		if err := ss.RecvMsg(&f); err != nil {
			return err
		}
		if control := c.Metadata.Get("x-control"); len(control) > 0 && control[0] != "" {
			if err := ss.SetHeader(metadata.Pairs("cache-control", control[0])); err != nil {
				return err
			}
		}
		return ss.SendMsg(&f)
	}
	table := &front.Table{Methods: map[string]*front.Endpoint{
		"/a.B/C":      {Method: &rpc.Method{Path: "/a.B/C"}, Serve: serve},
		"/a.B/Stream": {Method: &rpc.Method{Path: "/a.B/Stream", ServerStreams: true}, Serve: serve},
	}}
	w := httptest.NewRecorder()
	connect.New(env).ServeHTTP(w, r, table)
	return w
}

// What HTTP asks for beside a status is there whether or not errors show their details.
func TestRefusalsNameWhatIsTaken(t *testing.T) {
	for _, bare := range []bool{false, true} {
		r := httptest.NewRequest("POST", "/a.B/C", strings.NewReader("x"))
		r.Header.Set("Content-Type", "application/connect+proto") // of streams, which this method has none of
		w := ask(front.Env{BareErrors: bare}, r)
		if got := w.Header().Get("Accept-Post"); w.Code != 415 || got != "application/proto, application/json" {
			t.Errorf("bare %t: %d, Accept-Post %q", bare, w.Code, got)
		}
	}
}

// A GET is a unary call, whatever it says of a body that it has not.
func TestGetIsNeverAStream(t *testing.T) {
	r := httptest.NewRequest("GET", "/nowhere?connect=v1&encoding=json&message={}", nil)
	r.Header.Set("Content-Type", "application/connect+json")
	if w := ask(front.Env{}, r); w.Code != 404 || w.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %s %q", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
}

// Names of content codings have no case (RFC 9110, section 8.4.1).
func TestContentEncoding(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write([]byte("\x0a\x01x"))
	z.Close()
	for coding, want := range map[string]int{"gzip": 200, "GZip": 200, "br": 501} {
		r := httptest.NewRequest("POST", "/a.B/C", bytes.NewReader(packed.Bytes()))
		r.Header.Set("Content-Type", "application/proto")
		r.Header.Set("Content-Encoding", coding)
		w := ask(front.Env{}, r)
		if w.Code != want || want == 200 && w.Body.String() != "\x0a\x01x" {
			t.Errorf("%s: %d %q", coding, w.Code, w.Body)
		}
	}
}

// A client names first what it likes best ("Unary-Request", "Streaming-Request").
func TestAcceptEncodingHasAnOrder(t *testing.T) {
	message := append(binary.AppendUvarint([]byte{0x0a}, 4000), make([]byte, 4000)...)
	for accept, want := range map[string]string{"gzip, zstd": "gzip", "zstd, gzip": "zstd"} {
		r := httptest.NewRequest("POST", "/a.B/C", bytes.NewReader(message))
		r.Header = http.Header{"Content-Type": {"application/proto"}, "Accept-Encoding": {accept}}
		if w := ask(front.Env{}, r); w.Header().Get("Content-Encoding") != want || w.Code != 200 {
			t.Errorf("%q: %d, %q", accept, w.Code, w.Header().Get("Content-Encoding"))
		}
		framed := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
		r = httptest.NewRequest("POST", "/a.B/Stream", bytes.NewReader(framed))
		r.Header = http.Header{"Content-Type": {"application/connect+proto"}, "Connect-Accept-Encoding": {accept}}
		if w := ask(front.Env{}, r); w.Header().Get("Connect-Content-Encoding") != want || w.Code != 200 {
			t.Errorf("a stream, %q: %d, %q", accept, w.Code, w.Header().Get("Connect-Content-Encoding"))
		}
	}
}

// What a backend marks "no-transform" has no coding of the gateway's (RFC 9111, section 5.2.2.6).
func TestNoTransform(t *testing.T) {
	for _, control := range []string{"", "max-age=1, No-Transform"} {
		message := append(binary.AppendUvarint([]byte{0x0a}, 4000), make([]byte, 4000)...)
		r := httptest.NewRequest("POST", "/a.B/C", bytes.NewReader(message))
		r.Header = http.Header{"Content-Type": {"application/proto"}, "Accept-Encoding": {"gzip"}, "X-Control": {control}}
		w := ask(front.Env{}, r)
		if got := w.Header().Get("Content-Encoding"); (got == "") != (control != "") || w.Code != 200 {
			t.Errorf("%q: %d, %q", control, w.Code, got)
		}
	}
}
