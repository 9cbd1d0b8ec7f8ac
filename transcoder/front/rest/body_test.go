package rest

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/compress"
)

const limit = 1000

func TestReadBody(t *testing.T) {
	certificate := func(r *http.Request) { r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}} }
	unknownLength := func(r *http.Request) { r.ContentLength = -1 }
	for _, tc := range []struct {
		name   string
		body   string
		header http.Header
		change func(*http.Request)
		want   string
		reason string
	}{
		{name: "Plain", body: `{}`, want: `{}`},
		{name: "UnknownLength", body: `{}`, change: unknownLength, want: `{}`},
		{name: "NothingHasNoType", header: http.Header{"Content-Type": {"text/html"}, "Content-Encoding": {"br"}}},
		{name: "NothingOfUnknownLength", header: http.Header{"Content-Type": {"text/html"}}, change: unknownLength},
		{name: "Gzip", body: zip(`{}`), header: http.Header{"Content-Encoding": {"gzip"}}, want: `{}`},
		{name: "FormThatIsJSON", body: "\n [1]", header: form, want: "\n [1]"},
		{name: "FormThatIsNot", body: "a=1", header: form, reason: "UNSUPPORTED_MEDIA_TYPE"},
		{name: "FormOfNothingButSpace", body: "  ", header: form, reason: "UNSUPPORTED_MEDIA_TYPE"},
		{name: "FormWithClientCertificate", body: "{}", header: form, change: certificate, reason: "UNSUPPORTED_MEDIA_TYPE"},
		{name: "JSONWithClientCertificate", body: "{}", header: http.Header{"Content-Type": {"application/json"}}, change: certificate, want: "{}"},
		{name: "TwoTypes", body: "{}", header: http.Header{"Content-Type": {"application/json", "application/json"}}, reason: "UNSUPPORTED_MEDIA_TYPE"},
		{name: "TypeBeforeEncoding", body: "{}", header: http.Header{"Content-Type": {"text/html"}, "Content-Encoding": {"br"}}, reason: "UNSUPPORTED_MEDIA_TYPE"},
		{name: "AtTheLimit", body: strings.Repeat("x", limit), want: strings.Repeat("x", limit)},
		{name: "OverTheLimit", body: strings.Repeat("x", limit+1), reason: "BODY_TOO_LARGE"},
		{name: "OverTheLimitOfUnknownLength", body: strings.Repeat("x", limit+1), change: unknownLength, reason: "BODY_TOO_LARGE"},
		{name: "Bomb", body: zip(strings.Repeat("x", 100*limit)), header: http.Header{"Content-Encoding": {"gzip"}}, reason: "BODY_TOO_LARGE"},
		{name: "EndlessEmptyMembers", body: strings.Repeat(zip(""), limit), change: unknownLength, header: http.Header{"Content-Encoding": {"gzip"}}, reason: "BODY_TOO_LARGE"},
		{name: "CutGzip", body: zip(`{}`)[:12], header: http.Header{"Content-Encoding": {"gzip"}}, reason: "MALFORMED_BODY"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", strings.NewReader(tc.body))
			r.Header = tc.header
			if tc.change != nil {
				tc.change(r)
			}
			got, err := readBody(r, limit, front.TakeBuffer())
			if string(got) != tc.want || reason(err) != tc.reason {
				t.Errorf("got %.40q, %v; want %.40q, %s", got, err, tc.want, tc.reason)
			}
		})
	}
}

func TestReadBody_AnnouncedSizeTakesNoMemory(t *testing.T) {
	r := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader("{"), failing{io.ErrUnexpectedEOF}))
	r.ContentLength = 1 << 30
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := readBody(r, 2<<30, front.TakeBuffer())
	runtime.ReadMemStats(&after)
	if reason(err) != "BODY_INCOMPLETE" || rpc.StatusOf(err).Code() != codes.Canceled {
		t.Errorf("got %v", err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes were allocated for a body of one", n)
	}
}

// failing is a reader that breaks.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

var form = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}

func zip(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text)) // a buffer never fails
	_ = w.Close()
	return b.String()
}

func reason(err error) string {
	var own *rpc.Error
	if errors.As(err, &own) {
		return own.Reason()
	}
	return ""
}

// TestRead_NoMemoryForAWindow: the first bytes of a body make no decoder take memory while the rest has not come.
func TestRead_NoMemoryForAWindow(t *testing.T) {
	var before, after runtime.MemStats
	head := "\x28\xb5\x2f\xfd\x00\x68\x08\x00\x00x" // a window of 8 MiB, and a block of one byte that is not the last
	rest := reads(func([]byte) (int, error) {
		runtime.ReadMemStats(&after)
		return 0, io.ErrUnexpectedEOF
	})
	runtime.ReadMemStats(&before)
	if _, err := front.ReadBody(io.MultiReader(strings.NewReader(head), rest), compress.Zstd, -1, limit, front.TakeBuffer()); reason(err) != "BODY_INCOMPLETE" {
		t.Error(err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("%d bytes took %d KiB", len(head), took>>10)
	}
}

// reads is a body whose reads are a function.
type reads func(p []byte) (int, error)

func (r reads) Read(p []byte) (int, error) { return r(p) }

// FuzzReadBody: no body is longer than the limit, whatever it expands to.
func FuzzReadBody(f *testing.F) {
	f.Add([]byte(`{"a":1}`), "application/json", "identity")
	f.Add([]byte(zip(`{"a":1}`)), "", "gzip")
	f.Add([]byte("a=1"), "application/x-www-form-urlencoded", "")
	f.Add([]byte(`{}`), "application/json; charset=latin1", "gzip, br")
	f.Fuzz(func(t *testing.T, body []byte, mediaType, encoding string) {
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Header = http.Header{"Content-Type": {mediaType}, "Content-Encoding": {encoding}}
		got, err := readBody(r, limit, front.TakeBuffer())
		if len(got) > limit || err != nil && reason(err) == "" {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}
