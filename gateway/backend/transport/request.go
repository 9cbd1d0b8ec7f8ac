package transport

import (
	"context"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
)

// encode encodes the headers of a call. It either encodes all or nothing: HPACK's table is the connection's. The caller
// holds mu: the table and the order of the blocks belong together.
func (c *conn) encode(ctx context.Context, call *Call) error {
	if ctx.Err() != nil {
		return status.FromContextError(ctx.Err()).Err()
	}
	timeout := ""
	if deadline, ok := ctx.Deadline(); ok {
		timeout = formatTimeout(max(time.Until(deadline), 1))
	}
	if c.listMax != listUnlimited {
		c.list = 0
		c.fields(call, timeout, (*conn).count)
		if c.list > uint64(c.listMax) {
			return status.Errorf(codes.Internal, "%d bytes of headers are more than the %d that the server takes", c.list, c.listMax)
		}
	}
	c.block.Reset()
	c.fields(call, timeout, (*conn).field)
	return nil
}

// fields calls take for each header of a call; once says that the value will not come again.
func (c *conn) fields(call *Call, timeout string, take func(c *conn, name, value string, once bool)) {
	cfg := &c.client.cfg
	take(c, ":method", "POST", false)
	take(c, ":scheme", cfg.Scheme, false)
	take(c, ":path", call.Path, false)
	take(c, ":authority", cfg.Authority, false)
	take(c, "content-type", "application/grpc", false)
	take(c, "user-agent", cfg.UserAgent, false)
	take(c, "te", "trailers", false)
	if encoding.GetCompressor("gzip") != nil {
		take(c, "grpc-accept-encoding", "gzip", false)
	}
	if timeout != "" {
		take(c, "grpc-timeout", timeout, true)
	}
	for name, value := range call.Metadata {
		if strings.HasSuffix(name, "-bin") {
			value = base64.RawStdEncoding.EncodeToString([]byte(value))
		}
		take(c, name, value, c.client.unindexed[name])
	}
}

// field encodes a header. A value that will not come again is better not kept in the table, from which it would drive
// those that do.
func (c *conn) field(name, value string, once bool) {
	_ = c.hpack.WriteField(hpack.HeaderField{Name: name, Value: value, Sensitive: once}) // a buffer never fails
}

// count counts a header as SETTINGS_MAX_HEADER_LIST_SIZE does.
func (c *conn) count(name, value string, _ bool) {
	c.list += uint64(hpack.HeaderField{Name: name, Value: value}.Size())
}

// formatTimeout writes a grpc-timeout: at most 8 digits and a unit.
func formatTimeout(d time.Duration) string {
	const most = 99_999_999
	for _, unit := range [...]struct {
		size time.Duration
		name string
	}{{time.Nanosecond, "n"}, {time.Microsecond, "u"}, {time.Millisecond, "m"}, {time.Second, "S"}, {time.Minute, "M"}} {
		n := d / unit.size
		if d%unit.size > 0 { // adding first would overflow for the longest
			n++
		}
		if n <= most {
			return string(append(strconv.AppendInt(make([]byte, 0, 12), int64(n), 10), unit.name...))
		}
	}
	return strconv.FormatInt(int64(min(d/time.Hour, most)), 10) + "H"
}

// outgoing is what is left of a request message, prefix and all.
type outgoing struct {
	prefix []byte
	rest   mem.BufferSlice
	offset int // in the first of rest
	size   int
}

// appendTo appends the next n bytes.
func (o *outgoing) appendTo(b []byte, n int) []byte {
	o.size -= n
	take := min(n, len(o.prefix))
	b = append(b, o.prefix[:take]...)
	o.prefix = o.prefix[take:]
	for n -= take; n > 0; {
		data := o.rest[0].ReadOnlyData()[o.offset:]
		take := min(n, len(data))
		b = append(b, data[:take]...)
		if o.offset += take; take == len(data) {
			o.rest, o.offset = o.rest[1:], 0
		}
		n -= take
	}
	return b
}
