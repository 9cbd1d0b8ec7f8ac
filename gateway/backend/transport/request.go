package transport

import (
	"context"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
)

// encode encodes the headers of a call. The caller holds mu: HPACK's table and the order of the blocks belong together.
func (c *conn) encode(ctx context.Context, call *Call) error {
	cfg := &c.client.cfg
	timeout := ""
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		if left <= 0 {
			return status.FromContextError(context.DeadlineExceeded).Err()
		}
		timeout = formatTimeout(left)
	}
	c.field(":method", "POST", false)
	c.field(":scheme", cfg.Scheme, false)
	c.field(":path", call.Path, false)
	c.field(":authority", cfg.Authority, false)
	c.field("content-type", "application/grpc", false)
	c.field("user-agent", cfg.UserAgent, false)
	c.field("te", "trailers", false)
	if encoding.GetCompressor("gzip") != nil {
		c.field("grpc-accept-encoding", "gzip", false)
	}
	if timeout != "" {
		c.field("grpc-timeout", timeout, true)
	}
	for name, value := range call.Metadata {
		if strings.HasSuffix(name, "-bin") {
			value = base64.RawStdEncoding.EncodeToString([]byte(value))
		}
		c.field(name, value, c.client.unindexed[name])
	}
	return nil
}

// field encodes a header. A value that will not come again is better not kept in the table, from which it would drive
// those that do.
func (c *conn) field(name, value string, once bool) {
	_ = c.hpack.WriteField(hpack.HeaderField{Name: name, Value: value, Sensitive: once}) // a buffer never fails
}

// formatTimeout writes a grpc-timeout: at most 8 digits and a unit.
func formatTimeout(d time.Duration) string {
	const most = 99_999_999
	for _, unit := range [...]struct {
		size time.Duration
		name string
	}{{time.Nanosecond, "n"}, {time.Microsecond, "u"}, {time.Millisecond, "m"}, {time.Second, "S"}, {time.Minute, "M"}} {
		if n := (d + unit.size - 1) / unit.size; n <= most {
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
