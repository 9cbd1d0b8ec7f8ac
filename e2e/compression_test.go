package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// decodedBy takes a content coding off.
func decodedBy(t *testing.T, coding string, r io.Reader) io.Reader {
	t.Helper()
	switch coding {
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		return z
	case "zstd":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(z.Close)
		return z
	}
	return r
}

// TestCompressedReplies: the coding that the client likes best, where it is worth it, and the same headers by HEAD.
func TestCompressedReplies(t *testing.T) {
	b := newBodies(t, bodiesProto)
	long, huge := strings.Repeat("long ", 1000), strings.Repeat("huge ", 400_000)
	for _, tc := range []struct {
		name, accept, want string
		status             int
	}{
		{long, "gzip", "gzip", 200}, {long, "gzip, zstd", "zstd", 200}, {long, "zstd;q=0.5, gzip", "gzip", 200},
		{long, "br", "", 200}, {long, "gzip;q=0", "", 200}, {"short", "gzip", "", 200},
		{"short", "gzip, identity;q=0", "gzip", 200}, {"short", "identity;q=0", "", 406}, {"short", "*;q=0", "", 406},
		{huge, "gzip", "gzip", 200}, {huge, "zstd", "zstd", 200}, {huge, "br", "", 200},
	} {
		b.backend.Answer(func(_ *testkit.Received, s *testkit.Replies) error {
			m := s.New()
			m.Set(m.Descriptor().Fields().ByName("name"), protoreflect.ValueOf(tc.name))
			return s.Send(m)
		})
		resp, text := b.call(t, "GET", "/things/a", "", "Accept-Encoding", tc.accept)
		plain, err := io.ReadAll(decodedBy(t, tc.want, strings.NewReader(text)))
		if resp.StatusCode != tc.status || resp.Header.Get("Content-Encoding") != tc.want || err != nil ||
			tc.status == 200 && string(plain) != `{"name":"`+tc.name+`"}` {
			t.Errorf("%.9s, Accept-Encoding: %s: %d %v, %d bytes, %v", tc.name, tc.accept, resp.StatusCode, resp.Header, len(plain), err)
		}
		if tc.status == 200 && !slices.Contains(resp.Header["Vary"], "Accept-Encoding") {
			t.Errorf("Vary: %q", resp.Header["Vary"])
		}
		head, _ := b.call(t, "HEAD", "/things/a", "", "Accept-Encoding", tc.accept)
		for _, name := range []string{"Content-Encoding", "Etag", "Vary", "Content-Type"} {
			if head.Header.Get(name) != resp.Header.Get(name) {
				t.Errorf("%.9s, Accept-Encoding: %s: HEAD has %s %q, GET %q", tc.name, tc.accept, name, head.Header.Get(name), resp.Header.Get(name))
			}
		}
		if tc.want != "" && head.ContentLength >= 0 {
			t.Errorf("%.9s: HEAD tells the length of what is not sent", tc.name)
		}
	}
}

// TestCompressedRaw leaves alone what is compressed already and what the backend forbids to change.
func TestCompressedRaw(t *testing.T) {
	b := newBodies(t, filesProto)
	data := bytes.Repeat([]byte("data"), 1000)
	for _, tc := range []struct{ media, cache, want string }{
		{"text/plain", "", "gzip"}, {"image/png", "", ""}, {"image/svg+xml", "", "gzip"}, {"application/zip", "", ""},
		{"Video/MP4; codecs=x", "", ""}, {"text/plain", "private, No-Transform", ""},
	} {
		b.backend.Answer(func(_ *testkit.Received, s *testkit.Replies) error {
			md := metadata.Pairs("etag", `"v1"`)
			if tc.cache != "" {
				md.Set("cache-control", tc.cache)
			}
			if err := grpc.ServerStream(s).SetHeader(md); err != nil {
				return err
			}
			return sendBody(s, tc.media, data)
		})
		resp, text := b.call(t, "GET", "/files/a", "", "Accept-Encoding", "gzip")
		plain, _ := io.ReadAll(decodedBy(t, tc.want, strings.NewReader(text)))
		etag := `"v1"`
		if tc.want != "" {
			etag = `W/"v1"`
		}
		if resp.Header.Get("Content-Encoding") != tc.want || string(plain) != string(data) || resp.Header.Get("Etag") != etag {
			t.Errorf("%s: %v, %d bytes", tc.media, resp.Header, len(plain))
		}
	}
}

// TestCompressedStream can be read message by message.
func TestCompressedStream(t *testing.T) {
	b := newBodies(t, bodiesProto)
	for _, coding := range []string{"gzip", "zstd"} {
		read := make(chan struct{})
		b.backend.Answer(func(_ *testkit.Received, s *testkit.Replies) error {
			for range 3 {
				if err := s.Send(s.New()); err != nil {
					return err
				}
				<-read // the client has the message before there is another
			}
			return nil
		})
		request, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+b.gateway.Public+"/things", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept-Encoding", coding)
		resp, err := (&http.Client{Timeout: longest}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Header.Get("Content-Encoding") != coding {
			t.Fatalf("%v", resp.Header)
		}
		body := decodedBy(t, coding, resp.Body)
		for i := range 3 {
			line := make([]byte, 3)
			if _, err := io.ReadFull(body, line); err != nil || string(line) != "{}\n" {
				t.Fatalf("%s: message %d: %q, %v", coding, i, line, err)
			}
			read <- struct{}{}
		}
		if rest, err := io.ReadAll(body); err != nil || len(rest) > 0 {
			t.Errorf("%s: the end: %q, %v", coding, rest, err)
		}
		resp.Body.Close()
	}
}

// TestCompressionOff leaves replies as they are.
func TestCompressionOff(t *testing.T) {
	b := newBodies(t, filesProto, "--config", testkit.File(t, "gatehouse.yaml", []byte("rest: {compression: OFF}\n")))
	b.backend.Answer(func(_ *testkit.Received, s *testkit.Replies) error {
		return sendBody(s, "text/plain", bytes.Repeat([]byte("data"), 1000))
	})
	if resp, _ := b.call(t, "GET", "/files/a", "", "Accept-Encoding", "gzip, identity;q=0"); resp.StatusCode != 200 || resp.Header["Content-Encoding"] != nil {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}

// TestCompressedStreamsAreFew: what idle streams hold of coders is bounded. Those that do without one are served.
func TestCompressedStreamsAreFew(t *testing.T) {
	t.Parallel()
	files := testkit.Schema(t, "attack")
	backend := testkit.NewBackend(t, files)
	backend.Answer(func(c *testkit.Received, r *testkit.Replies) error {
		if err := r.Send(r.New()); err != nil {
			return err
		}
		<-r.Context().Done()
		return r.Context().Err()
	})
	args := append(configFile(t, "{default_access: PUBLIC, limits: {connections_per_address_max: 1000}}"), "--descriptors", testkit.Descriptors(t, files), "--backend", backend.Target)
	g := testkit.Serve(t, args...)
	open := func(wire string) (net.Conn, *http.Response, error) {
		conn, err := net.Dial("tcp", g.Public)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		fmt.Fprint(conn, wire)
		_ = conn.SetReadDeadline(time.Now().Add(longest))
		r, err := http.ReadResponse(bufio.NewReader(conn), nil)
		return conn, r, err
	}
	many := func(codings string) string {
		return "GET /many HTTP/1.1\r\nHost: x\r\nAccept: application/x-ndjson\r\nAccept-Encoding: " + codings + "\r\n\r\n"
	}
	const encoders = 256
	var first net.Conn
	for i := range encoders + 1 {
		conn, r, err := open(many("gzip"))
		if err != nil || r.StatusCode != 200 || (r.Header.Get("Content-Encoding") == "gzip") != (i < encoders) {
			t.Fatalf("stream %d: %v %v", i, r, err)
		}
		if i == 0 {
			first = conn
		}
	}
	if _, r, err := open(many("gzip, identity;q=0")); err != nil || r.StatusCode != 429 {
		t.Errorf("without identity: %v %v", r, err)
	}
	_ = first.Close()
	until(t, "an encoder is free again", func() bool {
		conn, r, err := open(many("gzip"))
		_ = conn.Close()
		return err == nil && r.Header.Get("Content-Encoding") == "gzip"
	})

	const decoders = 32
	upload := func(coding, more string) string {
		return "POST /attack.v1.Attack/Upload HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nContent-Encoding: " + coding +
			"\r\nTransfer-Encoding: chunked\r\n\r\n" + more
	}
	inFlight := func() (n int) {
		_, rest, _ := strings.Cut(fetch(t, "GET", "http://"+g.Admin+"/metrics", "").Text, `gatehouse_calls_in_flight{listener="public"} `)
		_, _ = fmt.Sscan(rest, &n)
		return n
	}
	const before = encoders // but for those that were closed
	until(t, "the others go on", func() bool { return inFlight() == before })
	dial := func(wire string) {
		conn, err := net.Dial("tcp", g.Public)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		fmt.Fprint(conn, wire)
	}
	for range decoders {
		dial(upload("zstd", ""))
	}
	until(t, "the uploads go on", func() bool { return inFlight() == before+decoders })
	if _, r, err := open(upload("zstd", "0\r\n\r\n")); err != nil || r.StatusCode != 429 {
		t.Errorf("one more: %v %v", r, err)
	}
	dial(upload("gzip", ""))
	until(t, "one by gzip goes on", func() bool { return inFlight() == before+decoders+1 })
}
