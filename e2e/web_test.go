package e2e

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

const safePath = "/semantics.v1.Paths/Safe"

// 86: Connect GET, for methods without side effects only; how Connect writes errors and ends streams.
func connectGet(t *testing.T, k *kit) {
	for _, query := range []string{
		"connect=v1&encoding=json&message=%7B%22n%22%3A%22a%22%7D",
		"message=%7B%22n%22%3A%22a%22%7D&x=y&encoding=json&connect=v1",
		"connect=v1&encoding=json&base64=1&message=eyJuIjoiYSJ9",
		"connect=v1&encoding=json&base64=1&message=eyJuIjogImEifQ",
		"connect=v1&encoding=json&base64=1&message=eyJuIjogImEifQ==",
		"connect=v1&encoding=json&base64=1&compression=gzip&message=" + base64.URLEncoding.EncodeToString([]byte(zipped(t, `{"n":"a"}`))),
	} {
		r := k.send(t, request("GET", safePath+"?"+query))
		if r.StatusCode != 200 || compact([]byte(r.Text)) != `{"n":"a"}` || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s", query, r.StatusCode, r.Text)
		}
		if tag := r.Header.Get("Etag"); tag == "" {
			t.Errorf("%s: no ETag", query)
		} else if again := k.send(t, request("GET", safePath+"?"+query, "If-None-Match: "+tag)); again.StatusCode != 304 || again.Text != "" {
			t.Errorf("%s, again: %d %q", query, again.StatusCode, again.Text)
		}
	}
	r := k.send(t, request("GET", safePath+"?connect=v1&encoding=proto&base64=1&message="+base64.URLEncoding.EncodeToString([]byte("\x0a\x01a"))))
	if r.StatusCode != 200 || r.Text != "\x0a\x01a" || r.Header.Get("Content-Type") != "application/proto" {
		t.Errorf("protobuf: %d %q", r.StatusCode, r.Text)
	}
	k.backend.Take()
	other := k.send(t, request("GET", "/semantics.v1.Paths/Segment?connect=v1&encoding=json&message=%7B%7D"))
	if other.StatusCode != 405 || other.Header.Get("Allow") != "POST" || len(k.backend.Take()) > 0 {
		t.Errorf("a method that has side effects: %d %s", other.StatusCode, other.Text)
	}
	k.backend.Answer(func(*testkit.Received, *testkit.Replies) error { return status.Error(codes.Aborted, "no") })
	defer k.backend.Answer(nil)
	for _, c := range []testCase{
		request("GET", safePath+"?connect=v1&encoding=proto&message="),
		withBody("POST", safePath, "", "Content-Type: application/proto"),
		withBody("POST", safePath, "{}", "Content-Type: application/json", "Connect-Protocol-Version: 1"),
	} {
		r := k.send(t, c)
		if r.StatusCode != 409 || r.Header.Get("Content-Type") != "application/json" || r.Text != `{"code":"aborted","message":"no"}` {
			t.Errorf("%s %s: %d %s %s", c.verb, c.target, r.StatusCode, r.Header.Get("Content-Type"), r.Text)
		}
	}
	for media, message := range map[string]string{"json": "{}", "proto": "\x0a\x00"} {
		r := k.send(t, withBody("POST", "/semantics.v1.Bindings/Chat", "\x00\x00\x00\x00\x02"+message, "Content-Type: application/connect+"+media))
		var end struct{ Error struct{ Code string } }
		if len(r.Text) < 5 || r.Text[0] != 2 || json.Unmarshal([]byte(r.Text[5:]), &end) != nil || end.Error.Code != "aborted" || r.StatusCode != 200 {
			t.Errorf("a stream that fails, %s: %d %q", media, r.StatusCode, r.Text)
		}
	}
}

// 89: several base64 texts, one after the other, are one body.
func webText(t *testing.T, k *kit) {
	first, second := "\x00\x00\x00", "\x00\x03\x0a\x01a"
	coded := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, body := range []string{coded(first + second), coded(first) + coded(second), coded("\x00") + coded(first) + coded(second[1:2]) + coded(second[2:])} {
		response, text := askWeb(t, k.gateways[""].Public, safePath, "application/grpc-web-text", []byte(body))
		frames := strings.Split(string(text), "\x80")
		if response.StatusCode != 200 || len(frames) != 2 || frames[0] != "\x00\x00\x00\x00\x03\x0a\x01a" || !strings.Contains(frames[1], "grpc-status: 0\r\n") {
			t.Errorf("%s: %d %q", body, response.StatusCode, text)
		}
	}
	k.backend.Take()
	for _, body := range []string{"AAAA", "!!!!", coded(first + second)[:7], "AAAAAAM", coded("\x00\x7f\xff\xff\xff")} {
		response, text := askWeb(t, k.gateways[""].Public, safePath, "application/grpc-web-text", []byte(body))
		if code := webStatus(response, text); response.StatusCode != http.StatusOK || code != "13" && code != "8" || len(k.backend.Take()) > 0 {
			t.Errorf("%s: %d, status %q, %q", body, response.StatusCode, code, text)
		}
	}
}

// webStatus is the status of a gRPC-Web call, from its headers or its last frame.
func webStatus(response *http.Response, text []byte) string {
	if code := response.Header.Get("Grpc-Status"); code != "" {
		return code
	}
	_, rest, _ := strings.Cut(string(text), "grpc-status: ")
	code, _, _ := strings.Cut(rest, "\r\n")
	return code
}
