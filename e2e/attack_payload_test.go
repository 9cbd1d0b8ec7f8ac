package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// bomb returns gzip that becomes n bytes of one kind.
func bomb(t *testing.T, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	for ; n > 0; n -= 1 << 20 {
		if _, err := w.Write(bytes.Repeat([]byte(" "), min(n, 1<<20))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// framed returns bytes as one gRPC message.
func framed(flag byte, data []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{flag}, uint32(len(data))), data...)
}

// sendRaw makes a gRPC call whose request is the bytes as they are, at most 64 KiB: more would need the gateway's leave.
func (s *siege) sendRaw(t *testing.T, address, method string, body []byte, more ...string) outcome {
	t.Helper()
	c := dialHTTP2(t, address)
	id := c.grpc(method, more...)
	const frame = 16 << 10
	for len(body) > frame {
		_ = c.WriteData(id, false, body[:frame]) // outcome tells if it fails
		body = body[frame:]
	}
	_ = c.WriteData(id, true, body)
	return c.outcome(id)
}

// rawCodec passes bytes as they are.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

func (rawCodec) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = bytes.Clone(data)
	return nil
}

var forceRaw = grpc.ForceCodec(rawCodec{})

// sendMessage makes a gRPC call with one message, which may be as long as it likes.
func (s *siege) sendMessage(t *testing.T, address, method string, data []byte) *status.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	var reply []byte
	return status.Convert(dialed(t, address).Invoke(ctx, "/attack.v1.Attack/"+method, &data, &reply, forceRaw))
}

// 32: what counts is what a body becomes.
func bombs(t *testing.T, s *siege) {
	g := s.serve(t, "default_access: PUBLIC")
	alive(t, g)
	before := g.MemoryPeak(t)
	send := func(body []byte, headers ...string) *testkit.Response {
		return fetch(t, "POST", "http://"+g.Public+"/post", string(body), headers...)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	fmt.Fprint(w, `{"number":7}`)
	w.Close()
	if r := send(packed.Bytes(), "Content-Encoding: gzip"); r.StatusCode != 200 {
		t.Errorf("gzip: %d %s", r.StatusCode, r.Text)
	}
	s.backend.Take()
	big := bomb(t, 256<<20)
	for range 4 {
		if r := send(big, "Content-Encoding: gzip"); r.StatusCode != 413 {
			t.Errorf("bomb: %d %s", r.StatusCode, r.Text)
		}
	}
	for range 4 {
		if r := send(zstdBomb(t, 256<<20), "Content-Encoding: zstd"); r.StatusCode != 413 {
			t.Errorf("bomb of zstd: %d %s", r.StatusCode, r.Text)
		}
	}
	// A frame that wants a window of 2 GiB.
	if r := send([]byte("\x28\xb5\x2f\xfd\x00\xa8\x01\x00\x00"), "Content-Encoding: zstd"); r.StatusCode != 400 {
		t.Errorf("a window of 2 GiB: %d %s", r.StatusCode, r.Text)
	}
	for _, coding := range []string{"gzip, gzip", "br", "zstd, zstd", "gzip, zstd", "deflate", "compress", "gzip;q=1", "identity, br"} {
		if r := send(big, "Content-Encoding: "+coding); r.StatusCode != 415 {
			t.Errorf("%s: %d %s", coding, r.StatusCode, r.Text)
		}
	}
	s.untouched(t, "REST")
	for _, address := range []string{g.Public, g.GRPC} {
		// As protobuf, spaces are no message; the limit comes first.
		small := bomb(t, 40<<20)
		if o := s.sendRaw(t, address, "Post", framed(1, small), "grpc-encoding", "gzip"); o.grpcStatus != "8" {
			t.Errorf("by gRPC: %+v", o)
		}
		if o := s.sendRaw(t, address, "Post", framed(1, []byte("no gzip")), "grpc-encoding", "gzip"); o.grpcStatus != "13" {
			t.Errorf("no gzip: %+v", o)
		}
		if o := s.sendRaw(t, address, "Post", framed(1, small[:100]), "grpc-encoding", "br"); o.grpcStatus != "12" {
			t.Errorf("br: %+v", o)
		}
		s.untouched(t, "gRPC")
		if o := s.sendRaw(t, address, "Post", framed(1, gzipped(t, []byte{8 << 1, 7})), "grpc-encoding", "gzip"); o.grpcStatus != "0" {
			t.Errorf("gzip by gRPC: %+v", o)
		}
		s.backend.Take()
		lie := binary.BigEndian.AppendUint32([]byte{0}, 1<<31-1)
		if o := s.sendRaw(t, address, "Post", lie); o.grpcStatus != "8" {
			t.Errorf("a length of 2 GiB: %+v", o)
		}
		s.untouched(t, "lie")
	}
	s.bombsByWeb(t, g)
	if grown := g.MemoryPeak(t) - before; grown > memoryMax && !testkit.Race() {
		t.Errorf("it took %d MiB", grown>>20)
	}
	alive(t, g)
}

// bombsByWeb sends bombs by gRPC-Web and Connect, whole and in frames.
func (s *siege) bombsByWeb(t *testing.T, g *testkit.Gateway) {
	for coding, small := range map[string][]byte{"gzip": bomb(t, 40<<20), "zstd": zstdBomb(t, 40<<20)} {
		for _, c := range []struct {
			method, media, header string
			body                  []byte
			want                  string // in the answer
		}{
			{"Post", "application/proto", "Content-Encoding: ", small, `"code":"resource_exhausted"`},
			{"Post", "application/json", "Content-Encoding: ", small, `"code":"resource_exhausted"`},
			{"Upload", "application/connect+proto", "Connect-Content-Encoding: ", framed(1, small), `"code":"resource_exhausted"`},
			{"Upload", "application/connect+json", "Connect-Content-Encoding: ", framed(1, small), `"code":"resource_exhausted"`},
			{"Upload", "application/connect+json", "Connect-Content-Encoding: ", framed(1, small[:100]), `"code":"invalid_argument"`},
			{"Upload", "application/connect+json", "Connect-Content-Encoding: ", framed(0, small[:100])[:50], `"code":"invalid_argument"`},
			{"Post", "application/grpc-web+proto", "Grpc-Encoding: ", framed(1, small), "8"},
			{"Post", "application/grpc-web+json", "Grpc-Encoding: ", framed(1, small), "8"},
			{"Post", "application/grpc-web-text", "Grpc-Encoding: ", []byte(base64.StdEncoding.EncodeToString(framed(1, small))), "8"},
			{"Post", "application/grpc-web", "Grpc-Encoding: ", framed(1, small[:100]), "13"},
			{"Post", "application/grpc-web", "Grpc-Encoding: ", binary.BigEndian.AppendUint32([]byte{0}, 1<<31-1), "8"},
		} {
			r := fetch(t, "POST", "http://"+g.Public+"/attack.v1.Attack/"+c.method, string(c.body), "Content-Type: "+c.media, c.header+coding, "Connect-Protocol-Version: 1")
			if got := r.Header.Get("Grpc-Status"); got != c.want && !strings.Contains(r.Text, c.want) {
				t.Errorf("%s by %s, %s: %d, status %q, %.200s", c.method, c.media, coding, r.StatusCode, got, r.Text)
			}
		}
	}
	s.untouched(t, "bombs by gRPC-Web and Connect")
}

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// 33: JSON has one reading, or none.
func hostileJSON(t *testing.T, s *siege) {
	send := func(body string) *testkit.Response {
		return fetch(t, "POST", "http://"+s.gateway.Public+"/post", body)
	}
	for name, body := range map[string]string{
		"nothing special": `{"text":"a","number":7,"real":1.5,"next":{"text":"b"}}`, "escapes": `{"text":"\u00e9\ud83d\ude00"}`, "100 000 keys": manyKeys(100_000),
		"nested as deep as allowed": strings.Repeat(`{"next":`, 99) + "{}" + strings.Repeat("}", 99),
	} {
		if r := send(body); r.StatusCode != 200 || len(s.called()) != 1 {
			t.Errorf("%s: %d %.300s", name, r.StatusCode, r.Text)
		}
	}
	for name, body := range map[string]string{
		"depth of 10 001":        strings.Repeat(`{"next":`, 10_001) + "{}" + strings.Repeat("}", 10_001),
		"depth of lists":         `{"free":{"a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}}",
		"depth without an end":   strings.Repeat("[", 1_000_000),
		"duplicate key":          `{"number":1,"number":2}`,
		"duplicate by escape":    `{"number":1,"\u006eumber":2}`,
		"duplicate key of a map": `{"labels":{"a":"1","a":"2"}}`,
		"duplicate in free text": `{"free":{"a":1,"a":2}}`,
		"case of a key":          `{"Number":1}`,
		"case beside":            `{"number":1,"NUMBER":2}`,
		"Kelvin sign":            `{"\u212a":1}`,
		"NaN":                    `{"real":NaN}`,
		"Infinity":               `{"real":-Infinity}`,
		"1e400":                  `{"real":1e400}`,
		"huge exponent":          `{"number":1e1000000000}`,
		"number out of range":    `{"number":2147483648}`,
		"1 MB number":            `{"real":` + strings.Repeat("1", 1<<20) + `}`,
		"1 MB fraction as int":   `{"number":0.` + strings.Repeat("0", 1<<20) + `1}`,
		"lone surrogate":         `{"text":"\ud800"}`,
		"surrogates turned":      `{"text":"\udc00\ud800"}`,
		"invalid UTF-8":          "{\"text\":\"\xff\"}",
		"overlong UTF-8":         "{\"text\":\"\xc0\xaf\"}",
		"invalid UTF-8 in a key": "{\"te\xffxt\":1}",
		"BOM":                    "\ufeff{}",
		"UTF-16":                 "{\x00}\x00",
		"control character":      "{\"text\":\"\x01\"}",
		"comment":                `{"number":1/**/}`,
		"trailing comma":         `{"number":1,}`,
		"second document":        `{"number":1}{"number":2}`,
		"NUL behind":             "{}\x00",
		"top-level list":         `[{"number":1}]`,
		"top-level null":         `null`,
		"text for a number":      `{"number":" 1"}`,
		"hex":                    `{"number":0x10}`,
		"leading zero":           `{"number":010}`,
		"single quotes":          `{'number':1}`,
		"no end":                 `{"number":1`,
		"prototype":              `{"__proto__":{}}`,
	} {
		started := time.Now()
		r := send(body)
		if r.StatusCode != 400 {
			t.Errorf("%s: %d %.300s", name, r.StatusCode, r.Text)
		}
		if took := time.Since(started); tooLong(took) {
			t.Errorf("%s took %v", name, took)
		}
		s.untouched(t, name)
	}
	alive(t, s.gateway)
}

func manyKeys(n int) string {
	var b strings.Builder
	b.WriteString(`{"free":{`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"k%d":%d`, i, i)
	}
	return b.String() + "}}"
}

// 34: a message that the gateway reads is well formed; one that it does not read is bounded by its size alone.
func hostileProtobuf(t *testing.T, s *siege) {
	nested := func(n int) []byte { // each level is a tag and a length before the next: written from the end
		reversed := []byte{}
		for range n {
			head := protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.BytesType), uint64(len(reversed)))
			slices.Reverse(head)
			reversed = append(reversed, head...)
		}
		slices.Reverse(reversed)
		return reversed
	}
	unknown := bytes.Repeat([]byte{0xa0, 0x06, 1}, 500_000) // field 100, 1.5 MB
	group := append(protowire.AppendTag(nil, 100, protowire.StartGroupType), protowire.AppendTag(nil, 100, protowire.EndGroupType)...)
	groups := append(bytes.Repeat(protowire.AppendTag(nil, 100, protowire.StartGroupType), 100_000),
		bytes.Repeat(protowire.AppendTag(nil, 100, protowire.EndGroupType), 100_000)...)
	text := func(b ...byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), b)
	}
	anyOf := func(url string, value []byte) []byte {
		a := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), url)
		a = protowire.AppendBytes(protowire.AppendTag(a, 2, protowire.BytesType), value)
		return protowire.AppendBytes(protowire.AppendTag(nil, 4, protowire.BytesType), a)
	}
	good := map[string][]byte{
		"nothing": {}, "text": text('a'), "unknown fields": unknown, "a group": group, "100 levels": nested(100),
		"Any of an unknown type": anyOf("type.example/no.such.Type", []byte{0xff}), "Any of 1 MB": anyOf("type.googleapis.com/attack.v1.Ruled", make([]byte, 1<<20)),
	}
	bad := map[string][]byte{
		"101 levels":                   nested(101),
		"800 000 levels":               nested(800_000),
		"100 000 groups":               groups,
		"group without an end":         protowire.AppendTag(nil, 100, protowire.StartGroupType),
		"end of no group":              protowire.AppendTag(nil, 100, protowire.EndGroupType),
		"packed list that lies":        protowire.AppendVarint(protowire.AppendTag(nil, 3, protowire.BytesType), 1<<31),
		"packed list of half a number": protowire.AppendBytes(protowire.AppendTag(nil, 3, protowire.BytesType), []byte{0x80}),
		"length beyond 64 bits":        append(protowire.AppendTag(nil, 1, protowire.BytesType), bytes.Repeat([]byte{0xff}, 11)...),
		"negative length":              protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.BytesType), 1<<63),
		"field 0":                      {0x00, 0x00},
		"wire type 7":                  {0x0f},
		"cut off":                      {0x0a, 5, 'a'},
		"tag without an end":           bytes.Repeat([]byte{0x80}, 1000),
		"invalid UTF-8":                text(0xff),
		"rule that is broken":          text([]byte("longer than it may be")...),
	}
	for _, address := range []string{s.gateway.Public, s.gateway.GRPC} {
		for name, data := range good {
			if st := s.sendMessage(t, address, "Judged", data); st.Code() != codes.OK {
				t.Errorf("%s: %v", name, st)
			}
		}
		s.backend.Take()
		for name, data := range bad {
			started := time.Now()
			if st := s.sendMessage(t, address, "Judged", data); st.Code() != codes.InvalidArgument {
				t.Errorf("%s: %v", name, st)
			}
			if took := time.Since(started); tooLong(took) {
				t.Errorf("%s took %v", name, took)
			}
			s.untouched(t, name)
		}
		for name, body := range map[string][]byte{
			"half a prefix": {0, 0}, "shorter than announced": {0, 0, 0, 0, 9, 1}, "flag of 2": {2, 0, 0, 0, 0}, "no message": {}, "two messages": append(framed(0, nil), framed(0, nil)...),
		} {
			if o := s.sendRaw(t, address, "Judged", body); o.grpcStatus == "0" || o.grpcStatus == "" && o.reset == 0 {
				t.Errorf("%s: %+v", name, o)
			}
			s.untouched(t, name)
		}
	}
	alive(t, s.gateway)
}

// zstdBomb is so many spaces, by zstd.
func zstdBomb(t *testing.T, size int) []byte {
	t.Helper()
	var packed bytes.Buffer
	w, err := zstd.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	chunk := bytes.Repeat([]byte(" "), 1<<20)
	for range size >> 20 {
		if _, err := w.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}
