package rest

import (
	"bytes"
	"testing"

	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

// TestRawMalformed is what a backend with another schema may send.
func TestRawMalformed(t *testing.T) {
	for name, wire := range map[string]string{
		"Cut": "\x12\x05ab", "CutTag": "\x80", "CutNumber": "\x18\x80", "NotUTF8": "\x0a\x01\xff", "EndOfNoGroup": "\x1c",
	} {
		if r, err := rawOf(&front.RawBody{}, []byte(wire)); err == nil {
			t.Errorf("%s: %v", name, r)
		}
	}
	if r, err := rawOf(&front.RawBody{Field: 2}, []byte("\x0a\x01\xff\x12\x03\x12\x01d\x12\x03\x0a\x01t")); err != nil || string(r.data) != "d" || r.contentType != "t" {
		t.Errorf("a field in two parts: %v, %v", r, err)
	}
}

// FuzzRaw holds reading to what the protobuf library reads, and writing to what it reads again.
func FuzzRaw(f *testing.F) {
	f.Add([]byte("\x0a\x01t\x12\x02da\x1a\x00\x12\x01d"))
	f.Add([]byte("\x1b\x12\x01x\x1c\x12\x01d"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		want := new(httpbody.HttpBody)
		if proto.Unmarshal(wire, want) != nil {
			return
		}
		got, err := rawOf(&front.RawBody{}, wire)
		if err != nil || got.contentType != want.ContentType || !bytes.Equal(got.data, want.Data) {
			t.Fatalf("%q: %v, %v, want %v", wire, got, err, want)
		}
		for _, at := range []front.RawBody{{}, {Field: 7}} {
			if again, err := rawOf(&at, appendRaw(nil, &at, got)); err != nil || again.contentType != got.contentType || !bytes.Equal(again.data, got.data) {
				t.Fatalf("%q became %v, %v", wire, again, err)
			}
		}
	})
}
