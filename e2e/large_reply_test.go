package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// broken is a line that no JSON can show.
const broken = "\x0a\x01\xff"

// TestLargeReply is about single messages too large for the gateway to hold their JSON: it leaves while it is written, so
// what is wrong behind the first MiB is known when the client has been told that all is well.
func TestLargeReply(t *testing.T) {
	b := newBulk(t)
	h2 := &http.Transport{DisableCompression: true, Protocols: new(http.Protocols)}
	h2.Protocols.SetUnencryptedHTTP2(true)
	defer h2.CloseIdleConnections()
	clients := map[string]*http.Client{"HTTP1": {Transport: &http.Transport{DisableCompression: true}}, "HTTP2": {Transport: h2}}
	for name, client := range clients {
		client.Timeout = longest
		t.Run(name, func(t *testing.T) {
			get := func(t *testing.T, method, path string) (*http.Response, string, error) {
				t.Helper()
				request, err := http.NewRequestWithContext(t.Context(), method, "http://"+b.gateway.Public+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := client.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				text, err := io.ReadAll(resp.Body)
				return resp, string(text), err
			}
			t.Run("Whole", func(t *testing.T) { b.wholeReplies(t, get) })
			t.Run("BrokenEarly", func(t *testing.T) { b.brokenEarly(t, get) })
			t.Run("BrokenLate", func(t *testing.T) { b.brokenLate(t, get) })
		})
	}
}

type getting func(t *testing.T, method, path string) (*http.Response, string, error)

// wholeReplies come as they are. Those that are held tell their length, and HEAD tells it of all.
func (b *bulk) wholeReplies(t *testing.T, get getting) {
	for kilobytes, counted := range map[int]bool{512: true, 4096: false} {
		b.single = blockOf(kilobytes << 10)
		lines := len(b.single) / 128
		want := `{"lines":["` + strings.Repeat("b", 126) + strings.Repeat(`","`+strings.Repeat("b", 126), lines-1) + `"]}`
		resp, text, err := get(t, "GET", "/block")
		if err != nil || resp.StatusCode != 200 || text != want || (resp.ContentLength >= 0) != counted {
			t.Errorf("%d KiB: %d, %d bytes, want %d; Content-Length %d, %v", kilobytes, resp.StatusCode, len(text), len(want), resp.ContentLength, err)
		}
		head, text, err := get(t, "HEAD", "/block")
		if err != nil || head.StatusCode != 200 || text != "" || head.ContentLength != int64(len(want)) ||
			head.Header.Get("Content-Type") != resp.Header.Get("Content-Type") {
			t.Errorf("%d KiB: HEAD: %d %v, %v", kilobytes, head.StatusCode, head.Header, err)
		}
		resp, text, err = get(t, "GET", "/down")
		if err != nil || resp.StatusCode != 200 || text != want+"\n" {
			t.Errorf("%d KiB: as a line: %d, %d bytes, want %d and a line end; %v", kilobytes, resp.StatusCode, len(text), len(want), err)
		}
	}
}

// brokenEarly is a reply of which nothing has left when it turns out to be broken.
func (b *bulk) brokenEarly(t *testing.T, get getting) {
	b.single = append(blockOf(512<<10), broken...)
	for _, path := range []string{"/block", "/down"} {
		resp, text, err := get(t, "GET", path)
		if err != nil || resp.StatusCode != 500 || !strings.Contains(text, "BAD_REPLY") {
			t.Errorf("%s: %d %.200s, %v", path, resp.StatusCode, text, err)
		}
	}
}

// brokenLate is one of which a part has left: the response ends in a way that nobody takes for its end, and the record of
// the call says why. HTTP/1.0 knows no such way, so it gets replies as a whole.
func (b *bulk) brokenLate(t *testing.T, get getting) {
	const cause = "bulk.v1.Block.lines, at byte 4194306: invalid UTF-8"
	b.single = append(blockOf(4<<20), broken...)
	for _, path := range []string{"/block", "/down"} {
		logged := strings.Count(b.gateway.Stdout(), cause)
		resp, text, err := get(t, "GET", path)
		if resp.StatusCode != 200 || len(text) < 1<<20 || strings.Contains(text, "BAD_REPLY") {
			t.Errorf("%s: %d, %d bytes, %v", path, resp.StatusCode, len(text), err)
		}
		if resp.ProtoMajor == 1 && err != io.ErrUnexpectedEOF || resp.ProtoMajor == 2 && !strings.Contains(fmt.Sprint(err), "INTERNAL_ERROR") {
			t.Errorf("%s: %s: the body ended with %v", path, resp.Proto, err)
		}
		until(t, "the call is logged", func() bool { return strings.Count(b.gateway.Stdout(), cause) == logged+1 })
		r := testkit.Raw(t, b.gateway.Public, "GET", "GET "+path+" HTTP/1.0\r\n\r\n")
		if r.StatusCode != 500 || !strings.Contains(r.Text, "BAD_REPLY") {
			t.Errorf("%s: HTTP/1.0: %d %.200s", path, r.StatusCode, r.Text)
		}
		until(t, "that call, too", func() bool { return strings.Count(b.gateway.Stdout(), cause) == logged+2 })
	}
}
