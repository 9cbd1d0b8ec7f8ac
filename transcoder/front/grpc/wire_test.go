package grpc

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"net/http"
	"strings"
	"testing"

	grpcgo "google.golang.org/grpc"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit/leak"
	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/compress"
)

// message returns a message with its prefix.
func message(flag byte, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{flag}, uint32(len(body))), body...)
}

func gzipped(body []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(body)
	z.Close()
	return out.Bytes()
}

// post sends one HTTP/2 request by hand.
func post(t *testing.T, addr string, body string, header http.Header) *http.Response {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	r, err := http.NewRequest("POST", "http://"+addr+"/grpc.testing.TestService/UnaryCall", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	if m := header.Get("Method"); m != "" {
		r.Method = m
		header.Del("Method")
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp
}

func grpcHeader(more ...string) http.Header {
	h := http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}}
	for i := 0; i < len(more); i += 2 {
		h.Set(more[i], more[i+1])
	}
	return h
}

// Requests by hand get, from both listeners, the HTTP status and the gRPC status that the specification names.
func TestWire(t *testing.T) {
	leak.Check(t)
	s := newSite(t, func(ss grpcgo.ServerStream) error {
		var f rpc.Frame
		defer f.Free()
		if err := ss.RecvMsg(&f); err != nil {
			return err
		}
		return ss.SendMsg(rpc.FrameOf(nil, []byte("\x0a\x03abc")))
	})
	empty := string(message(0, nil))
	for _, c := range []struct {
		name       string
		body       string
		header     http.Header
		httpStatus int
		grpcStatus string
	}{
		{"OK", empty, grpcHeader(), 200, "0"},
		{"Identity", empty, grpcHeader("Grpc-Encoding", "identity"), 200, "0"},
		{"Gzip", string(message(1, gzipped([]byte("\x0a\x01x")))), grpcHeader("Grpc-Encoding", "gzip"), 200, "0"},
		{"UnknownEncoding", empty, grpcHeader("Grpc-Encoding", "br"), 200, "12"},
		{"CompressedUnannounced", string(message(1, gzipped(nil))), grpcHeader(), 200, "13"},
		{"Flag", string(message(7, nil)), grpcHeader(), 200, "13"},
		{"CutShort", "\x00\x00\x00", grpcHeader(), 200, "13"},
		{"TooLarge", "\x00\x00\x20\x00\x00", grpcHeader(), 200, "8"},
		{"TimeoutMalformed", empty, grpcHeader("Grpc-Timeout", "1s"), 400, "13"},
		{"NotPost", "", grpcHeader("Method", "PUT"), 405, "13"},
		{"Subtype", empty, grpcHeader("Content-Type", "application/grpc+thrift"), 200, "12"},
	} {
		for name, addr := range map[string]string{"public": s.public, "native": s.native} {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				resp := post(t, addr, c.body, c.header.Clone())
				got := resp.Trailer.Get("Grpc-Status")
				if got == "" {
					got = resp.Header.Get("Grpc-Status")
				}
				if resp.StatusCode != c.httpStatus || got != c.grpcStatus {
					t.Errorf("HTTP %d, grpc-status %s %s, want %d, %s", resp.StatusCode, got, resp.Header.Get("Grpc-Message"), c.httpStatus, c.grpcStatus)
				}
				if ct := resp.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/grpc") {
					t.Errorf("content type %q", ct)
				}
			})
		}
	}
	t.Run("AcceptEncoding", func(t *testing.T) {
		resp := post(t, s.public, empty, grpcHeader("Grpc-Encoding", "br"))
		if got := resp.Header.Get("Grpc-Accept-Encoding"); got != "gzip,zstd,identity" {
			t.Errorf("grpc-accept-encoding %q", got)
		}
	})
	t.Run("CompressedReply", func(t *testing.T) {
		zipped := string(message(1, gzipped([]byte("\x0a\x01x"))))
		for accept, want := range map[string]string{"": "gzip", "identity, gzip": "gzip", "identity,deflate": ""} {
			h := grpcHeader("Grpc-Encoding", "gzip")
			if accept != "" {
				h.Set("Grpc-Accept-Encoding", accept)
			}
			if got := post(t, s.public, zipped, h).Header.Get("Grpc-Encoding"); got != want {
				t.Errorf("accept %q: encoding %q, want %q", accept, got, want)
			}
		}
	})
	t.Run("Zstd", func(t *testing.T) {
		var packed bytes.Buffer
		z := compress.Zstd.Writer(&packed)
		z.Write([]byte("\x0a\x01x"))
		z.Close()
		resp := post(t, s.public, string(message(1, packed.Bytes())), grpcHeader("Grpc-Encoding", "zstd"))
		if got := resp.Header.Get("Grpc-Encoding"); got != "zstd" || resp.Trailer.Get("Grpc-Status") != "0" {
			t.Errorf("encoding %q, trailer %v", got, resp.Trailer)
		}
	})
	t.Run("HTTP1", func(t *testing.T) {
		r, err := http.NewRequest("POST", "http://"+s.public+"/grpc.testing.TestService/UnaryCall", strings.NewReader(empty))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = grpcHeader()
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		defer http.DefaultClient.CloseIdleConnections()
		if resp.StatusCode != http.StatusHTTPVersionNotSupported {
			t.Errorf("HTTP %d", resp.StatusCode)
		}
	})
}
