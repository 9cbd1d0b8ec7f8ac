package fronttest

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// contract is what every front does.
var contract = []struct {
	name  string
	check func(*testing.T, *suite)
}{
	{"ContextCarriesTheCall", contextCarriesTheCall},
	{"MetadataArrives", metadataArrives},
	{"ReservedMetadataDoesNot", reservedMetadataDoesNot},
	{"TimeoutArrives", timeoutArrives},
	{"ReceiveEndsWithEOF", receiveEndsWithEOF},
	{"ManyMessagesArrive", manyMessagesArrive},
	{"OnlyFrames", onlyFrames},
	{"RepliesKeepTheirOrder", repliesKeepTheirOrder},
	{"ReplyLeavesAtOnce", replyLeavesAtOnce},
	{"HeaderMetadata", headerMetadata},
	{"HeaderMetadataThroughContext", headerMetadataThroughContext},
	{"HeaderMetadataEndsWithSendHeader", headerMetadataEnds},
	{"TrailerMetadata", trailerMetadata},
	{"UntellableMetadata", untellableMetadata},
	{"OwnError", ownError},
	{"BackendError", backendError},
	{"AnyErrorHidesItsText", anyErrorHidesItsText},
	{"ErrorAfterReplies", errorAfterReplies},
	{"ErrorAfterUnaryReply", errorAfterUnaryReply},
	{"Panic", panics},
	{"ClientGoneEndsContext", clientGone},
}

func contextCarriesTheCall(t *testing.T, s *suite) {
	for _, path := range []string{Unary, ServerStreams, ClientStreams, BothStream} {
		var got *rpc.Call
		a := s.call(t, Request{Path: path}, func(ss grpc.ServerStream) error {
			ctx := ss.Context()
			if got = rpc.CallFrom(ctx); got == nil {
				return errors.New("no rpc.Call")
			}
			if rpc.CallFrom(got.Context()) != got {
				t.Error("Call.Context does not have the call")
			}
			if p, ok := peer.FromContext(ctx); !ok || p.Addr == nil || p.Addr.String() == "" {
				t.Errorf("peer.FromContext: %v", p)
			}
			if sts := grpc.ServerTransportStreamFromContext(ctx); sts == nil || sts.Method() != path {
				t.Errorf("ServerTransportStream: %v", sts)
			}
			if method, ok := grpc.Method(ctx); !ok || method != path {
				t.Errorf("grpc.Method: %q", method)
			}
			return echo(ss)
		})
		wantCode(t, a, codes.OK)
		if got.Method.Path != path || got.Protocol != s.traits.Protocol || got.Listener != rpc.ListenerAdmin ||
			got.Client != clientAddress || got.HasTimeout || got.Started.IsZero() {
			t.Errorf("%s: call %+v", path, got)
		}
		if raw, err := hex.DecodeString(got.ID); err != nil || len(raw) != 16 {
			t.Errorf("%s: decision id %q", path, got.ID)
		}
	}
}

func metadataArrives(t *testing.T, s *suite) {
	sent := metadata.MD{"x-one": {"1"}, "x-two": {"a", "b"}, "x-raw-bin": {"\x00\xff"}, "authorization": {"Bearer x"}}
	a := s.call(t, Request{Path: Unary, Metadata: sent}, func(ss grpc.ServerStream) error {
		incoming, _ := metadata.FromIncomingContext(ss.Context())
		for _, md := range []metadata.MD{incoming, rpc.CallFrom(ss.Context()).Metadata} {
			for key, want := range sent {
				if got := md.Get(key); !slices.Equal(got, want) {
					t.Errorf("%s: got %q, want %q", key, got, want)
				}
			}
		}
		return echo(ss)
	})
	wantCode(t, a, codes.OK)
}

func reservedMetadataDoesNot(t *testing.T, s *suite) {
	before := s.ignoredHeaders()
	sent := metadata.MD{"gatehouse-principal": {"root"}, "gatehouse_principal": {"root"}, "x-forwarded-for": {"10.0.0.1"}, "x-kept": {"1"}}
	a := s.call(t, Request{Path: Unary, Metadata: sent}, func(ss grpc.ServerStream) error {
		md, _ := metadata.FromIncomingContext(ss.Context())
		for key := range md {
			name := strings.ReplaceAll(key, "_", "-")
			if strings.HasPrefix(name, "gatehouse-") || strings.HasPrefix(name, "x-forwarded-") || name == "te" || name == "content-type" {
				t.Errorf("%s arrived", key)
			}
		}
		if got := md.Get("x-kept"); !slices.Equal(got, []string{"1"}) {
			t.Errorf("x-kept: %q", got)
		}
		return echo(ss)
	})
	wantCode(t, a, codes.OK)
	if n := s.ignoredHeaders() - before; n != 2 {
		t.Errorf("%d headers were counted as ignored, want the 2 in our namespace", n)
	}
}

func (s *suite) ignoredHeaders() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ignored["header"]
}

func timeoutArrives(t *testing.T, s *suite) {
	a := s.call(t, Request{Path: Unary, Timeout: 90 * time.Second}, func(ss grpc.ServerStream) error {
		c := rpc.CallFrom(ss.Context())
		// grpc-go clients send what is left of the time, in a unit of their choice.
		if !c.HasTimeout || c.Timeout > 90*time.Second || c.Timeout < 80*time.Second {
			t.Errorf("timeout %v, %v", c.Timeout, c.HasTimeout)
		}
		return echo(ss)
	})
	wantCode(t, a, codes.OK)
}

func receiveEndsWithEOF(t *testing.T, s *suite) {
	for _, path := range []string{Unary, ServerStreams, ClientStreams, BothStream} {
		a := s.call(t, Request{Path: path, Messages: []string{"one"}}, func(ss grpc.ServerStream) error {
			if text, err := recv(ss); err != nil || text != "one" {
				t.Errorf("%s: got %q, %v", path, text, err)
			}
			for range 2 {
				if _, err := recv(ss); err != io.EOF {
					t.Errorf("%s: got %v after the last message, want io.EOF", path, err)
				}
			}
			return send(ss, "done")
		})
		wantCode(t, a, codes.OK)
		wantMessages(t, a, "done")
	}
}

func manyMessagesArrive(t *testing.T, s *suite) {
	a := s.call(t, Request{Path: BothStream, Messages: []string{"a", "", "c"}}, echo)
	wantCode(t, a, codes.OK)
	wantMessages(t, a, "a", "", "c")
}

func onlyFrames(t *testing.T, s *suite) {
	a := s.call(t, Request{Path: ServerStreams}, func(ss grpc.ServerStream) error {
		if ss.RecvMsg(&errdetails.ErrorInfo{}) == nil || ss.SendMsg(&errdetails.ErrorInfo{}) == nil {
			t.Error("a message that is not a frame was taken")
		}
		return status.Error(codes.Aborted, "enough")
	})
	wantCode(t, a, codes.Aborted)
}

func repliesKeepTheirOrder(t *testing.T, s *suite) {
	want := []string{"", "b", strings.Repeat("c", 100_000), "d"}
	a := s.call(t, Request{Path: ServerStreams}, func(ss grpc.ServerStream) error {
		for _, text := range want {
			if err := send(ss, text); err != nil {
				return err
			}
		}
		return nil
	})
	wantCode(t, a, codes.OK)
	wantMessages(t, a, want...)
	a = s.call(t, Request{Path: ServerStreams}, func(grpc.ServerStream) error { return nil })
	wantCode(t, a, codes.OK)
	wantMessages(t, a)
}

func replyLeavesAtOnce(t *testing.T, s *suite) {
	seen := make(chan string, 2)
	r := Request{Path: ServerStreams, Seen: func(text string) { seen <- text }}
	a := s.call(t, r, func(ss grpc.ServerStream) error {
		if _, err := recv(ss); err != nil { // HTTP/1.1 notices that a client is gone only behind its body
			return err
		}
		if err := send(ss, "first"); err != nil {
			return err
		}
		select {
		case <-seen: // the client has it before there is a second
		case <-ss.Context().Done():
			return ss.Context().Err()
		}
		return send(ss, "second")
	})
	wantCode(t, a, codes.OK)
	wantMessages(t, a, "first", "second")
}

func headerMetadata(t *testing.T, s *suite) {
	for _, path := range []string{Unary, ServerStreams} {
		a := s.call(t, Request{Path: path}, func(ss grpc.ServerStream) error {
			if err := ss.SetHeader(metadata.Pairs("x-one", "1", "x-raw-bin", "\x00\xff")); err != nil {
				return err
			}
			if err := ss.SetHeader(metadata.Pairs("x-one", "2", "content-length", "1", "transfer-encoding", "gzip")); err != nil {
				return err
			}
			return send(ss, "done")
		})
		wantCode(t, a, codes.OK)
		wantMessages(t, a, "done")
		s.wantValues(t, "header", a.Header, "x-one", "1", "2")
		s.wantValues(t, "header", a.Header, "x-raw-bin", "\x00\xff")
	}
}

// SEMANTICS 85, the other way: what cannot be told is left out and counted, and the call goes on.
func untellableMetadata(t *testing.T, s *suite) {
	before := s.ignoredHeaders()
	bad := metadata.MD{"x-kept": {"1"}, "x-bad": {"a\x01"}, "x bad": {"1"}}
	a := s.call(t, Request{Path: ServerStreams}, func(ss grpc.ServerStream) error {
		if err := ss.SetHeader(bad); err != nil {
			return err
		}
		ss.SetTrailer(bad)
		return send(ss, "done")
	})
	wantCode(t, a, codes.OK)
	wantMessages(t, a, "done")
	for part, md := range map[string]metadata.MD{"header": a.Header, "trailer": a.Trailer} {
		s.wantValues(t, part, md, "x-kept", "1")
		s.wantValues(t, part, md, "x-bad")
	}
	if n := s.ignoredHeaders() - before; n != 4 && !s.traits.NoReplyMetadata {
		t.Errorf("%d values were counted, want 4", n)
	}
}

func headerMetadataThroughContext(t *testing.T, s *suite) {
	a := s.call(t, Request{Path: Unary}, func(ss grpc.ServerStream) error {
		if err := grpc.SetHeader(ss.Context(), metadata.Pairs("x-one", "1")); err != nil {
			return err
		}
		if err := grpc.SendHeader(ss.Context(), metadata.Pairs("x-two", "2")); err != nil {
			return err
		}
		if err := grpc.SetTrailer(ss.Context(), metadata.Pairs("x-three", "3")); err != nil {
			return err
		}
		return send(ss, "done")
	})
	wantCode(t, a, codes.OK)
	s.wantValues(t, "header", a.Header, "x-one", "1")
	s.wantValues(t, "header", a.Header, "x-two", "2")
	s.wantValues(t, "trailer", a.Trailer, "x-three", "3")
}

func headerMetadataEnds(t *testing.T, s *suite) {
	a := s.call(t, Request{Path: ServerStreams}, func(ss grpc.ServerStream) error {
		if err := ss.SendHeader(metadata.Pairs("x-one", "1")); err != nil {
			return err
		}
		if ss.SetHeader(metadata.Pairs("x-late", "1")) == nil || ss.SendHeader(metadata.Pairs("x-late", "1")) == nil {
			t.Error("header metadata was taken after SendHeader")
		}
		return send(ss, "done")
	})
	wantCode(t, a, codes.OK)
	s.wantValues(t, "header", a.Header, "x-one", "1")
	a = s.call(t, Request{Path: ServerStreams}, func(ss grpc.ServerStream) error {
		if err := send(ss, "done"); err != nil {
			return err
		}
		if ss.SetHeader(metadata.Pairs("x-late", "1")) == nil {
			t.Error("header metadata was taken after a reply")
		}
		return nil
	})
	wantCode(t, a, codes.OK)
	s.wantValues(t, "header", a.Header, "x-late")
}

func trailerMetadata(t *testing.T, s *suite) {
	for _, path := range []string{Unary, ServerStreams} {
		a := s.call(t, Request{Path: path}, func(ss grpc.ServerStream) error {
			ss.SetTrailer(metadata.Pairs("x-one", "1"))
			if err := send(ss, "done"); err != nil {
				return err
			}
			ss.SetTrailer(metadata.Pairs("x-one", "2", "x-raw-bin", "\x00\xff"))
			return nil
		})
		wantCode(t, a, codes.OK)
		wantMessages(t, a, "done")
		s.wantValues(t, "trailer", a.Trailer, "x-one", "1", "2")
		s.wantValues(t, "trailer", a.Trailer, "x-raw-bin", "\x00\xff")
	}
}

func ownError(t *testing.T, s *suite) {
	for _, path := range []string{Unary, ServerStreams} {
		a := s.call(t, Request{Path: path}, func(grpc.ServerStream) error {
			return rpc.Errorf(codes.PermissionDenied, "SCOPE_MISSING", "say %q", "please\r\nX: y").Because(errors.New("secret cause"))
		})
		wantCode(t, a, codes.PermissionDenied)
		if got, want := a.Status.Message(), `say "please\r\nX: y"`; got != want {
			t.Errorf("message %q, want %q", got, want)
		}
		if info := errorInfo(a.Status); info.GetReason() != "SCOPE_MISSING" || info.GetDomain() != rpc.Domain {
			t.Errorf("ErrorInfo %v", info)
		}
	}
}

func backendError(t *testing.T, s *suite) {
	sent, err := status.New(codes.NotFound, "no such käse\n").WithDetails(&errdetails.ResourceInfo{ResourceName: "käse/1"})
	if err != nil {
		t.Fatal(err)
	}
	a := s.call(t, Request{Path: Unary}, func(ss grpc.ServerStream) error {
		ss.SetTrailer(metadata.Pairs("x-one", "1"))
		return sent.Err()
	})
	wantCode(t, a, codes.NotFound)
	if a.Status.Message() != sent.Message() {
		t.Errorf("message %q", a.Status.Message())
	}
	if d, ok := a.Status.Details()[0].(*errdetails.ResourceInfo); !ok || d.GetResourceName() != "käse/1" {
		t.Errorf("details %v", a.Status.Details())
	}
	s.wantValues(t, "trailer", a.Trailer, "x-one", "1")
}

func anyErrorHidesItsText(t *testing.T, s *suite) {
	a := s.call(t, Request{Path: Unary}, func(grpc.ServerStream) error { return errors.New("dial 10.0.0.7: secret") })
	wantCode(t, a, codes.Internal)
	if strings.Contains(a.Status.Message(), "secret") {
		t.Errorf("message %q", a.Status.Message())
	}
	a = s.call(t, Request{Path: Unary}, func(grpc.ServerStream) error { return context.DeadlineExceeded })
	wantCode(t, a, codes.DeadlineExceeded)
}

func errorAfterReplies(t *testing.T, s *suite) {
	a := s.call(t, Request{Path: ServerStreams}, func(ss grpc.ServerStream) error {
		if err := send(ss, "first"); err != nil {
			return err
		}
		return status.Error(codes.DataLoss, "lost the rest")
	})
	wantMessages(t, a, "first")
	wantCode(t, a, codes.DataLoss)
	if a.Status.Message() != "lost the rest" {
		t.Errorf("message %q", a.Status.Message())
	}
}

func errorAfterUnaryReply(t *testing.T, s *suite) {
	a := s.call(t, Request{Path: Unary}, func(ss grpc.ServerStream) error {
		if err := send(ss, "done"); err != nil {
			return err
		}
		return status.Error(codes.DataLoss, "after all, no")
	})
	wantCode(t, a, codes.DataLoss)
}

func panics(t *testing.T, s *suite) {
	a := s.call(t, Request{Path: Unary}, func(grpc.ServerStream) error { panic("secret") })
	wantCode(t, a, codes.Internal)
	if strings.Contains(a.Status.Message(), "secret") {
		t.Errorf("message %q", a.Status.Message())
	}
	wantCode(t, s.call(t, Request{Path: Unary}, echo), codes.OK) // and life goes on
}

func clientGone(t *testing.T, s *suite) {
	ctx, leave := context.WithTimeout(t.Context(), patience)
	defer leave()
	ended := make(chan error, 1)
	s.mu.Lock()
	s.endpoints[ServerStreams] = func(ss grpc.ServerStream) error {
		if _, err := recv(ss); err != nil {
			return err
		}
		leave()
		select {
		case <-ss.Context().Done():
			ended <- nil
		case <-time.After(patience):
			ended <- errors.New("the context did not end when the client was gone")
		}
		return ss.Context().Err()
	}
	s.mu.Unlock()
	if a, err := s.client.Call(ctx, Request{Path: ServerStreams, Messages: []string{"hello"}}); err == nil && a.Status.Code() == codes.OK {
		t.Error("a call that its client left succeeded")
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// echo answers each note with itself; a method with one reply gets the last.
func echo(ss grpc.ServerStream) error {
	last := ""
	for {
		text, err := recv(ss)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if last = text; rpc.CallFrom(ss.Context()).Method.ServerStreams {
			if err := send(ss, text); err != nil {
				return err
			}
		}
	}
	if rpc.CallFrom(ss.Context()).Method.ServerStreams {
		return nil
	}
	return send(ss, last)
}

func errorInfo(st *status.Status) *errdetails.ErrorInfo {
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info
		}
	}
	return nil
}

func wantCode(t *testing.T, a *Answer, want codes.Code) {
	t.Helper()
	if a.Status.Code() != want {
		t.Fatalf("got %v (%q), want %v", a.Status.Code(), a.Status.Message(), want)
	}
}

func wantMessages(t *testing.T, a *Answer, want ...string) {
	t.Helper()
	if !slices.Equal(a.Messages, want) {
		t.Errorf("got replies %.80q, want %.80q", a.Messages, want)
	}
}

func (s *suite) wantValues(t *testing.T, where string, md metadata.MD, key string, want ...string) {
	t.Helper()
	if s.traits.NoReplyMetadata {
		return
	}
	if got := md.Get(key); !slices.Equal(got, want) {
		t.Errorf("%s %s: got %q, want %q", where, key, got, want)
	}
}
