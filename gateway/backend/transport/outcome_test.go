package transport

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit/leak"
)

// patience is far more than anything here takes.
const patience = 30 * time.Second

// outcome is how a call ended.
type outcome struct {
	code    codes.Code
	server  bool   // the server said so
	replies int    // that the caller could see
	reply   string // the first
}

var fine = outcome{codes.OK, true, 1, "fine"}

func failed(code codes.Code) outcome { return outcome{code: code} }

func said(code codes.Code) outcome { return outcome{code: code, server: true} }

// behaviours is what a server may do once it has the whole request. What differs from grpc-go's client is in grpc, with
// the reason in why.
var behaviours = []struct {
	name   string
	do     func(p *peer, id uint32)
	want   outcome
	grpc   *outcome
	why    string
	breaks bool // the connection, too
	// late: trailers come behind what makes the call fail. grpc-go's client may have seen them, and then nobody can tell that
	// the status is its own.
	late bool
}{
	{name: "OK", do: func(p *peer, id uint32) { p.ok(id) }, want: fine},
	{name: "TrailersOnly", do: func(p *peer, id uint32) {
		p.headers(id, true, ":status", "200", "content-type", "application/grpc", "grpc-status", "5", "grpc-message", "no%20such")
	}, want: said(codes.NotFound)},
	{name: "ErrorAfterHeaders", do: func(p *peer, id uint32) { p.head(id); p.headers(id, true, "grpc-status", "14") }, want: said(codes.Unavailable)},
	{name: "ErrorAfterReply", do: func(p *peer, id uint32) {
		p.head(id)
		p.message(id, 0, "fine")
		p.headers(id, true, "grpc-status", "14")
	}, want: outcome{codes.Unavailable, true, 1, "fine"}},
	{name: "NoReply", do: func(p *peer, id uint32) { p.head(id); p.trailers(id) }, want: said(codes.OK)},
	{name: "EmptyReply", do: func(p *peer, id uint32) { p.head(id); p.message(id, 0, ""); p.trailers(id) }, want: outcome{codes.OK, true, 1, ""}},
	{name: "TwoReplies", do: func(p *peer, id uint32) {
		p.head(id)
		p.message(id, 0, "fine")
		p.message(id, 0, "again")
		p.trailers(id)
	}, want: outcome{codes.OK, true, 2, "fine"}},
	{name: "Details", do: func(p *peer, id uint32) {
		p.head(id)
		p.headers(id, true, "grpc-status", "3", "grpc-status-details-bin", details(3))
	}, want: said(codes.InvalidArgument)},
	{name: "DetailsContradict", do: func(p *peer, id uint32) {
		p.head(id)
		p.headers(id, true, "grpc-status", "3", "grpc-status-details-bin", details(5))
	}, want: said(codes.Internal)},
	{name: "NoStatus", do: func(p *peer, id uint32) { p.head(id); p.headers(id, true, "some", "thing") }, want: said(codes.Unknown)},
	{name: "StatusNoNumber", do: func(p *peer, id uint32) { p.head(id); p.headers(id, true, "grpc-status", "abc") }, want: failed(codes.Unknown)},
	{name: "StatusTooLarge", do: func(p *peer, id uint32) { p.head(id); p.headers(id, true, "grpc-status", "4294967296") }, want: failed(codes.Unknown)},
	{name: "NoTrailers", do: func(p *peer, id uint32) { p.head(id); p.WriteData(id, true, nil) }, want: failed(codes.Internal)},
	{name: "TrailersInAMessage", do: func(p *peer, id uint32) {
		p.head(id)
		p.WriteData(id, false, []byte{0, 0, 0, 0, 9, 'x'})
		p.trailers(id)
	}, want: failed(codes.Internal), late: true},
	{name: "TrailersInAPrefix", do: func(p *peer, id uint32) {
		p.head(id)
		p.WriteData(id, false, []byte{0, 0})
		p.trailers(id)
	}, want: failed(codes.Internal), late: true},
	{name: "HeadersInTheMiddle", do: func(p *peer, id uint32) { p.head(id); p.head(id) }, want: failed(codes.Internal)},
	{name: "DataBeforeHeaders", do: func(p *peer, id uint32) { p.message(id, 0, "fine"); p.ok(id) }, want: failed(codes.Internal),
		grpc: &outcome{codes.OK, true, 2, "fine"}, why: "grpc-go keeps what came too early"},
	{name: "Interim", do: func(p *peer, id uint32) { p.headers(id, false, ":status", "103"); p.ok(id) }, want: fine},
	{name: "InterimEnds", do: func(p *peer, id uint32) { p.headers(id, true, ":status", "103") }, want: failed(codes.Internal)},
	{name: "HTTP503", do: func(p *peer, id uint32) { p.headers(id, true, ":status", "503", "content-type", "text/html") }, want: failed(codes.Unavailable)},
	{name: "HTTP503Page", do: func(p *peer, id uint32) {
		p.headers(id, false, ":status", "503", "content-type", "text/html")
		p.WriteData(id, true, []byte("sorry"))
	}, want: failed(codes.Unavailable)},
	{name: "HTTP401", do: func(p *peer, id uint32) { p.headers(id, true, ":status", "401") }, want: failed(codes.Unauthenticated)},
	{name: "HTTP500", do: func(p *peer, id uint32) { p.headers(id, true, ":status", "500") }, want: failed(codes.Unknown)},
	{name: "HTTPNoStatus", do: func(p *peer, id uint32) { p.headers(id, true, "content-type", "text/html") }, want: failed(codes.Internal)},
	{name: "HTTPBadStatus", do: func(p *peer, id uint32) { p.headers(id, true, ":status", "abc") }, want: failed(codes.Internal)},
	{name: "AlmostGRPC", do: func(p *peer, id uint32) {
		p.headers(id, true, ":status", "200", "content-type", "application/grpcx", "grpc-status", "0")
	}, want: failed(codes.Unknown)},
	{name: "GRPCProto", do: func(p *peer, id uint32) {
		p.headers(id, true, ":status", "200", "content-type", "application/grpc+proto", "grpc-status", "0")
	}, want: said(codes.OK)},
	{name: "BadBinary", do: func(p *peer, id uint32) { p.head(id); p.trailers(id, "some-bin", "&") }, want: failed(codes.Internal)},
	{name: "UpperCaseName", do: func(p *peer, id uint32) { p.head(id); p.trailers(id, "Some", "x") }, want: failed(codes.Internal)},
	{name: "NameWithLineBreak", do: func(p *peer, id uint32) { p.head(id); p.trailers(id, "some\r\nset-cookie", "x") }, want: failed(codes.Internal)},
	{name: "ValueWithLineBreak", do: func(p *peer, id uint32) { p.head(id); p.trailers(id, "some", "x\r\nset-cookie: y") }, want: failed(codes.Internal)},
	{name: "HeadersTooLarge", do: func(p *peer, id uint32) { p.large(id, 300) }, want: failed(codes.Internal),
		grpc: &outcome{code: codes.Unavailable}, why: "grpc-go gives the connection up"},
	{name: "BlockInPieces", do: func(p *peer, id uint32) {
		p.pieces(id, false, p.encode(":status", "200", "content-type", "application/grpc", "some", "thing"))
		p.message(id, 0, "fine")
		p.pieces(id, true, p.encode("grpc-status", "0"))
	}, want: fine},
	{name: "Padding", do: func(p *peer, id uint32) {
		p.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true, PadLength: 255, Priority: http2.PriorityParam{Weight: 1}, BlockFragment: p.encode(":status", "200", "content-type", "application/grpc")})
		for _, b := range []byte("\x00\x00\x00\x00\x04fine") {
			p.WriteDataPadded(id, false, []byte{b}, make([]byte, 255))
		}
		p.WriteDataPadded(id, false, nil, make([]byte, 7))
		p.trailers(id)
	}, want: fine},
	{name: "MessageTooLarge", do: func(p *peer, id uint32) {
		p.head(id)
		p.WriteData(id, false, []byte{0, 0, 0x10, 0, 1})
	}, want: failed(codes.ResourceExhausted)},
	{name: "MessageHuge", do: func(p *peer, id uint32) {
		p.head(id)
		p.WriteData(id, false, []byte{0, 255, 255, 255, 255})
	}, want: failed(codes.ResourceExhausted)},
	{name: "MessageFlags", do: func(p *peer, id uint32) { p.head(id); p.message(id, 2, "fine"); p.trailers(id) }, want: failed(codes.Internal), late: true},
	{name: "Gzip", do: func(p *peer, id uint32) { p.zipped(id, "gzip", zip("fine")) }, want: fine},
	{name: "GzipBomb", do: func(p *peer, id uint32) { p.zipped(id, "gzip", zip(strings.Repeat("x", messageBytesMax+1))) }, want: failed(codes.ResourceExhausted), late: true},
	{name: "GzipBroken", do: func(p *peer, id uint32) { p.zipped(id, "gzip", "fine") }, want: failed(codes.Internal), late: true},
	{name: "GzipCutShort", do: func(p *peer, id uint32) { p.zipped(id, "gzip", zip("fine")[:20]) }, want: failed(codes.Internal), late: true},
	{name: "UnknownEncoding", do: func(p *peer, id uint32) { p.zipped(id, "rot13", "svar") }, want: failed(codes.Internal), late: true},
	{name: "NoEncoding", do: func(p *peer, id uint32) { p.zipped(id, "identity", "fine") }, want: failed(codes.Internal), late: true},
	{name: "NotCompressed", do: func(p *peer, id uint32) {
		p.headers(id, false, ":status", "200", "content-type", "application/grpc", "grpc-encoding", "gzip")
		p.message(id, 0, "fine")
		p.trailers(id)
	}, want: fine},
	{name: "Reset", do: func(p *peer, id uint32) { p.head(id); p.WriteRSTStream(id, http2.ErrCodeInternal) }, want: failed(codes.Internal)},
	{name: "ResetNo", do: func(p *peer, id uint32) { p.WriteRSTStream(id, http2.ErrCodeNo) }, want: failed(codes.Internal)},
	{name: "ResetCancel", do: func(p *peer, id uint32) { p.WriteRSTStream(id, http2.ErrCodeCancel) }, want: failed(codes.Canceled)},
	{name: "ResetCalm", do: func(p *peer, id uint32) { p.WriteRSTStream(id, http2.ErrCodeEnhanceYourCalm) }, want: failed(codes.ResourceExhausted)},
	{name: "ResetSecurity", do: func(p *peer, id uint32) { p.WriteRSTStream(id, http2.ErrCodeInadequateSecurity) }, want: failed(codes.PermissionDenied)},
	{name: "ResetUnknown", do: func(p *peer, id uint32) { p.WriteRSTStream(id, 99) }, want: failed(codes.Unknown)},
	{name: "ResetFlowControl", do: func(p *peer, id uint32) { p.WriteRSTStream(id, http2.ErrCodeFlowControl) }, want: failed(codes.Internal),
		grpc: &outcome{code: codes.ResourceExhausted}, why: "PROTOCOL-HTTP2 says INTERNAL"},
	{name: "RefusedAfterHeaders", do: func(p *peer, id uint32) { p.head(id); p.WriteRSTStream(id, http2.ErrCodeRefusedStream) }, want: failed(codes.Unavailable),
		grpc: &fine, why: "grpc-go makes a call again of which it has seen an answer"},
	{name: "WindowOverflow", do: func(p *peer, id uint32) { p.WriteWindowUpdate(id, 1<<31-1); p.ok(id) }, want: failed(codes.Internal),
		grpc: &fine, why: "grpc-go does not look"},
	{name: "WindowUpdateOfNothing", do: func(p *peer, id uint32) { p.WriteWindowUpdate(id, 0); p.ok(id) }, want: failed(codes.Internal), late: true},
	{name: "Gone", do: func(p *peer, id uint32) { p.head(id); p.conn.Close() }, want: failed(codes.Unavailable), breaks: true},
	{name: "GoAwayThenReply", do: func(p *peer, id uint32) {
		p.WriteGoAway(1<<31-1, http2.ErrCodeNo, nil)
		p.WriteGoAway(id, http2.ErrCodeNo, nil)
		p.ok(id)
	}, want: fine, breaks: true},
	{name: "StrangersFrames", do: func(p *peer, id uint32) {
		for _, other := range []uint32{2, id + 2, id + 1000} {
			p.head(other)
			p.message(other, 0, "not you")
			p.trailers(other)
			p.WriteWindowUpdate(other, 1)
			p.WriteRSTStream(other, http2.ErrCodeNo)
		}
		p.WritePriority(id, http2.PriorityParam{})
		p.WriteRawFrame(99, 255, id, []byte("unknown"))
		p.ok(id)
	}, want: fine},
}

func details(code int32) string {
	b, _ := proto.Marshal(&spb.Status{Code: code, Message: "in detail"})
	return base64.RawStdEncoding.EncodeToString(b)
}

func zip(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, s)
	w.Close()
	return b.String()
}

// zipped sends a response whose message says that it is compressed.
func (p *peer) zipped(id uint32, encoding, message string) {
	p.headers(id, false, ":status", "200", "content-type", "application/grpc", "grpc-encoding", encoding)
	p.message(id, 1, message)
	p.trailers(id)
}

// large sends headers of n times 4 KB, which HPACK makes small.
func (p *peer) large(id uint32, n int) {
	kv := []string{":status", "200", "content-type", "application/grpc"}
	for range n {
		kv = append(kv, "large", strings.Repeat("x", 4000))
	}
	p.pieces(id, false, p.encode(kv...))
}

// pieces sends a header block in frames as small as they get.
func (p *peer) pieces(id uint32, last bool, block []byte) {
	p.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndStream: last})
	for ; len(block) > 0; block = block[1:] {
		p.WriteContinuation(id, len(block) == 1, block[:1])
	}
}

// watcher tells a status of the server's from one of grpc-go's, as gateway/backend does.
type watcher struct{ ended *atomic.Bool }

func (watcher) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }
func (w watcher) HandleRPC(_ context.Context, event stats.RPCStats) {
	if _, ok := event.(*stats.InTrailer); ok {
		w.ended.Store(true)
	}
}
func (watcher) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (watcher) HandleConn(context.Context, stats.ConnStats)                       {}

// ways are how a call can be made.
var ways = map[string]func(*Client) outcome{"Do": ours, "Start": oursTaken}

// oursTaken is ours with the replies taken one by one.
func oursTaken(c *Client) outcome {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	call := newCall([]byte("hello")...)
	err := c.Start(ctx, call)
	if err != nil {
		return failed(status.Code(err))
	}
	replies, err := call.rest()
	if err != io.EOF {
		return failed(status.Code(err))
	}
	o := outcome{code: call.Status.Code(), server: true, replies: len(replies)}
	if len(replies) > 0 {
		o.reply = replies[0]
	}
	return o
}

// ours makes a call and says how it ended.
func ours(c *Client) outcome {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	call := newCall([]byte("hello")...)
	var o outcome
	err := c.Do(ctx, call)
	if o.server = err == nil; o.server {
		err = call.Status.Err()
		o.replies = call.Replies
		if call.Reply != nil {
			o.reply = string(call.Reply.ReadOnlyData())
		}
	}
	if call.Reply != nil {
		call.Reply.Free()
	}
	o.code = status.Code(err)
	return o
}

// theirs makes the same call with grpc-go's client.
func theirs(t *testing.T, dial func(context.Context) (net.Conn, error)) outcome {
	var ended atomic.Bool
	conn, err := grpc.NewClient("passthrough:///test", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return dial(ctx) }), grpc.WithDisableRetry(), grpc.WithMaxHeaderListSize(headerBytesMax),
		grpc.WithStatsHandler(watcher{&ended}), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw{}), grpc.MaxCallRecvMsgSize(messageBytesMax)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/test.Service/Method")
	if err != nil {
		return failed(status.Code(err))
	}
	var o outcome
	request := mem.BufferSlice{mem.SliceBuffer("hello")}
	for err = stream.SendMsg(&request); err == nil || err == io.EOF; {
		if err = stream.CloseSend(); err != nil {
			break
		}
		var reply mem.BufferSlice
		if err = stream.RecvMsg(&reply); err != nil {
			break
		}
		if o.replies++; o.replies == 1 {
			o.reply = string(reply.Materialize())
		}
		reply.Free()
	}
	if err == io.EOF {
		err = nil
	}
	if o.code, o.server = status.Code(err), ended.Load(); !o.server {
		o.replies, o.reply = 0, ""
	}
	return o
}

// TestOutcome shows that a call ends as it does with grpc-go's client, and that the next on the same connection is fine.
func TestOutcome(t *testing.T) {
	for _, b := range behaviours {
		t.Run(b.name, func(t *testing.T) {
			leak.Check(t)
			var conns atomic.Int32
			serve := func(p *peer) {
				conns.Add(1)
				if !p.greet() {
					return
				}
				if p.number == 1 {
					if id := p.request(); id != 0 {
						b.do(p, id)
					}
				}
				p.serveOK()
			}
			for way, call := range ways {
				conns.Store(0)
				c := client(t, serve)
				if got := call(c); got != b.want {
					t.Errorf("%s: got %+v, want %+v", way, got, b.want)
				}
				if got := ours(c); got != fine {
					t.Errorf("%s: the next call: got %+v", way, got)
				}
				if n := conns.Load(); n > 1 != b.breaks {
					t.Errorf("%s: %d connections", way, n)
				}
				c.Close()
			}
			want := b.want
			if b.grpc != nil {
				want = *b.grpc
			}
			if got := theirs(t, dialer(serve)); got != want && !(b.late && got.code == want.code) {
				t.Errorf("grpc-go: got %+v, want %+v; %s", got, want, b.why)
			}
		})
	}
}
