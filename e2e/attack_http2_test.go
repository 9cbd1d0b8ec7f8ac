package e2e

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// rawHTTP2 is a connection on which frames are written one by one, wrong ones too.
type rawHTTP2 struct {
	*http2.Framer
	t     *testing.T
	conn  net.Conn
	block bytes.Buffer
	hpack *hpack.Encoder
	next  uint32
	ended map[uint32]outcome
	gone  outcome
}

// outcome is how a stream ended: with a response, a reset, or the connection.
type outcome struct {
	status, grpcStatus string
	length             int // of the body
	reset, goAway      http2.ErrCode
	closed             bool
}

func dialHTTP2(t *testing.T, address string, settings ...http2.Setting) *rawHTTP2 {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(longest)); err != nil {
		t.Fatal(err)
	}
	c := &rawHTTP2{t: t, conn: conn, Framer: http2.NewFramer(conn, conn), next: 1, ended: map[uint32]outcome{}}
	c.AllowIllegalWrites = true
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.hpack = hpack.NewEncoder(&c.block)
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	if err := c.WriteSettings(settings...); err != nil {
		t.Fatal(err)
	}
	return c
}

// encode returns name, value, name, value … as a header block.
func (c *rawHTTP2) encode(fields ...string) []byte {
	c.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = c.hpack.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}) // a buffer never fails
	}
	return c.block.Bytes()
}

// request opens a stream. An error means that the server has gone, which outcome tells.
func (c *rawHTTP2) request(endStream bool, fields ...string) (id uint32) {
	id = c.next
	c.next += 2
	_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.encode(fields...), EndStream: endStream, EndHeaders: true})
	return id
}

// get opens a stream with a GET.
func (c *rawHTTP2) get(path string, more ...string) uint32 {
	return c.request(true, append([]string{":method", "GET", ":scheme", "http", ":authority", "x", ":path", path}, more...)...)
}

// grpc opens a stream with a gRPC call of attack.v1, for DATA to follow.
func (c *rawHTTP2) grpc(method string, more ...string) uint32 {
	return c.request(false, append([]string{":method", "POST", ":scheme", "http", ":authority", "x", ":path", "/attack.v1.Attack/" + method,
		"content-type", "application/grpc", "te", "trailers"}, more...)...)
}

// acknowledge answers a frame past the Framer, which may be writing another: a connection takes each whole.
func (c *rawHTTP2) acknowledge(h http2.FrameHeader, payload []byte) {
	_, _ = c.conn.Write(append([]byte{0, 0, byte(len(payload)), byte(h.Type), byte(http2.FlagSettingsAck), 0, 0, 0, 0}, payload...))
}

// outcome reads until a stream or the connection has ended; of several streams, 0 is the connection.
func (c *rawHTTP2) outcome(id uint32) outcome {
	c.t.Helper()
	open := map[uint32]outcome{}
	for {
		if o, ok := c.ended[id]; ok {
			return o
		}
		f, err := c.ReadFrame()
		if err != nil {
			if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
				c.t.Errorf("stream %d: nothing happens", id)
			}
			c.gone.closed = true
			return c.gone
		}
		o := open[f.Header().StreamID]
		end := false
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				c.acknowledge(f.Header(), nil)
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				c.acknowledge(f.Header(), f.Data[:])
			}
		case *http2.MetaHeadersFrame:
			if v := f.PseudoValue("status"); v != "" {
				o.status = v
			}
			for _, field := range f.RegularFields() {
				if field.Name == "grpc-status" {
					o.grpcStatus = field.Value
				}
			}
			end = f.StreamEnded()
		case *http2.DataFrame:
			o.length += len(f.Data())
			end = f.StreamEnded()
		case *http2.RSTStreamFrame:
			o.reset, end = f.ErrCode, true
		case *http2.GoAwayFrame:
			c.gone.goAway = f.ErrCode
			if f.ErrCode != http2.ErrCodeNo && id == 0 {
				return c.gone
			}
		}
		open[f.Header().StreamID] = o
		if end {
			c.ended[f.Header().StreamID] = o
		}
	}
}

// malformedHeaders are header blocks that HTTP/2 and HTTP/3 do not allow.
func malformedHeaders() map[string][]string {
	start := []string{":method", "GET", ":scheme", "http", ":authority", "x", ":path", "/echo/a"}
	return map[string][]string{
		"CR LF in a value":           append(start, "x-a", "b\r\nx-user-id: root"),
		"LF in a value":              append(start, "x-a", "b\nc"),
		"NUL in a value":             append(start, "x-a", "b\x00"),
		"CR LF in a name":            append(start, "x-a\r\nx-b", "c"),
		"upper case":                 append(start, "X-User-Id", "root"),
		"space in a name":            append(start, "x a", "b"),
		"colon in a name":            append(start, "x:a", "b"),
		"empty name":                 append(start, "", "b"),
		"connection":                 append(start, "connection", "keep-alive"),
		"transfer-encoding":          append(start, "transfer-encoding", "chunked"),
		"upgrade":                    append(start, "upgrade", "websocket"),
		"te that is not trailers":    append(start, "te", "gzip"),
		"pseudo-header after others": {":method", "GET", ":scheme", "http", ":authority", "x", "x-a", "b", ":path", "/echo/a"},
		"two paths":                  append(start, ":path", "/open/a"),
		"two methods":                append(start, ":method", "DELETE"),
		"two authorities":            append(start, ":authority", "y"),
		"unknown pseudo-header":      append(start, ":user", "root"),
		"response's pseudo-header":   append(start, ":status", "200"),
		"no path":                    {":method", "GET", ":scheme", "http", ":authority", "x"},
		"no method":                  {":scheme", "http", ":authority", "x", ":path", "/echo/a"},
	}
}

// 3: a header block that HTTP/2 does not allow ends its stream, and only that.
func malformedHTTP2Headers(t *testing.T, s *siege) {
	for name, fields := range malformedHeaders() {
		c := dialHTTP2(t, s.gateway.Public)
		bad := c.request(true, fields...)
		if o := c.outcome(bad); o.reset != http2.ErrCodeProtocol && o.goAway != http2.ErrCodeProtocol && o.status != "400" {
			t.Errorf("%s: %+v", name, o)
		}
		s.untouched(t, name)
	}
	c := dialHTTP2(t, s.gateway.Public)
	bad, good := c.get("/echo/a", "X-Upper", "b"), c.get("/echo/good", "x-lower", "b")
	if o := c.outcome(good); o.status != "200" {
		t.Errorf("the stream beside a malformed one: %+v", o)
	}
	if o := c.outcome(bad); o.reset != http2.ErrCodeProtocol {
		t.Errorf("the malformed one: %+v", o)
	}
	s.backend.Take()
	malformedHTTP3Headers(t, s)
}

// 4: a path that is not a path is refused before any check, so no rule on paths can be passed by.
func pathsWithoutASlash(t *testing.T, s *siege) {
	over2 := func(address string) func(path string) outcome {
		return func(path string) outcome {
			c := dialHTTP2(t, address)
			id := c.request(false, ":method", "POST", ":scheme", "http", ":authority", "x", ":path", path,
				"content-type", "application/grpc", "te", "trailers")
			_ = c.WriteData(id, true, make([]byte, 5))
			return c.outcome(id)
		}
	}
	for address, call := range map[string]func(path string) outcome{
		"public": over2(s.gateway.Public), "internal": over2(s.gateway.GRPC),
		"HTTP/3": func(path string) outcome {
			o := s.dialHTTP3(t).request(grpcHeaders(path), frame(dataFrame, make([]byte, 5)))
			return outcome{status: o.status, grpcStatus: o.grpcStatus}
		},
	} {
		if o := call("/attack.v1.Attack/Echo"); o.grpcStatus != "0" {
			t.Errorf("a path as it should be: %+v", o)
		}
		if called := s.called(); len(called) != 1 {
			t.Errorf("called %v", called)
		}
		for _, path := range []string{
			"attack.v1.Attack/Shut", "attack.v1.Attack/Echo", "//attack.v1.Attack/Echo", "/attack.v1.Attack//Echo", "/attack.v1.Attack/Echo/",
			"http://x/attack.v1.Attack/Echo", "/attack.v1.Attack/Echo?a=b", "/attack.v1.Attack/%45cho", "/attack.v1.Attack/./Echo", "*", "", "/",
		} {
			if o := call(path); o.grpcStatus == "0" || o.status == "200" && o.grpcStatus != "12" {
				t.Errorf("%s: %q: %+v", address, path, o)
			}
			s.untouched(t, path)
		}
	}
	c := dialHTTP2(t, s.gateway.Public)
	for _, path := range []string{"echo/a", "//echo/a", "echo//a"} {
		if o := c.outcome(c.get(path)); o.status == "200" {
			t.Errorf("%s: %+v", path, o)
		}
		s.untouched(t, path)
	}
}

// crowd answers calls when they are cancelled, or when it is told to, and knows how many ran at a time.
type crowd struct{ running, most, all atomic.Int64 }

func (c *crowd) answer(_ *testkit.Received, r *testkit.Replies) error {
	c.all.Add(1)
	n := c.running.Add(1)
	defer c.running.Add(-1)
	for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
	}
	<-r.Context().Done()
	return r.Context().Err()
}

const (
	streamsMax = 100
	// runningMax is what the backend may see of streamsMax calls: of a call that was cut off and of its successor, it may
	// get to the successor first.
	runningMax = 2 * streamsMax
	// memoryMax is generous: what an attack may cost before it counts as one that worked.
	memoryMax = 128 << 20
)

// 6: streams that are opened and reset at once cost what streams that run cost, and no more than streams_max of them.
func rapidReset(t *testing.T, s *siege) {
	g := s.serve(t, "default_access: PUBLIC")
	alive(t, g)
	before := g.MemoryPeak(t)
	var ran crowd
	s.backend.Answer(ran.answer)
	c := dialHTTP2(t, g.Public)
	ended := make(chan outcome, 1)
	go func() { ended <- c.outcome(0) }()
	const resets = 5000
	sent := 0
	for ; sent < resets; sent++ {
		id := c.get("/echo/reset")
		if c.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
			break // the server has had enough
		}
	}
	s.backend.Answer(nil)
	alive(t, g)
	c.conn.Close()
	if o := <-ended; sent < resets && o.goAway != http2.ErrCodeEnhanceYourCalm && !o.closed {
		t.Errorf("after %d resets: %+v", sent, o)
	}
	until(t, "the calls end", func() bool { return ran.running.Load() == 0 })
	if most := ran.most.Load(); most > runningMax {
		t.Errorf("%d calls ran at a time", most)
	}
	if grown := g.MemoryPeak(t) - before; grown > memoryMax && !testkit.Race() {
		t.Errorf("it took %d MiB", grown>>20)
	}
	s.backend.Take()
	rapidResetHTTP3(t, s)
}

// 7: frames that cost the sender nothing end the connection, or cost the gateway nothing either.
func frameFloods(t *testing.T, s *siege) {
	g := s.serve(t, "default_access: PUBLIC")
	alive(t, g)
	before := g.MemoryPeak(t)
	for name, flood := range map[string]struct {
		ends  bool // the connection has to
		frame func(c *rawHTTP2, i int) error
	}{
		"CONTINUATION": {true, func(c *rawHTTP2, i int) error {
			block := c.encode("x-long", fmt.Sprint(i, strings.Repeat("x", 4000)))
			if i == 0 {
				return c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.encode(":method", "GET")})
			}
			return c.WriteContinuation(1, false, block)
		}},
		"SETTINGS": {false, func(c *rawHTTP2, _ int) error { return c.WriteSettings() }},
		"PING":     {false, func(c *rawHTTP2, _ int) error { return c.WritePing(false, [8]byte{}) }},
		"PRIORITY": {false, func(c *rawHTTP2, i int) error {
			return c.WritePriority(uint32(2*i+1), http2.PriorityParam{StreamDep: 0, Weight: 1})
		}},
		"empty DATA": {false, func(c *rawHTTP2, i int) error {
			if i == 0 {
				c.grpc("Upload")
			}
			return c.WriteData(1, false, nil)
		}},
		"WINDOW_UPDATE of 0": {false, func(c *rawHTTP2, _ int) error {
			return c.WriteWindowUpdate(c.get("/echo/made-you-reset"), 0)
		}},
		"WINDOW_UPDATE of the connection of 0": {true, func(c *rawHTTP2, _ int) error { return c.WriteWindowUpdate(0, 0) }},
	} {
		var ran crowd
		s.backend.Answer(ran.answer)
		c := dialHTTP2(t, g.Public)
		ended := make(chan outcome, 1)
		go func() { ended <- c.outcome(0) }()
		const frames = 4000
		sent := 0
		for sent < frames && flood.frame(c, sent) == nil {
			sent++
		}
		if flood.ends {
			if o := <-ended; o.goAway == 0 && !o.closed {
				t.Errorf("%s: %+v after %d frames", name, o, sent)
			}
		}
		s.backend.Answer(nil)
		alive(t, g)
		c.conn.Close()
		until(t, name+": the calls end", func() bool { return ran.running.Load() == 0 })
		if most := ran.most.Load(); most > runningMax {
			t.Errorf("%s: %d calls ran at a time", name, most)
		}
		s.backend.Take()
	}
	if grown := g.MemoryPeak(t) - before; grown > memoryMax && !testkit.Race() {
		t.Errorf("it took %d MiB", grown>>20)
	}
	frameFloodsHTTP3(t, s)
}

// 8: headers are bounded as they are, not as they are compressed.
func headersWithoutEnd(t *testing.T, s *siege) {
	g := s.serve(t, "default_access: PUBLIC")
	alive(t, g)
	before := g.MemoryPeak(t)
	fits := strings.Repeat("x", 30<<10)
	if o := outcomeOf(dialHTTP2(t, g.Public), "x-long", fits); o.status != "200" {
		t.Errorf("30 KiB of headers: %+v", o)
	}
	s.backend.Take()
	bomb := []string{}
	for range 8000 { // the first is 3 KB, each other is one byte that stands for it
		bomb = append(bomb, "x-bomb", strings.Repeat("b", 3000))
	}
	for name, fields := range map[string][]string{
		"bomb": bomb, "long value": {"x-long", strings.Repeat("x", 1<<20)}, "long name": {strings.Repeat("x", 1<<20), "a"},
	} {
		if o := outcomeOf(dialHTTP2(t, g.Public), fields...); o.status != "431" && o.reset == 0 && o.goAway == 0 && !o.closed {
			t.Errorf("%s: %+v", name, o)
		}
		s.untouched(t, name)
	}
	long := "GET /echo/a HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", 1<<20) + "\r\n\r\n"
	if got := say(t, g.Public, 9, long); len(got.codes) != 1 || got.codes[0] != 431 || !got.closed {
		t.Errorf("by HTTP/1.1: %v", got)
	}
	s.untouched(t, "HTTP/1.1")
	for range 20 {
		outcomeOf(dialHTTP2(t, g.Public), bomb...)
	}
	if grown := g.MemoryPeak(t) - before; grown > memoryMax/2 && !testkit.Race() {
		t.Errorf("it took %d MiB", grown>>20)
	}
	alive(t, g)
	headersWithoutEndHTTP3(t, s)
}

// outcomeOf sends a GET with more headers, in as many frames as they take: by one write, because nothing, not even the
// acknowledgement of a SETTINGS frame, may stand between them.
func outcomeOf(c *rawHTTP2, more ...string) outcome {
	block := c.encode(append([]string{":method", "GET", ":scheme", "http", ":authority", "x", ":path", "/echo/a"}, more...)...)
	const frame = 16 << 10
	var frames bytes.Buffer
	w := http2.NewFramer(&frames, nil)
	n := min(frame, len(block))
	_ = w.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:n], EndStream: true, EndHeaders: n == len(block)})
	for block = block[n:]; len(block) > 0; block = block[n:] {
		n = min(frame, len(block))
		_ = w.WriteContinuation(1, n == len(block), block[:n]) // a buffer never fails
	}
	ended := make(chan outcome, 1)
	go func() { ended <- c.outcome(1) }()
	_, _ = c.conn.Write(frames.Bytes()) // an error means that the server has gone, which outcome tells
	return <-ended
}
