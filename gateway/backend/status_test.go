package backend

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit/leak"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// A status that a backend sent passes as it is, also one that looks like a failure of the way there.
func TestOwnStatusPasses(t *testing.T) {
	leak.Check(t)
	for name, early := range map[string]bool{"TrailersOnly": false, "AfterHeaders": true} {
		t.Run(name, func(t *testing.T) {
			l := listen(t, "tcp", "127.0.0.1:0")
			sent := status.New(codes.Unavailable, "my own database is down")
			server(t, l, func(_ any, ss grpc.ServerStream) error {
				if early {
					ss.SendHeader(nil)
				}
				return sent.Err()
			})
			b := take(t, New(Config{}), &configv1.Backend{Target: l.Addr().String()})
			_, cs, err := call(b, rpc.NewCall(method("UnaryCall")), nil)
			if st, ok := status.FromError(err); !ok || st.Message() != sent.Message() || st.Code() != sent.Code() || len(st.Details()) > 0 {
				t.Errorf("got %v", err)
			}
			if md := cs.Trailer(); md.Len() != 0 {
				t.Errorf("trailers %v", md)
			}
		})
	}
}

// raw is a backend that is not grpc-go's: it answers as handle says, over HTTP/2.
func raw(t *testing.T, handle http.HandlerFunc) rpc.Backend {
	l := listen(t, "tcp", "127.0.0.1:0")
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	s := &http.Server{Protocols: protocols, Handler: handle}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return take(t, New(Config{}), &configv1.Backend{Target: l.Addr().String()})
}

func TestStatusOnTheWire(t *testing.T) {
	leak.Check(t)
	for _, c := range []struct {
		sent   string // "" sends none
		want   codes.Code
		number string // what the ErrorInfo keeps
		reason string
	}{
		{"14", codes.Unavailable, "", ""},
		{"17", codes.Unknown, "17", "BACKEND_STATUS_UNDEFINED"},
		{"999", codes.Unknown, "999", "BACKEND_STATUS_UNDEFINED"},
		{"-1", codes.Unknown, "-1", "BACKEND_STATUS_UNDEFINED"},
		{"abc", codes.Unknown, "", "BACKEND_BROKE_OFF"},
		{"", codes.Unknown, "", ""},
	} {
		for _, trailersOnly := range []bool{true, false} {
			b := raw(t, func(w http.ResponseWriter, _ *http.Request) {
				h, prefix := w.Header(), ""
				h.Set("Content-Type", "application/grpc")
				if !trailersOnly {
					w.WriteHeader(http.StatusOK)
					w.(http.Flusher).Flush()
					prefix = http.TrailerPrefix
				}
				if c.sent != "" {
					h[prefix+"Grpc-Status"] = []string{c.sent}
				}
				h[prefix+"Grpc-Message"] = []string{"odd%20one"}
			})
			_, _, err := call(b, rpc.NewCall(method("UnaryCall")), nil)
			st := rpc.StatusOf(err)
			if st.Code() != c.want || c.reason != "BACKEND_BROKE_OFF" && st.Message() != "odd one" {
				t.Errorf("%q, trailersOnly %v: %v", c.sent, trailersOnly, err)
			}
			var info errdetails.ErrorInfo
			for _, d := range st.Details() {
				proto.Merge(&info, d.(*errdetails.ErrorInfo))
			}
			if info.GetReason() != c.reason || info.GetMetadata()["grpc-status"] != c.number {
				t.Errorf("%q, trailersOnly %v: details %v", c.sent, trailersOnly, st.Details())
			}
		}
	}
}

// An answer that is not gRPC maps by its HTTP status, and its text stays with the operator.
func TestStatusOfHTTP(t *testing.T) {
	leak.Check(t)
	for sent, want := range map[int]codes.Code{
		400: codes.Internal, 401: codes.Unauthenticated, 403: codes.PermissionDenied, 404: codes.Unimplemented,
		429: codes.Unavailable, 502: codes.Unavailable, 503: codes.Unavailable, 504: codes.Unavailable,
		500: codes.Unknown, 200: codes.Unknown,
	} {
		b := raw(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "secret page", sent) })
		_, _, err := call(b, rpc.NewCall(method("UnaryCall")), nil)
		if st := rpc.StatusOf(err); st.Code() != want || strings.Contains(st.String(), "secret") {
			t.Errorf("HTTP %d: %v, want %v", sent, st, want)
		}
	}
}

// A stream that just stops is a failure, not an end.
func TestNoTrailers(t *testing.T) {
	leak.Check(t)
	for name, handle := range map[string]http.HandlerFunc{
		"EndOfStream": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			w.Write([]byte{0, 0, 0, 0, 0})
		},
		"Reset": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			w.Write([]byte{0, 0, 0, 0, 0})
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		},
	} {
		_, _, err := call(raw(t, handle), rpc.NewCall(method("UnaryCall")), nil)
		if own, ok := err.(*rpc.Error); !ok || own.Reason() != "BACKEND_BROKE_OFF" || own.Code() == codes.OK {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What does not end a call as gRPC demands is the backend's failure, in our words.
func TestNotGRPC(t *testing.T) {
	leak.Check(t)
	l := listen(t, "tcp", "127.0.0.1:0")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close() })
	b := take(t, New(Config{}), &configv1.Backend{Target: l.Addr().String()})
	_, _, err := call(b, rpc.NewCall(method("UnaryCall")), nil)
	if own, ok := err.(*rpc.Error); !ok || own.Code() != codes.Unavailable {
		t.Errorf("got %v", err)
	}
}
