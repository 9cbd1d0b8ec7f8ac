package e2e

import (
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// TestETag: a reply that the client has already is not sent again, whoever said what its ETag is.
func TestETag(t *testing.T) {
	b := newBodies(t, bodiesProto)
	first, text := b.call(t, "GET", "/things/a", "")
	tag := first.Header.Get("Etag")
	if !strings.HasPrefix(tag, `W/"`) || text != `{"name":"a"}` {
		t.Fatalf("%v %s", first.Header, text)
	}
	if again, _ := b.call(t, "HEAD", "/things/a", ""); again.Header.Get("Etag") != tag {
		t.Errorf("HEAD has ETag %s, GET %s", again.Header.Get("Etag"), tag)
	}
	if other, _ := b.call(t, "GET", "/things/b", ""); other.Header.Get("Etag") == tag {
		t.Errorf("two replies have the ETag %s", tag)
	}
	b.backend.Take()
	for _, tc := range []struct {
		method, path, body, match string
		status                    int
	}{
		{"GET", "/things/a", "", tag, 304},
		{"HEAD", "/things/a", "", tag, 304},
		{"GET", "/things/a", "", `"x", ` + strings.TrimPrefix(tag, "W/"), 304},
		{"GET", "/things/a", "", "*", 304},
		{"GET", "/things/a", "", `"x"`, 200},
		{"GET", "/things/b", "", tag, 200},
		{"GET", "/things/%00", "", "*", 400},
		{"POST", "/things", `{"name":"a"}`, "*", 201},
		{"GET", "/things", "", "*", 200},
	} {
		resp, text := b.call(t, tc.method, tc.path, tc.body, "If-None-Match", tc.match)
		if resp.StatusCode != tc.status {
			t.Errorf("%s %s, If-None-Match: %s: %d, want %d", tc.method, tc.path, tc.match, resp.StatusCode, tc.status)
		}
		if tc.status == 304 && (text != "" || resp.Header.Get("Etag") != tag || resp.Header["Content-Type"] != nil || resp.Header.Get("Vary") == "") {
			t.Errorf("304 with %v %q", resp.Header, text)
		}
	}
	if n := len(b.backend.Take()); n != 8 {
		t.Errorf("the backend was called %d times, want 8", n)
	}
}

// TestETagOfTheBackend wins, for JSON and for raw bytes, of any size.
func TestETagOfTheBackend(t *testing.T) {
	config := testkit.File(t, "gatehouse.yaml", []byte("rest: {etag: OFF}\n"))
	b := newBodies(t, filesProto, "--config", config)
	for _, size := range []int{10, 3 << 20} {
		var md metadata.MD
		b.backend.Answer(func(_ *testkit.Received, s *testkit.Replies) error {
			if err := grpc.ServerStream(s).SetHeader(md); err != nil {
				return err
			}
			return sendBody(s, "text/plain", []byte(strings.Repeat("x", size)))
		})
		if resp, _ := b.call(t, "GET", "/files/a", "", "If-None-Match", "*"); resp.StatusCode != 200 || resp.Header["Etag"] != nil {
			t.Errorf("etag: OFF: %d %v", resp.StatusCode, resp.Header)
		}
		md = metadata.Pairs("etag", `"v1"`)
		for coding, want := range map[string]string{"identity": `"v1"`, "gzip": `W/"v1"`} { // as the reply itself has it
			if resp, _ := b.call(t, "GET", "/files/a", "", "If-None-Match", `"v1"`, "Accept-Encoding", coding); resp.StatusCode != 304 || resp.Header.Get("Etag") != want {
				t.Errorf("%s: %d %v, want %s", coding, resp.StatusCode, resp.Header, want)
			}
		}
		for match, want := range map[string]int{"": 200, `"v1"`: 304, `W/"v1"`: 304, `"v2"`: 200} {
			for _, method := range []string{"GET", "HEAD"} {
				resp, text := b.call(t, method, "/files/a", "", "If-None-Match", match)
				if resp.StatusCode != want || resp.Header.Get("Etag") != `"v1"` || want == 200 && method == "GET" && len(text) != size {
					t.Errorf("%s of %d bytes, If-None-Match: %s: %d %v, %d bytes", method, size, match, resp.StatusCode, resp.Header, len(text))
				}
			}
		}
	}
}
