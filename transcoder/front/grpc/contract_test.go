package grpc

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	grpcgo "google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit/leak"
	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/fronttest"
)

func TestContract(t *testing.T) {
	traits := fronttest.Traits{Protocol: protocol}
	t.Run("Public", func(t *testing.T) {
		leak.Check(t)
		fronttest.Run(t, traits, func(env front.Env) front.Front { return New(env) }, func(t *testing.T, h http.Handler) fronttest.Client {
			server := httptest.NewUnstartedServer(h)
			server.Config.Protocols = new(http.Protocols)
			server.Config.Protocols.SetUnencryptedHTTP2(true)
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.Start()
			t.Cleanup(server.Close)
			return caller{connect(t, server.Listener.Addr().String())}
		})
	})
	t.Run("Native", func(t *testing.T) {
		leak.Check(t)
		given := &given{}
		fronttest.Run(t, traits, given.front, func(t *testing.T, h http.Handler) fronttest.Client {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/", nil))
			n := NewNative(given.env, Limits{}, func() (*front.Table, func()) { return given.table, func() {} })
			server := grpcgo.NewServer(n.Options()...)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			go server.Serve(l)
			t.Cleanup(server.Stop)
			return caller{connect(t, l.Addr().String())}
		})
	})
}

// given keeps what the contract gives to an HTTP front, for the one that is not one.
type given struct {
	env   front.Env
	table *front.Table
}

func (g *given) front(env front.Env) front.Front                                  { g.env = env; return g }
func (g *given) Detect(*http.Request) bool                                        { return true }
func (g *given) ServeHTTP(_ http.ResponseWriter, _ *http.Request, t *front.Table) { g.table = t }
func (g *given) Refuse(http.ResponseWriter, *http.Request, error)                 {}

// caller is grpc-go's client.
type caller struct{ conn *grpcgo.ClientConn }

func (c caller) Call(ctx context.Context, r fronttest.Request) (*fronttest.Answer, error) {
	ctx = metadata.NewOutgoingContext(untimed{ctx}, r.Metadata)
	if r.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.Timeout)
		defer cancel()
	}
	cs, err := c.conn.NewStream(ctx, &grpcgo.StreamDesc{ClientStreams: true, ServerStreams: true}, r.Path, grpcgo.ForceCodecV2(rpc.Codec{}))
	if err != nil {
		return nil, err
	}
	for _, text := range r.Messages {
		note := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), text)
		if cs.SendMsg(rpc.FrameOf(nil, note)) != nil {
			break // the answer says why
		}
	}
	cs.CloseSend()
	a := &fronttest.Answer{}
	var f rpc.Frame
	defer f.Free()
	for err == nil {
		if err = cs.RecvMsg(&f); err == nil {
			text := ""
			if _, _, n := protowire.ConsumeTag(f.Bytes()); n > 0 {
				text, _ = protowire.ConsumeString(f.Bytes()[n:])
			}
			a.Messages = append(a.Messages, text)
			if r.Seen != nil {
				r.Seen(text)
			}
		}
	}
	a.Status = status.New(0, "")
	if err != io.EOF {
		a.Status = status.Convert(err)
	}
	a.Header, _ = cs.Header()
	a.Trailer = cs.Trailer()
	return a, nil
}

// untimed is the test's context, whose deadline the server does not hear of.
type untimed struct{ context.Context }

func (untimed) Deadline() (time.Time, bool) { return time.Time{}, false }
