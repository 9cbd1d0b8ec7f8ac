package connect

import (
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/compress"
)

func TestReadQuery(t *testing.T) {
	for _, c := range []struct {
		query, message string
		json           bool
		coding         compress.Coding
		reason         string
	}{
		{query: "connect=v1&encoding=json&message=%7B%22a%22%3A1%7D", message: `{"a":1}`, json: true},
		{query: "message=%7B%7D&encoding=json&x=1&x=2&connect=v1", message: "{}", json: true},
		{query: "connect=v1&encoding=proto&message=", message: ""},
		{query: "connect=v1&encoding=proto&base64=1&message=CgFh", message: "\n\x01a"},
		{query: "connect=v1&encoding=proto&base64=1&message=CgE_-w==", message: "\n\x01?\xfb"},
		{query: "connect=v1&encoding=proto&base64=1&message=CgE_-w", message: "\n\x01?\xfb"},
		{query: "connect=v1&encoding=proto&base64=1&compression=gzip&message=", coding: compress.Gzip},
		{query: "connect=v1&encoding=proto&compression=identity&message=", coding: compress.Identity},
		{query: "connect=v1&encoding=proto", reason: "MALFORMED_QUERY"},
		{query: "connect=v1&message=", reason: "MALFORMED_QUERY"},
		{query: "connect=v1&encoding=thrift&message=", reason: "UNSUPPORTED_MEDIA_TYPE"},
		{query: "connect=v1&encoding=proto&compression=br&message=", reason: "ENCODING_UNKNOWN"},
		{query: "connect=v1&encoding=proto&base64=1&message=a+b", reason: "MALFORMED_QUERY"},
		{query: "connect=v1&encoding=json&base64=2&message=%7B%7D", message: "{}", json: true}, // other values are ignored
		{query: "connect=v1&encoding=proto&message=a&message=b", reason: "MALFORMED_QUERY"},
		{query: "connect=v1&encoding=proto&message=%zz", reason: "MALFORMED_QUERY"},
	} {
		m, a, err := readQuery(c.query)
		if err != nil || c.reason != "" {
			if own, ok := err.(*rpc.Error); !ok || own.Reason() != c.reason {
				t.Errorf("%s: %v, want %s", c.query, err, c.reason)
			}
			continue
		}
		if string(a.message) != c.message || m.json != c.json || a.coding != c.coding || m.stream {
			t.Errorf("%s: %+v, %q, %s", c.query, m, a.message, a.coding)
		}
	}
}

func TestDetect(t *testing.T) {
	for _, c := range []struct {
		method, target string
		header         []string
		want           bool
	}{
		{"GET", "/v1/books?connect=v1", nil, true},
		{"GET", "/v1/books?a=b&connect=v1&message=", nil, true},
		{"GET", "/v1/books?connect=v12", nil, false},
		{"GET", "/v1/books?disconnect=v1", nil, false},
		{"GET", "/v1/books", []string{"Connect-Protocol-Version", "1"}, false},
		{"POST", "/v1/books?connect=v1", []string{"Content-Type", "application/json"}, false},
		{"POST", "/a.B/C", []string{"Content-Type", "application/json", "Connect-Protocol-Version", "1"}, true},
		{"POST", "/a.B/C", []string{"Content-Type", "application/proto"}, true},
		{"POST", "/a.B/C", []string{"Content-Type", "Application/Proto; x=y"}, true},
		{"POST", "/a.B/C", []string{"Content-Type", "application/protobuf"}, false},
		{"POST", "/a.B/C", []string{"Content-Type", "application/connect+thrift"}, true},
		{"PUT", "/a.B/C", []string{"Content-Type", "application/connect+proto"}, true},
		{"OPTIONS", "/a.B/C", []string{"Connect-Protocol-Version", "1"}, false},
	} {
		r := httptest.NewRequest(c.method, c.target, nil)
		for i := 0; i < len(c.header); i += 2 {
			r.Header.Set(c.header[i], c.header[i+1])
		}
		if got := (*Front)(nil).Detect(r); got != c.want {
			t.Errorf("%s %s %v: %t", c.method, c.target, c.header, got)
		}
	}
}

func FuzzReadQuery(f *testing.F) {
	f.Add("connect=v1&encoding=json&message=%7B%7D&base64=1&compression=gzip")
	f.Add("encoding=proto&message=CgE_-w==&base64=1")
	f.Add("encoding=proto&m%65ssage=")
	f.Fuzz(func(t *testing.T, query string) {
		m, a, err := readQuery(query)
		if own, ok := err.(*rpc.Error); err != nil && (!ok || own.Reason() == "") {
			t.Fatalf("an error without a reason: %v", err)
		}
		if params, _ := url.ParseQuery(query); err == nil && (m.stream || a == nil || !params.Has("message")) {
			t.Errorf("%q: %+v, %v", query, m, a)
		}
	})
}
