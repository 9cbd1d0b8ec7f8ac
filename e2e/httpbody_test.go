package e2e

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

const filesProto = `syntax = "proto3";
package files.v1;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
service Files {
  rpc Get(Name) returns (google.api.HttpBody) { option (google.api.http) = {get: "/files/{name}"}; }
  rpc Stat(Name) returns (File) { option (google.api.http) = {get: "/stat/{name}" response_body: "content"}; }
  rpc Down(Name) returns (stream google.api.HttpBody) { option (google.api.http) = {get: "/down/{name}"}; }
  rpc Echo(google.api.HttpBody) returns (google.api.HttpBody) { option (google.api.http) = {post: "/echo" body: "*"}; }
  rpc Put(File) returns (Name) { option (google.api.http) = {put: "/files/{name}" body: "content"}; }
  rpc Up(stream File) returns (Name) { option (google.api.http) = {post: "/up/{name}" body: "content"}; }
}
message Name { string name = 1; }
message File { string name = 1; google.api.HttpBody content = 2; string note = 3; }
`

// bodyIn is the HttpBody in a message, or the message.
func bodyIn(t *testing.T, m proto.Message) *httpbody.HttpBody {
	t.Helper()
	r := m.ProtoReflect()
	if fd := r.Descriptor().Fields().ByName("content"); fd != nil {
		r = r.Get(fd).Message()
	}
	wire, err := proto.Marshal(r.Interface())
	if err != nil {
		t.Fatal(err)
	}
	body := new(httpbody.HttpBody)
	if err := proto.Unmarshal(wire, body); err != nil {
		t.Fatal(err)
	}
	return body
}

func nameIn(m proto.Message) string {
	r := m.ProtoReflect()
	return r.Get(r.Descriptor().Fields().ByName("name")).String()
}

// sendBody answers with a body: a HttpBody, or a File whose content it is.
func sendBody(s *testkit.Replies, contentType string, data []byte) error {
	body := &httpbody.HttpBody{ContentType: contentType, Data: data}
	m := s.New()
	fd := m.Descriptor().Fields().ByName("content")
	if fd == nil {
		return s.Send(body)
	}
	wire, err := proto.Marshal(body)
	if err != nil {
		return err
	}
	content := dynamicpb.NewMessage(fd.Message())
	if err := proto.Unmarshal(wire, content); err != nil {
		return err
	}
	m.Set(fd, m.NewField(fd))
	proto.Merge(m.Mutable(fd).Message().Interface(), content)
	return s.Send(m)
}

// TestHTTPBodyReplies are bytes as they are, with the content type that the backend gives.
func TestHTTPBodyReplies(t *testing.T) {
	b := newBodies(t, filesProto)
	for name, tc := range map[string]struct {
		contentType, media string
		data               []byte
	}{
		"Picture":     {"image/png", "image/png", []byte("\x89PNG\r\n\x1a\n\x00\xff")},
		"Text":        {"text/html; charset=utf-8", "text/html; charset=utf-8", []byte("<p>")},
		"Nothing":     {"", "application/octet-stream", nil},
		"NoHeader":    {"text/plain\r\nX-Evil: 1", "application/octet-stream", []byte("x")},
		"MoreThan1MB": {"application/zip", "application/zip", bytes.Repeat([]byte("0123456789abcdef"), 200_000)},
	} {
		b.backend.Answer(func(_ *testkit.Received, s *testkit.Replies) error { return sendBody(s, tc.contentType, tc.data) })
		for _, path := range []string{"/files/a", "/stat/a"} {
			resp, text := b.call(t, "GET", path, "", "Accept", "image/png")
			if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != tc.media || text != string(tc.data) || resp.ContentLength != int64(len(tc.data)) {
				t.Errorf("%s: GET %s: %d %s, %d bytes, Content-Length %d", name, path, resp.StatusCode, resp.Header.Get("Content-Type"), len(text), resp.ContentLength)
			}
			if resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header["X-Evil"] != nil {
				t.Errorf("%s: %v", name, resp.Header)
			}
			head, text := b.call(t, "HEAD", path, "")
			if head.StatusCode != 200 || text != "" || head.ContentLength != int64(len(tc.data)) || head.Header.Get("Content-Type") != tc.media {
				t.Errorf("%s: HEAD %s: %d %v", name, path, head.StatusCode, head.Header)
			}
		}
	}
	b.backend.Answer(func(*testkit.Received, *testkit.Replies) error { return status.Error(codes.NotFound, "no file") })
	if resp, text := b.call(t, "GET", "/files/a", "", "Accept", "image/png"); resp.StatusCode != 404 || !strings.Contains(text, `"no file"`) {
		t.Errorf("failure: %d %s", resp.StatusCode, text)
	}
}

// TestHTTPBodyStreams: the first message's content type, then the data of all; a stream that fails late is cut off.
func TestHTTPBodyStreams(t *testing.T) {
	b := newBodies(t, filesProto)
	var last error
	b.backend.Answer(func(_ *testkit.Received, s *testkit.Replies) error {
		for i, part := range []string{"one ", "", "two ", "three"} {
			if err := sendBody(s, []string{"text/csv", "image/png"}[min(i, 1)], []byte(part)); err != nil {
				return err
			}
		}
		return last
	})
	resp, text := b.call(t, "GET", "/down/a", "")
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/csv" || text != "one two three" {
		t.Errorf("%d %v %q", resp.StatusCode, resp.Header, text)
	}
	if head, _ := b.call(t, "HEAD", "/down/a", ""); head.StatusCode != 200 || head.Header.Get("Content-Type") != "text/csv" {
		t.Errorf("HEAD: %d %v", head.StatusCode, head.Header)
	}
	last = status.Error(codes.Internal, "disk on fire")
	failed, err := http.Get("http://" + b.gateway.Public + "/down/a")
	if err != nil {
		t.Fatal(err)
	}
	defer failed.Body.Close()
	if got, err := io.ReadAll(failed.Body); !errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(string(got), "fire") {
		t.Errorf("a stream that fails late ends with %v after %q", err, got)
	}
	b.backend.Answer(func(*testkit.Received, *testkit.Replies) error { return last })
	if resp, _ := b.call(t, "GET", "/down/a", ""); resp.StatusCode != 500 {
		t.Errorf("a stream that fails at once: %d", resp.StatusCode)
	}
	b.backend.Answer(func(*testkit.Received, *testkit.Replies) error { return nil })
	if resp, text := b.call(t, "GET", "/down/a", ""); resp.StatusCode != 200 || text != "" || resp.Header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("a stream of nothing: %d %v", resp.StatusCode, resp.Header)
	}
}

// TestHTTPBodyRequests take any bytes with any content type, beside what path and query set.
func TestHTTPBodyRequests(t *testing.T) {
	b := newBodies(t, filesProto)
	const picture = "\x89PNG\r\n\x1a\n\x00\xff"
	resp, text := b.call(t, "POST", "/echo", picture, "Content-Type", "image/png")
	if resp.StatusCode != 200 || text != picture || resp.Header.Get("Content-Type") != "image/png" {
		t.Errorf("echo: %d %v %q", resp.StatusCode, resp.Header, text)
	}
	b.backend.Take()
	for _, tc := range []struct{ media, body, coding, want string }{
		{"image/png", picture, "", picture},
		{"application/x-www-form-urlencoded", "a=b", "", "a=b"},
		{"", "{not json", "", "{not json"},
		{"text/plain; charset=latin1", "", "", ""},
		{"text/plain", zipped(t, "plain"), "gzip", "plain"},
	} {
		header := []string{"Content-Type", tc.media}
		if tc.coding != "" {
			header = append(header, "Content-Encoding", tc.coding)
		}
		resp, text := b.call(t, "PUT", "/files/a%20b?note=n", tc.body, header...)
		calls := b.backend.Take()
		if resp.StatusCode != 200 || len(calls) != 1 {
			t.Fatalf("%s: %d %s", tc.media, resp.StatusCode, text)
		}
		m := calls[0].Requests[0]
		if got := bodyIn(t, m); got.ContentType != tc.media || string(got.Data) != tc.want || nameIn(m) != "a b" {
			t.Errorf("%s: the backend got %v", tc.media, m)
		}
	}
	for _, tc := range []struct {
		path, body string
		status     int
	}{
		{"/files/a?content.content_type=x", "b", 400},
		{"/files/a?unknown=x", "b", 400},
	} {
		if resp, text := b.call(t, "PUT", tc.path, tc.body); resp.StatusCode != tc.status {
			t.Errorf("PUT %s: %d %s, want %d", tc.path, resp.StatusCode, text, tc.status)
		}
	}
	large := testkit.Raw(t, b.gateway.Public, "PUT", "PUT /files/a HTTP/1.1\r\nHost: a\r\nContent-Length: 4194305\r\n\r\n")
	if large.StatusCode != 413 {
		t.Errorf("a body that is too large: %d %s", large.StatusCode, large.Text)
	}
}

// TestHTTPBodyUploads arrive as messages of at most 64 KiB, larger than one message may be.
func TestHTTPBodyUploads(t *testing.T) {
	b := newBodies(t, filesProto)
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<19) // 8 MiB
	for _, tc := range []struct{ body, coding, want string }{
		{string(large), "", string(large)},
		{zipped(t, string(large)), "gzip", string(large)},
		{"short", "", "short"},
		{"", "", ""},
		{"", "gzip", ""},
	} {
		header := []string{"Content-Type", "video/mp4"}
		if tc.coding != "" {
			header = append(header, "Content-Encoding", tc.coding)
		}
		header = append(header, "Content-Range", "bytes 5-9/10")
		resp, text := b.call(t, "POST", "/up/a?note=n", tc.body, header...)
		calls := b.backend.Take()
		if resp.StatusCode != 200 || len(calls) != 1 {
			t.Fatalf("%d %s", resp.StatusCode, text)
		}
		if got := calls[0].Metadata.Get("content-range"); len(got) != 1 || got[0] != "bytes 5-9/10" {
			t.Errorf("content-range %q", got)
		}
		var got []byte
		for _, m := range calls[0].Requests {
			part := bodyIn(t, m)
			if len(part.Data) > 64<<10 || part.ContentType != "video/mp4" || nameIn(m) != "a" {
				t.Fatalf("a message of %d bytes, %s", len(part.Data), part.ContentType)
			}
			got = append(got, part.Data...)
		}
		if string(got) != tc.want || len(calls[0].Requests) == 0 {
			t.Errorf("%d bytes in %d messages, want %d bytes", len(got), len(calls[0].Requests), len(tc.want))
		}
	}
	if resp, text := b.call(t, "POST", "/up/a", "no gzip", "Content-Encoding", "gzip"); resp.StatusCode != 400 || !strings.Contains(text, "MALFORMED_BODY") {
		t.Errorf("rubbish: %d %s", resp.StatusCode, text)
	}
}

// TestHTTPBodyRanges are the backend's: it sees Range and If-Range, and what it says about the range it sent becomes
// headers and 206.
func TestHTTPBodyRanges(t *testing.T) {
	b := newBodies(t, filesProto)
	b.backend.Answer(func(c *testkit.Received, s *testkit.Replies) error {
		md := metadata.Pairs("accept-ranges", "bytes", "content-disposition", "attachment", "content-type", "no/no")
		data := "0123456789"
		if c.Metadata.Get("x-fail") != nil {
			md.Set("content-range", "bytes */10")
			if err := grpc.ServerStream(s).SetHeader(md); err != nil {
				return err
			}
			return status.Error(codes.OutOfRange, "no such part")
		}
		if r := c.Metadata.Get("range"); len(r) == 1 && r[0] == "bytes=2-4" && c.Metadata.Get("if-range") != nil {
			md.Set("content-range", "bytes 2-4/10")
			data = data[2:5]
		}
		if err := grpc.ServerStream(s).SetHeader(md); err != nil {
			return err
		}
		return sendBody(s, "text/plain", []byte(data))
	})
	resp, text := b.call(t, "GET", "/files/a", "", "Range", "bytes=2-4", "If-Range", `"v1"`)
	if resp.StatusCode != 206 || text != "234" || resp.Header.Get("Content-Range") != "bytes 2-4/10" || resp.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("range: %d %v %q", resp.StatusCode, resp.Header, text)
	}
	if resp.Header["Etag"] != nil {
		t.Errorf("a part has the ETag %s, which is not that of the whole", resp.Header.Get("Etag"))
	}
	resp, _ = b.call(t, "HEAD", "/files/a", "", "Range", "bytes=2-4", "If-Range", `"v1"`)
	if resp.StatusCode != 200 || resp.Header["Content-Range"] != nil || resp.ContentLength != 10 {
		t.Errorf("HEAD with a range: %d %v", resp.StatusCode, resp.Header)
	}
	resp, _ = b.call(t, "GET", "/files/a", "", "X-Fail", "1")
	if resp.StatusCode != 400 || resp.Header["Content-Disposition"] != nil || resp.Header["Content-Range"] != nil {
		t.Errorf("an error has the headers of a file: %d %v", resp.StatusCode, resp.Header)
	}
	resp, text = b.call(t, "GET", "/files/a", "")
	if resp.StatusCode != 200 || text != "0123456789" || resp.Header.Get("Accept-Ranges") != "bytes" || resp.Header.Get("Content-Disposition") != "attachment" {
		t.Errorf("whole: %d %v %q", resp.StatusCode, resp.Header, text)
	}
}
