package grpc

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	grpcgo "google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit/leak"
	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

// site is a listener of each kind in front of one endpoint.
type site struct {
	public, native string // addresses

	mu       sync.Mutex
	unrouted []int // HTTP statuses
	ignored  int
}

// newSite serves every method of grpc-go's test service by serve.
func newSite(t testing.TB, serve func(ss grpcgo.ServerStream) error) *site {
	s := &site{}
	table := &front.Table{Methods: map[string]*front.Endpoint{}}
	methods := testpb.File_grpc_testing_test_proto.Services().ByName("TestService").Methods()
	for i := range methods.Len() {
		md := methods.Get(i)
		m := rpc.NewMethod(md, rpc.NewType(md.Input(), nil), rpc.NewType(md.Output(), nil), rpc.Policy{})
		table.Methods[m.Path] = &front.Endpoint{Method: m, Serve: func(_ *rpc.Call, ss grpcgo.ServerStream) error { return serve(ss) }}
	}
	env := front.Env{
		BodyBytesMax: 1 << 20,
		Client:       func(peer netip.Addr, h http.Header) netip.Addr { return peer },
		Ignored:      func(_ string, n int) { s.mu.Lock(); s.ignored += n; s.mu.Unlock() },
		Unrouted: func(protocol, id string, httpStatus int, r *http.Request) {
			if protocol != "grpc" || id == "" || r.URL.Path == "" || r.RemoteAddr == "" {
				t.Errorf("Unrouted(%q, %q, %d, %v)", protocol, id, httpStatus, r)
			}
			s.mu.Lock()
			s.unrouted = append(s.unrouted, httpStatus)
			s.mu.Unlock()
		},
	}
	f := New(env)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.ServeHTTP(w, r, table) }))
	server.Config.Protocols = protocols
	server.Start()
	t.Cleanup(server.Close)
	s.public = server.Listener.Addr().String()

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pinned := 0
	n := NewNative(env, Limits{StreamsMax: 100, HeaderBytesMax: 1 << 16, HandshakeTimeout: time.Minute}, func() (*front.Table, func()) {
		s.mu.Lock()
		defer s.mu.Unlock()
		pinned++
		return table, sync.OnceFunc(func() { s.mu.Lock(); pinned--; s.mu.Unlock() })
	})
	native := grpcgo.NewServer(n.Options()...)
	go native.Serve(l)
	t.Cleanup(func() {
		native.Stop()
		s.mu.Lock()
		defer s.mu.Unlock()
		if pinned != 0 {
			t.Errorf("%d calls kept the table", pinned)
		}
	})
	s.native = l.Addr().String()
	return s
}

func connect(t testing.TB, addr string, options ...grpcgo.DialOption) *grpcgo.ClientConn {
	if len(options) == 0 {
		options = append(options, grpcgo.WithTransportCredentials(insecure.NewCredentials()))
	}
	c, err := grpcgo.NewClient(addr, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// answer is one client's view of a call.
type answer struct {
	status          *spb.Status
	header, trailer string
	replies         int
}

// ask makes a call with n empty requests and returns what came back.
func ask(t testing.TB, c *grpcgo.ClientConn, path string, n int, md metadata.MD, options ...grpcgo.CallOption) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(context.Background(), md), 10*time.Second)
	defer cancel()
	cs, err := c.NewStream(ctx, &grpcgo.StreamDesc{ClientStreams: true, ServerStreams: true}, path, options...)
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		if err := cs.SendMsg(&testpb.Empty{}); err != nil {
			break
		}
	}
	cs.CloseSend()
	var a answer
	for {
		if err = cs.RecvMsg(&testpb.Empty{}); err != nil {
			break
		}
		a.replies++
	}
	if err != io.EOF {
		a.status = status.Convert(err).Proto()
	}
	header, _ := cs.Header()
	a.header, a.trailer = visible(header), visible(cs.Trailer())
	return a
}

// visible returns metadata as text, in a fixed order; a decision id is there or not.
func visible(md metadata.MD) string {
	var b strings.Builder
	keys := make([]string, 0, len(md))
	for k := range md {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		if k == decisionIDKey {
			b.WriteString(k + "\n")
			continue
		}
		for _, v := range md[k] {
			b.WriteString(k + ": " + base64.RawStdEncoding.EncodeToString([]byte(v)) + "\n")
		}
	}
	return b.String()
}

// The same calls get the same answers from both: status and details, headers, trailers, number of replies.
func TestBothAlike(t *testing.T) {
	leak.Check(t)
	refusal := rpc.Errorf(codes.PermissionDenied, "REFUSED", "no: 100%% \u00e9\r\n").Meta("k", "v")
	reply := func(ss grpcgo.ServerStream, n int) error {
		for range n {
			if err := ss.SendMsg(rpc.FrameOf(rpc.CallFrom(ss.Context()).Method.Output, nil)); err != nil {
				return err
			}
		}
		return nil
	}
	drain := func(ss grpcgo.ServerStream) error {
		for {
			var f rpc.Frame
			if err := ss.RecvMsg(&f); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
			f.Free()
		}
	}
	md := metadata.Pairs("x-a", "1", "x-a", "2", "x-bin", "\x00\xff", "a_b.c", "v")
	fail := func(ss grpcgo.ServerStream, err error) error { // as the driver does
		ss.SetTrailer(metadata.Pairs(decisionIDKey, rpc.CallFrom(ss.Context()).ID))
		return err
	}
	for name, serve := range map[string]func(ss grpcgo.ServerStream) error{
		"OK":           func(ss grpcgo.ServerStream) error { drain(ss); return reply(ss, 1) },
		"NoReply":      func(ss grpcgo.ServerStream) error { return drain(ss) },
		"Replies":      func(ss grpcgo.ServerStream) error { drain(ss); return reply(ss, 3) },
		"TrailersOnly": func(ss grpcgo.ServerStream) error { return fail(ss, refusal) },
		"TrailersOnlyWithTrailers": func(ss grpcgo.ServerStream) error {
			ss.SetTrailer(md)
			return fail(ss, refusal)
		},
		"HeadersThenFailure": func(ss grpcgo.ServerStream) error {
			ss.SetHeader(md)
			return fail(ss, refusal)
		},
		"SentHeadersThenFailure": func(ss grpcgo.ServerStream) error {
			ss.SendHeader(md)
			return fail(ss, refusal)
		},
		"RepliesThenFailure": func(ss grpcgo.ServerStream) error {
			ss.SetHeader(md)
			ss.SetTrailer(md)
			reply(ss, 2)
			return fail(ss, refusal)
		},
		"Everything": func(ss grpcgo.ServerStream) error {
			ss.SetHeader(md)
			ss.SendHeader(metadata.Pairs("x-b", "3"))
			ss.SetTrailer(md)
			ss.SetTrailer(metadata.Pairs("x-b", "4"))
			return reply(ss, 1)
		},
		"PlainError": func(ss grpcgo.ServerStream) error { return fail(ss, io.ErrNoProgress) },
		"BackendsStatus": func(ss grpcgo.ServerStream) error {
			return fail(ss, status.ErrorProto(&spb.Status{Code: 9, Message: "theirs"}))
		},
		"Panic": func(ss grpcgo.ServerStream) error { panic("somebody's interceptor fell over") },
		"HeaderTwice": func(ss grpcgo.ServerStream) error {
			ss.SendHeader(nil)
			if ss.SetHeader(md) == nil || ss.SendHeader(md) == nil {
				return status.Error(codes.DataLoss, "headers can be set twice")
			}
			return nil
		},
		"ThroughContext": func(ss grpcgo.ServerStream) error {
			grpcgo.SetHeader(ss.Context(), md)
			grpcgo.SetTrailer(ss.Context(), md)
			if err := grpcgo.SendHeader(ss.Context(), nil); err != nil {
				return err
			}
			if p, _ := grpcgo.Method(ss.Context()); p != rpc.CallFrom(ss.Context()).Method.Path {
				return status.Error(codes.DataLoss, p)
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, serve)
			public, native := connect(t, s.public), connect(t, s.native)
			for _, path := range []string{"/grpc.testing.TestService/UnaryCall", "/grpc.testing.TestService/FullDuplexCall"} {
				a, b := ask(t, public, path, 2, nil), ask(t, native, path, 2, nil)
				if name == "Panic" { // the decision id is the driver's, whose recovery the panic passed
					a.trailer, b.trailer = "", ""
				}
				if !proto.Equal(a.status, b.status) || a.header != b.header || a.trailer != b.trailer || a.replies != b.replies {
					t.Errorf("%s:\npublic %+v\nnative %+v", path, a, b)
				}
				if name == "BackendsStatus" != (a.status.GetCode() == 9) {
					t.Errorf("%s: %v", path, a.status)
				}
			}
		})
	}
}

func TestUnknown(t *testing.T) {
	leak.Check(t)
	s := newSite(t, func(grpcgo.ServerStream) error { return status.Error(codes.DataLoss, "it was called") })
	for name, addr := range map[string]string{"public": s.public, "native": s.native} {
		c := connect(t, addr)
		for _, path := range []string{"/grpc.testing.TestService/Nope", "/nope.Service/UnaryCall", "//grpc.testing.TestService/UnaryCall",
			"/grpc.testing.TestService/UnaryCal%6c", "/grpc.testing.TestService/UnaryCall?x=1"} {
			a := ask(t, c, path, 1, nil)
			if a.status.GetCode() != int32(codes.Unimplemented) || !strings.Contains(a.trailer, decisionIDKey) {
				t.Errorf("%s %s: %v, %s", name, path, a.status, a.trailer)
			}
		}
		a := ask(t, c, "/grpc.testing.TestService/UnaryCall", 1, nil, grpcgo.ForceCodecV2(other{}))
		if a.status.GetCode() != int32(codes.Unimplemented) || !strings.Contains(a.status.GetMessage(), "flat") {
			t.Errorf("%s: a subtype: %v", name, a.status)
		}
		a = ask(t, c, "/grpc.testing.TestService/UnaryCall", 1, nil, grpcgo.CallContentSubtype("proto"))
		if a.status.GetCode() != int32(codes.DataLoss) {
			t.Errorf("%s: proto as a subtype: %v", name, a.status)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.unrouted)
	if want := []int{404, 404, 404, 404, 404, 404, 404, 404, 404, 404, 415, 415}; !slices.Equal(s.unrouted, want) {
		t.Errorf("recorded %v, want %v", s.unrouted, want)
	}
}

// other is a codec of another name.
type other struct{}

func (other) Name() string                         { return "flat" }
func (other) Marshal(any) (mem.BufferSlice, error) { return nil, nil }
func (other) Unmarshal(mem.BufferSlice, any) error { return nil }

// What a call knows is the same from both.
func TestCall(t *testing.T) {
	leak.Check(t)
	calls := make(chan *rpc.Call, 1)
	s := newSite(t, func(ss grpcgo.ServerStream) error {
		c := rpc.CallFrom(ss.Context())
		if p, ok := peer.FromContext(ss.Context()); !ok || !strings.HasPrefix(p.Addr.String(), "127.0.0.1:") || p.LocalAddr == nil {
			t.Errorf("peer %v", p)
		}
		in, _ := metadata.FromIncomingContext(ss.Context())
		if visible(in) != visible(c.Metadata) {
			t.Errorf("the context has %v, the call %v", in, c.Metadata)
		}
		calls <- c
		return nil
	})
	for name, addr := range map[string]string{"public": s.public, "native": s.native} {
		t.Run(name, func(t *testing.T) {
			ask(t, connect(t, addr), "/grpc.testing.TestService/UnaryCall", 1,
				metadata.Pairs("x-a", "1", "gatehouse-principal", "root", "te", "x", "k-bin", "\xff"))
			c := <-calls
			if c.Protocol != "grpc" || c.Client != netip.MustParseAddr("127.0.0.1") || c.ID == "" {
				t.Errorf("%+v", c)
			}
			if !c.HasTimeout || c.Timeout <= 8*time.Second || c.Timeout > 10*time.Second {
				t.Errorf("timeout %v, %s", c.HasTimeout, c.Timeout)
			}
			delete(c.Metadata, "user-agent")
			if got, want := visible(c.Metadata), visible(metadata.Pairs("x-a", "1", "k-bin", "\xff")); got != want {
				t.Errorf("metadata %q, want %q", got, want)
			}
		})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ignored != 2 { // gatehouse-principal, twice
		t.Errorf("%d headers were counted as left out", s.ignored)
	}
}

func TestPeerTLS(t *testing.T) {
	leak.Check(t)
	infos := make(chan credentials.AuthInfo, 1)
	md := testpb.File_grpc_testing_test_proto.Services().ByName("TestService").Methods().ByName("UnaryCall")
	m := rpc.NewMethod(md, rpc.NewType(md.Input(), nil), rpc.NewType(md.Output(), nil), rpc.Policy{})
	table := &front.Table{Methods: map[string]*front.Endpoint{m.Path: {Method: m, Serve: func(_ *rpc.Call, ss grpcgo.ServerStream) error {
		p, _ := peer.FromContext(ss.Context())
		infos <- p.AuthInfo
		return nil
	}}}}
	f := New(front.Env{BodyBytesMax: 1, Client: func(a netip.Addr, _ http.Header) netip.Addr { return a }})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.ServeHTTP(w, r, table) }))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	conf := &tls.Config{RootCAs: server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "example.com"}
	a := ask(t, connect(t, server.Listener.Addr().String(), grpcgo.WithTransportCredentials(credentials.NewTLS(conf))), m.Path, 0, nil)
	if a.status != nil {
		t.Fatal(a.status)
	}
	if info, ok := (<-infos).(credentials.TLSInfo); !ok || !info.State.HandshakeComplete {
		t.Errorf("AuthInfo %v", info)
	}
}

// A client that never finishes its request is told when the time is over.
func TestRequestNeverComplete(t *testing.T) {
	leak.Check(t)
	s := newSite(t, func(ss grpcgo.ServerStream) error {
		rpc.CallFrom(ss.Context()).Timeout = 200 * time.Millisecond // as the deadline check does
		var f rpc.Frame
		return ss.RecvMsg(&f)
	})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cs, err := connect(t, s.public).NewStream(ctx, &grpcgo.StreamDesc{ClientStreams: true}, "/grpc.testing.TestService/UnaryCall")
	if err != nil {
		t.Fatal(err)
	}
	if err := cs.RecvMsg(&testpb.Empty{}); status.Code(err) != codes.DeadlineExceeded || !strings.Contains(err.Error(), "not complete") {
		t.Errorf("got %v", err)
	}
}

func TestDetect(t *testing.T) {
	f := New(front.Env{})
	for ct, want := range map[string]bool{
		"application/grpc": true, "application/grpc+proto": true, "application/grpc+json": true,
		"application/grpc-web": false, "application/json": false, "": false,
	} {
		if got := f.Detect(&http.Request{Header: http.Header{"Content-Type": {ct}}}); got != want {
			t.Errorf("%q: %v", ct, got)
		}
	}
}
