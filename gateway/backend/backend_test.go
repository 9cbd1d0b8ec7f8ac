package backend

import (
	"context"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/wrapperspb"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit/leak"
	"github.com/gatehouse-gateway/gatehouse/rpc"

	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// server is a real grpc-go server on l that answers every method by handle.
func server(t testing.TB, l net.Listener, handle grpc.StreamHandler, options ...grpc.ServerOption) *grpc.Server {
	s := grpc.NewServer(append(options, grpc.UnknownServiceHandler(handle))...)
	go s.Serve(l)
	t.Cleanup(s.Stop)
	return s
}

func listen(t testing.TB, network, address string) net.Listener {
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// echo sends back the one message it gets.
func echo(_ any, ss grpc.ServerStream) error {
	m := &wrapperspb.BytesValue{}
	if err := ss.RecvMsg(m); err != nil {
		return err
	}
	return ss.SendMsg(m)
}

func method(name string) *rpc.Method {
	md := testpb.File_grpc_testing_test_proto.Services().ByName("TestService").Methods()
	for i := range md.Len() {
		if string(md.Get(i).Name()) == name {
			return rpc.NewMethod(md.Get(i), rpc.NewType(md.Get(i).Input(), nil), rpc.NewType(md.Get(i).Output(), nil), rpc.Policy{})
		}
	}
	panic(name)
}

// call makes a unary call and returns the reply's bytes.
func call(b rpc.Backend, c *rpc.Call, message []byte) ([]byte, grpc.ClientStream, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cs, err := b.Open(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	f := rpc.FrameOf(c.Method.Input, message)
	defer f.Free()
	if err := cs.SendMsg(f); err != nil {
		return nil, cs, err
	}
	cs.CloseSend()
	reply := rpc.NewFrame(c.Method.Output)
	defer reply.Free()
	if err := cs.RecvMsg(reply); err != nil {
		return nil, cs, err
	}
	got := slices.Clone(reply.Bytes())
	if err := cs.RecvMsg(reply); err != io.EOF {
		return nil, cs, err
	}
	return got, cs, nil
}

func take(t testing.TB, p *Pool, spec *configv1.Backend) rpc.Backend {
	t.Helper()
	b, release, err := p.Backend(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return b
}

func TestPoolShares(t *testing.T) {
	leak.Check(t)
	p := New(Config{})
	spec := &configv1.Backend{Target: "127.0.0.1:1"}
	_, first, err := p.Backend(spec)
	if err != nil {
		t.Fatal(err)
	}
	b, second, err := p.Backend(&configv1.Backend{Target: "127.0.0.1:1", ForwardCredentials: true})
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := p.Backend(&configv1.Backend{Target: "grpc://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.conns) != 2 {
		t.Errorf("%d connections for two targets", len(p.conns))
	}
	first()
	first() // letting go twice must not take another's share
	if c := b.(*remote).conn; p.conns[c.key] != c {
		t.Error("the connection was given up while somebody used it")
	}
	second()
	other()
	if len(p.conns) != 0 {
		t.Errorf("%d connections are left", len(p.conns))
	}
	if _, _, err := call(b, rpc.NewCall(method("UnaryCall")), nil); err == nil {
		t.Error("the connection is still open")
	}
}

func TestTargetsAnswer(t *testing.T) {
	leak.Check(t)
	p := New(Config{})
	socket := filepath.Join(t.TempDir(), "s")
	tcp, unix, local := listen(t, "tcp", "127.0.0.1:0"), listen(t, "unix", socket), bufconn.Listen(1<<16)
	for _, l := range []net.Listener{tcp, unix, local} {
		server(t, l, echo)
	}
	_, port, _ := net.SplitHostPort(tcp.Addr().String())
	backends := map[string]rpc.Backend{}
	for _, target := range []string{tcp.Addr().String(), "grpc://" + tcp.Addr().String(), "localhost:" + port, "unix:" + socket, "unix://" + socket} {
		backends[target] = take(t, p, &configv1.Backend{Target: target})
	}
	own, release, err := p.Local("own", local.DialContext)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	backends["local"] = own
	for name, b := range backends {
		if got, _, err := call(b, rpc.NewCall(method("UnaryCall")), []byte("\x0a\x01x")); err != nil || string(got) != "\x0a\x01x" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestDownFailsAtOnceAndComesBack(t *testing.T) {
	leak.Check(t)
	addr := filepath.Join(t.TempDir(), "s") // a socket's path is nobody else's meanwhile, as a port may be
	b := take(t, New(Config{}), &configv1.Backend{Target: "unix:" + addr})
	for range 3 {
		start := time.Now()
		_, _, err := call(b, rpc.NewCall(method("UnaryCall")), nil)
		own, ok := err.(*rpc.Error)
		if !ok || own.Code() != codes.Unavailable || own.Reason() != "BACKEND_UNAVAILABLE" {
			t.Fatalf("got %v", err)
		}
		if strings.Contains(own.GRPCStatus().String(), addr) || !strings.Contains(own.Error(), addr) {
			t.Errorf("the address belongs to the operator only: %q and %q", own.GRPCStatus(), own)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("it took %s to say so", took)
		}
	}
	server(t, listen(t, "unix", addr), echo)
	for start := time.Now(); ; {
		if _, _, err := call(b, rpc.NewCall(method("UnaryCall")), nil); err == nil {
			break
		}
		if time.Since(start) > 10*time.Second {
			t.Fatal("the backend is back, and calls still fail")
		}
	}
}

func TestMetadata(t *testing.T) {
	leak.Check(t)
	seen := make(chan metadata.MD, 1)
	l := listen(t, "tcp", "127.0.0.1:0")
	server(t, l, func(_ any, ss grpc.ServerStream) error {
		md, _ := metadata.FromIncomingContext(ss.Context())
		seen <- md
		return echo(nil, ss)
	})
	p := New(Config{})
	for forward, want := range map[bool][]string{false: nil, true: {"Bearer x"}} {
		b := take(t, p, &configv1.Backend{Target: l.Addr().String(), ForwardCredentials: forward})
		c := rpc.NewCall(method("UnaryCall"))
		c.Metadata = metadata.Pairs("authorization", "Bearer x", "x-a", "1", "gatehouse-principal", "root", "x-forwarded-for", "6.6.6.6")
		c.Consumed = []string{"authorization"}
		c.Principal = &rpc.Principal{Name: "J\u00f6rg 100%", Issuer: "https://issuer"}
		c.Client = netip.MustParseAddr("::ffff:192.0.2.7")
		if _, _, err := call(b, c, nil); err != nil {
			t.Fatal(err)
		}
		md := <-seen
		for k, want := range map[string][]string{
			"authorization": want, "x-a": {"1"}, "x-forwarded-for": {"192.0.2.7"}, "gatehouse-decision-id": {c.ID},
			"gatehouse-principal": {"https://issuer/J%C3%B6rg%20100%25"},
		} {
			if !slices.Equal(md[k], want) {
				t.Errorf("forwardCredentials %v: %s = %q, want %q", forward, k, md[k], want)
			}
		}
		c.Client, c.Principal = netip.Addr{}, nil // a caller over a socket, who is nobody
		if _, _, err := call(b, c, nil); err != nil {
			t.Fatal(err)
		}
		if md := <-seen; md["x-forwarded-for"] != nil || md["gatehouse-principal"] != nil {
			t.Errorf("what the client claimed arrived: %v", md)
		}
		if c.Metadata["authorization"] == nil {
			t.Error("the call's own metadata was changed")
		}
	}
}

// Whoever calls, the backend hears the gateway's user agent and no other, by each of the two ways to it.
func TestUserAgent(t *testing.T) {
	leak.Check(t)
	seen := make(chan metadata.MD, 1)
	l := listen(t, "tcp", "127.0.0.1:0")
	server(t, l, func(_ any, ss grpc.ServerStream) error {
		md, _ := metadata.FromIncomingContext(ss.Context())
		seen <- md
		return echo(nil, ss)
	})
	b := take(t, New(Config{}), &configv1.Backend{Target: l.Addr().String()})
	for _, name := range []string{"UnaryCall", "StreamingOutputCall", "FullDuplexCall"} {
		c := rpc.NewCall(method(name))
		c.Metadata = metadata.Pairs("user-agent", "curl/8")
		if _, _, err := call(b, c, nil); err != nil {
			t.Fatal(err)
		}
		if got := (<-seen)["user-agent"]; len(got) != 1 || !strings.HasPrefix(got[0], userAgent) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestReplyBytesMax(t *testing.T) {
	leak.Check(t)
	l := listen(t, "tcp", "127.0.0.1:0")
	server(t, l, echo)
	b := take(t, New(Config{ReplyBytesMax: 1000}), &configv1.Backend{Target: l.Addr().String()})
	message := func(n int) []byte { return append([]byte{0x0a, byte(n) | 0x80, byte(n >> 7)}, make([]byte, n)...) }
	if _, _, err := call(b, rpc.NewCall(method("UnaryCall")), message(900)); err != nil {
		t.Error(err)
	}
	if _, _, err := call(b, rpc.NewCall(method("UnaryCall")), message(1100)); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("got %v", err)
	}
}

// A method that answers once has to.
func TestReplyCount(t *testing.T) {
	leak.Check(t)
	for want, replies := range map[string]int{"REPLY_MISSING": 0, "": 1, "REPLY_REPEATED": 2} {
		l := listen(t, "tcp", "127.0.0.1:0")
		server(t, l, func(_ any, ss grpc.ServerStream) error {
			for range replies {
				if err := ss.SendMsg(&wrapperspb.BytesValue{}); err != nil {
					return err
				}
			}
			return nil
		})
		_, _, err := call(take(t, New(Config{}), &configv1.Backend{Target: l.Addr().String()}), rpc.NewCall(method("UnaryCall")), nil)
		reason := ""
		if own, ok := err.(*rpc.Error); ok {
			reason = own.Reason()
		}
		if reason != want {
			t.Errorf("%d replies: %v, want %s", replies, err, want)
		}
	}
}

func TestMissing(t *testing.T) {
	_, err := Missing("acme.Orders").Open(context.Background(), rpc.NewCall(method("UnaryCall")))
	if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "serve --backend") || !strings.Contains(err.Error(), "acme.Orders") {
		t.Errorf("got %v", err)
	}
}

func BenchmarkUnary(b *testing.B) {
	l := listen(b, "tcp", "127.0.0.1:0")
	server(b, l, func(_ any, ss grpc.ServerStream) error {
		f := &rpc.Frame{}
		defer f.Free()
		if err := ss.RecvMsg(f); err != nil {
			return err
		}
		return ss.SendMsg(f)
	}, grpc.ForceServerCodecV2(rpc.Codec{}))
	be := take(b, New(Config{}), &configv1.Backend{Target: l.Addr().String()})
	m := method("UnaryCall")
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := call(be, rpc.NewCall(m), []byte("\x0a\x01x")); err != nil {
			b.Fatal(err)
		}
	}
}
