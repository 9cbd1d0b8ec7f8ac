package transport

import (
	"bytes"
	"io"
	"net"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit/leak"
)

// FuzzServer has a server greet and answer a request with any bytes, after which it goes: the call ends, and what it holds is
// no larger than what was asked for. The seeds are the answers of TestOutcome.
func FuzzServer(f *testing.F) {
	leak.Check(f)
	for _, b := range behaviours {
		var recorded bytes.Buffer
		p := &peer{Framer: http2.NewFramer(&recorded, nil), conn: nobody{}}
		p.AllowIllegalWrites = true
		p.hpack = hpack.NewEncoder(&p.block)
		b.do(p, 1)
		if recorded.Len() < 1<<16 { // larger ones only slow it down
			f.Add(recorded.Bytes())
		}
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		c := client(t, func(p *peer) {
			if p.greet() && p.request() != 0 {
				p.conn.Write(answer)
			}
		})
		call := newCall([]byte("hello")...)
		err := c.Do(patient(t), call)
		done := err == nil
		if _, ok := status.FromError(err); !ok {
			t.Errorf("%v is no status", err)
		}
		if err == nil && call.Status == nil {
			t.Error("neither an error nor a status")
		}
		taken := newCall([]byte("hello")...)
		replies := 0
		if err = c.Start(patient(t), taken); err == nil {
			for err == nil {
				var m mem.Buffer
				if m, err = taken.Next(); err == nil {
					if m.Len() > messageBytesMax {
						t.Errorf("a reply of %d bytes", m.Len())
					}
					replies++
					m.Free()
				}
			}
			switch {
			case err == io.EOF && taken.Status == nil:
				t.Error("neither an error nor a status of the stream")
			case err == io.EOF && done && (replies != call.Replies || taken.Status.Code() != call.Status.Code()):
				t.Errorf("%d replies and %v, by Do %d and %v", replies, taken.Status, call.Replies, call.Status)
			}
		}
		if _, ok := status.FromError(err); !ok && err != io.EOF {
			t.Errorf("%v is no status", err)
		}
		if call.Reply != nil {
			if n := call.Reply.Len(); n > messageBytesMax {
				t.Errorf("a reply of %d bytes", n)
			}
			call.Reply.Free()
		}
	})
}

// nobody is the other end of no connection.
type nobody struct{ net.Conn }

func (nobody) Close() error { return nil }
