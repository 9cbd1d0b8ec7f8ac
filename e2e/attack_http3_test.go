package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// Types of HTTP/3 frames (RFC 9114, section 7.2); reservedFrame is one that everybody skips.
const (
	dataFrame     = 0
	headersFrame  = 1
	settingsFrame = 4
	reservedFrame = 0x21
)

// serveQUIC starts another gateway that answers HTTP/3, too, and returns the TLS of its clients.
func (s *siege) serveQUIC(t *testing.T, config ...string) (*testkit.Gateway, *tls.Config) {
	t.Helper()
	a := newAuthority(t)
	a.issue(t, "server")
	config = append(config, fmt.Sprintf("tls: {cert_file: %q, key_file: %q}", a.file("server", "cert"), a.file("server", "key")), "http3: true")
	return s.serve(t, config...), a.client(t, "")
}

// rawHTTP3 is a connection on whose streams frames are written one by one, wrong ones too.
type rawHTTP3 struct {
	*quic.Conn
	t *testing.T
}

// outcome3 is how a request by HTTP/3 ended: with a response, a reset, or the connection.
type outcome3 struct {
	status, grpcStatus string
	length             int // of the body
	ended              error
}

// refused reports whether a request was told to be wrong, in any of the ways of HTTP/3.
func (o outcome3) refused() bool { return o.ended != nil || strings.HasPrefix(o.status, "4") }

func (s *siege) dialHTTP3(t *testing.T) *rawHTTP3 {
	t.Helper()
	return &rawHTTP3{quicConn(t, s.overQUIC.Public, s.trust), t}
}

// frame is a frame as it is sent.
func frame(kind uint64, payload []byte) []byte {
	return append(quicvarint.Append(quicvarint.Append(nil, kind), uint64(len(payload))), payload...)
}

// headers is a frame of name, value, name, value …
func headers(fields ...string) []byte {
	var block bytes.Buffer
	encoder := qpack.NewEncoder(&block)
	for i := 0; i < len(fields); i += 2 {
		_ = encoder.WriteField(qpack.HeaderField{Name: fields[i], Value: fields[i+1]}) // a buffer never fails
	}
	return frame(headersFrame, block.Bytes())
}

// getHeaders are those of a GET.
func getHeaders(path string, more ...string) []byte {
	return headers(append([]string{":method", "GET", ":scheme", "https", ":authority", "x", ":path", path}, more...)...)
}

// grpcHeaders are those of a gRPC call.
func grpcHeaders(path string) []byte {
	return headers(":method", "POST", ":scheme", "https", ":authority", "x", ":path", path, "content-type", "application/grpc", "te", "trailers")
}

// open sends bytes on a stream of their own. An error means that the server has had enough, which outcome tells.
func (c *rawHTTP3) open(text ...[]byte) *quic.Stream {
	c.t.Helper()
	stream, err := c.OpenStreamSync(bounded(c.t))
	if err != nil {
		c.t.Fatal(err)
	}
	_ = stream.SetDeadline(time.Now().Add(longest))
	_, _ = stream.Write(bytes.Join(text, nil))
	return stream
}

// request sends a whole request.
func (c *rawHTTP3) request(text ...[]byte) outcome3 {
	c.t.Helper()
	stream := c.open(text...)
	_ = stream.Close() // as open
	return c.outcome(stream)
}

// outcome reads until a stream or the connection has ended.
func (c *rawHTTP3) outcome(stream *quic.Stream) (o outcome3) {
	c.t.Helper()
	r := quicvarint.NewReader(stream)
	for {
		kind, err := quicvarint.Read(r)
		if err == io.EOF {
			return o
		}
		var size uint64
		if err == nil {
			size, err = quicvarint.Read(r)
		}
		payload := make([]byte, size)
		if err == nil {
			_, err = io.ReadFull(stream, payload)
		}
		if timeout := new(quic.IdleTimeoutError); errors.As(err, &timeout) || errors.Is(err, context.DeadlineExceeded) {
			c.t.Error("nothing happens")
		}
		if err != nil {
			o.ended = err
			return o
		}
		switch kind {
		case dataFrame:
			o.length += len(payload)
		case headersFrame:
			o.fields(payload)
		}
	}
}

func (o *outcome3) fields(block []byte) {
	next := qpack.NewDecoder().Decode(block)
	for f, err := next(); err == nil; f, err = next() {
		switch f.Name {
		case ":status":
			o.status = f.Value
		case "grpc-status":
			o.grpcStatus = f.Value
		}
	}
}

// 1 by HTTP/3: a length that is not that of the body.
func lengthsHTTP3(t *testing.T, s *siege) {
	const seven = `{"number":7}`
	for name, c := range map[string]struct {
		lengths []string
		body    []byte
		ok      bool
	}{
		"equal":       {[]string{"content-length", "12"}, frame(dataFrame, []byte(seven)), true},
		"two frames":  {[]string{"content-length", "12"}, append(frame(dataFrame, []byte(seven[:3])), frame(dataFrame, []byte(seven[3:]))...), true},
		"more":        {[]string{"content-length", "3"}, frame(dataFrame, []byte(seven)), false},
		"less":        {[]string{"content-length", "20"}, frame(dataFrame, []byte(seven)), false},
		"two lengths": {[]string{"content-length", "12", "content-length", "3"}, frame(dataFrame, []byte(seven)), false},
		"signed":      {[]string{"content-length", "+12"}, frame(dataFrame, []byte(seven)), false},
		"cut frame":   {[]string{"content-length", "50"}, append([]byte{dataFrame, 50}, seven...), false},
		// Without a length the library takes it for the end. There is no other reading, and only the client itself can end a stream.
		"cut frame of no length": {nil, append([]byte{dataFrame, 50}, seven...), true},
	} {
		o := s.dialHTTP3(t).request(headers(append([]string{":method", "POST", ":scheme", "https", ":authority", "x", ":path", "/post"}, c.lengths...)...), c.body)
		if called := s.called(); c.ok != (o.status == "200") || c.ok != (len(called) == 1) {
			t.Errorf("by HTTP/3, %s: %+v, called %v", name, o, called)
		}
	}
}

// 3 by HTTP/3: the header blocks that HTTP/2 does not allow.
func malformedHTTP3Headers(t *testing.T, s *siege) {
	for name, fields := range malformedHeaders() {
		c := s.dialHTTP3(t)
		if o := c.request(headers(fields...)); !o.refused() {
			t.Errorf("by HTTP/3, %s: %+v", name, o)
		}
		s.untouched(t, name)
		if o := c.request(getHeaders("/echo/good", "x-lower", "b")); o.status != "200" {
			t.Errorf("by HTTP/3, beside %s: %+v", name, o)
		}
		s.backend.Take()
	}
}

// 5 by HTTP/3: nothing becomes a tunnel, and nothing is answered that could be another client's, played again.
func tunnelsHTTP3(t *testing.T, s *siege) {
	s.backend.Take()
	c := s.dialHTTP3(t)
	for name, fields := range map[string][]string{
		"CONNECT":          {":method", "CONNECT", ":authority", "127.0.0.1:22"},
		"extended CONNECT": {":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "x", ":path", "/echo/a"},
		"upgrade":          {":method", "GET", ":scheme", "https", ":authority", "x", ":path", "/echo/a", "upgrade", "websocket"},
	} {
		if o := c.request(headers(fields...)); !o.refused() {
			t.Errorf("%s by HTTP/3: %+v", name, o)
		}
		s.untouched(t, name)
	}
	config := s.trust.Clone()
	config.NextProtos, config.ClientSessionCache = []string{http3.NextProtoH3}, tls.NewLRUClientSessionCache(1)
	for range 2 { // the second could send early, if it were let
		conn, err := quic.DialAddrEarly(bounded(t), s.overQUIC.Public, config, nil)
		if err != nil {
			t.Fatal(err)
		}
		if o := (&rawHTTP3{conn, t}).request(getHeaders("/echo/a")); o.status != "200" || conn.ConnectionState().Used0RTT {
			t.Errorf("early data: %+v, taken early: %v", o, conn.ConnectionState().Used0RTT)
		}
		_ = conn.CloseWithError(0, "")
	}
	s.backend.Take()
}

// 6 by HTTP/3: streams that are opened and reset at once.
func rapidResetHTTP3(t *testing.T, s *siege) {
	before := s.overQUIC.MemoryPeak(t)
	var ran crowd
	s.backend.Answer(ran.answer)
	c := s.dialHTTP3(t)
	for range 2000 {
		stream, err := c.OpenStreamSync(bounded(t))
		if err != nil {
			break // the server has had enough
		}
		_, _ = stream.Write(getHeaders("/echo/reset"))
		stream.CancelWrite(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
		stream.CancelRead(quic.StreamErrorCode(http3.ErrCodeRequestCanceled))
	}
	s.backend.Answer(nil)
	until(t, "others are served", func() bool { return s.dialHTTP3(t).request(getHeaders("/echo/alive")).status == "200" })
	_ = c.CloseWithError(0, "")
	until(t, "the calls end", func() bool { return ran.running.Load() == 0 })
	if most := ran.most.Load(); most > runningMax {
		t.Errorf("by HTTP/3 %d calls ran at a time", most)
	}
	if grown := s.overQUIC.MemoryPeak(t) - before; grown > memoryMax && !testkit.Race() {
		t.Errorf("by HTTP/3 it took %d MiB", grown>>20)
	}
	s.backend.Take()
}

// 7 by HTTP/3: frames that cost the sender nothing.
func frameFloodsHTTP3(t *testing.T, s *siege) {
	before := s.overQUIC.MemoryPeak(t)
	flood := func(one []byte) []byte { return bytes.Repeat(one, 20_000) }
	for name, text := range map[string][][]byte{
		"empty DATA":                    {grpcHeaders("/attack.v1.Attack/Upload"), flood(frame(dataFrame, nil))},
		"reserved frames":               {flood(frame(reservedFrame, nil)), getHeaders("/echo/a")},
		"reserved frames after headers": {getHeaders("/echo/a"), flood(frame(reservedFrame, []byte("x")))},
	} {
		if o := s.dialHTTP3(t).request(text...); o.length > 1<<10 {
			t.Errorf("%s: %+v", name, o)
		}
		s.backend.Take()
	}
	for name, text := range map[string][]byte{
		"no SETTINGS":         {0, 7, 1, 0},
		"SETTINGS once more":  append([]byte{0}, flood(frame(settingsFrame, nil))...),
		"DATA for control":    append(append([]byte{0}, frame(settingsFrame, nil)...), frame(dataFrame, nil)...),
		"a push by a client":  {1},
		"requests of HEADERS": append(append([]byte{0}, frame(settingsFrame, nil)...), getHeaders("/echo/a")...),
	} {
		c := s.dialHTTP3(t)
		stream, err := c.OpenUniStream()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = stream.Write(text) // an error means that the server has had enough
		select {
		case <-c.Context().Done():
		case <-time.After(longest):
			t.Errorf("%s: the connection is still there", name)
		}
		s.untouched(t, name)
	}
	if o := s.dialHTTP3(t).request(getHeaders("/echo/alive")); o.status != "200" {
		t.Errorf("another client: %+v", o)
	}
	if grown := s.overQUIC.MemoryPeak(t) - before; grown > memoryMax && !testkit.Race() {
		t.Errorf("by HTTP/3 it took %d MiB", grown>>20)
	}
	s.backend.Take()
}

// 8 by HTTP/3: headers are bounded as they are. There is no table that a client fills, so what is small on the wire is a
// field of the standard's own table.
func headersWithoutEndHTTP3(t *testing.T, s *siege) {
	before := s.overQUIC.MemoryPeak(t)
	if o := s.dialHTTP3(t).request(getHeaders("/echo/a", "x-long", strings.Repeat("x", 30<<10))); o.status != "200" {
		t.Errorf("30 KiB of headers: %+v", o)
	}
	s.backend.Take()
	bomb := []string{}
	for range 40_000 { // a byte each
		bomb = append(bomb, "accept-encoding", "gzip, deflate, br")
	}
	for name, more := range map[string][]string{
		"bomb": bomb, "long value": {"x-long", strings.Repeat("x", 1<<20)}, "long name": {strings.Repeat("x", 1<<20), "a"},
	} {
		if o := s.dialHTTP3(t).request(getHeaders("/echo/a", more...)); o.status != "431" {
			t.Errorf("by HTTP/3, %s: %+v", name, o)
		}
		s.untouched(t, name)
	}
	c := s.dialHTTP3(t)
	if o := c.request(headers(":method", "GET"), frame(headersFrame, []byte{0x3f, 0xe1, 0x7f, 0, 0})); !o.refused() { // a table of that size
		t.Errorf("by HTTP/3, a table of the client's: %+v", o)
	}
	if grown := s.overQUIC.MemoryPeak(t) - before; grown > memoryMax/2 && !testkit.Race() {
		t.Errorf("by HTTP/3 it took %d MiB", grown>>20)
	}
}

// slowHTTP3 are the clients of 9 that speak HTTP/3.
func slowHTTP3(g *testkit.Gateway, trust *tls.Config) map[string]func(*testing.T) {
	dial := func(t *testing.T) *rawHTTP3 { return &rawHTTP3{quicConn(t, g.Public, trust), t} }
	half := func(method string) func(*testing.T) {
		return func(t *testing.T) {
			c := dial(t)
			if o := c.outcome(c.open(grpcHeaders("/attack.v1.Attack/"+method), frame(dataFrame, []byte{0, 0, 0, 0, 9, 1}))); o.grpcStatus != "4" {
				t.Errorf("%+v", o)
			}
		}
	}
	return map[string]func(*testing.T){
		"NothingAtAll": func(t *testing.T) { ended(t, dial(t).Conn, quic.ApplicationErrorCode(http3.ErrCodeNoError)) },
		"Headers": func(t *testing.T) {
			c := dial(t)
			c.open([]byte{headersFrame, 100, 0, 0}) // two of 100 bytes
			ended(t, c.Conn, quic.ApplicationErrorCode(http3.ErrCodeNoError))
		},
		"Body": func(t *testing.T) {
			c := dial(t)
			o := c.outcome(c.open(headers(":method", "POST", ":scheme", "https", ":authority", "x", ":path", "/post", "content-length", "20"), frame(dataFrame, []byte("{"))))
			if o.status != "504" {
				t.Errorf("%+v", o)
			}
		},
		"MessageOfAUnaryCall":    half("Echo"),
		"MessageOfAClientStream": half("Upload"),
	}
}
