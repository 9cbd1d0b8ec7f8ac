package framed

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit/leak"
	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/fronttest"
)

// A client of a method that takes many messages may wait before one, but not within one.
func TestManyMessagesStandStill(t *testing.T) {
	const limit = 50 * time.Millisecond
	for _, version := range []int{1, 2} {
		for name, c := range map[string]struct {
			sent string
			want codes.Code // of the second message
		}{
			"BeforeAMessage":  {"", codes.OK},
			"WithinAPrefix":   {"\x00\x00\x00", codes.DeadlineExceeded},
			"WithinAMessage":  {"\x00\x00\x00\x00\x09abc", codes.DeadlineExceeded},
			"BehindTheBuffer": {"\x00\x00\x00\x04\x00" + string(make([]byte, 1000)), codes.DeadlineExceeded},
		} {
			t.Run(name+"/HTTP"+string(rune('0'+version)), func(t *testing.T) {
				leak.Check(t)
				body, client := io.Pipe()
				got := make(chan error, 1)
				url, transport := fronttest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					s := New(&Protocol{}, Options{
						Env: &front.Env{BodyBytesMax: 2000, StallTimeout: limit}, W: w, R: r,
						Call: rpc.NewCall(&rpc.Method{ClientStreams: true, ServerStreams: true}),
					})
					defer s.Close()
					var f rpc.Frame
					defer f.Free()
					if err := s.RecvMsg(&f); err != nil {
						got <- err
						return
					}
					if c.want == codes.OK {
						// Longer than any message may take.
						time.AfterFunc(3*limit, func() { _, _ = client.Write(framed(0, []byte("late"))) })
					}
					got <- s.RecvMsg(&f)
				}), version)
				r, err := http.NewRequest("POST", url, body)
				if err != nil {
					t.Fatal(err)
				}
				go func() { _, _ = io.WriteString(client, string(framed(0, []byte("one")))+c.sent) }()
				answered := make(chan struct{})
				go func() {
					defer close(answered)
					if resp, err := transport.RoundTrip(r); err == nil {
						_ = resp.Body.Close()
					}
				}()
				select {
				case err := <-got:
					if code := rpc.StatusOf(err).Code(); code != c.want {
						t.Errorf("%v, want %v", err, c.want)
					}
				case <-time.After(10 * time.Second):
					t.Error("the gateway still waits")
				}
				_ = client.CloseWithError(io.ErrClosedPipe)
				<-answered
			})
		}
	}
}

// Replies that nobody takes end with the call's time, which is the reason that is told.
func TestRepliesNobodyTakes(t *testing.T) {
	for _, version := range []int{1, 2} {
		t.Run("HTTP"+string(rune('0'+version)), func(t *testing.T) {
			leak.Check(t)
			got := make(chan error, 1)
			url, transport := fronttest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				call := rpc.NewCall(&rpc.Method{ServerStreams: true})
				call.Timeout, call.HasTimeout = 100*time.Millisecond, true
				s := New(&Protocol{}, Options{Env: &front.Env{}, W: w, R: r, Call: call})
				defer s.Close()
				f := rpc.NewFrame(nil)
				text := front.TakeBuffer()
				text.Bytes = append(text.Bytes, make([]byte, 64<<10)...)
				text.Fill(f)
				defer f.Free()
				var err error
				for err == nil {
					err = s.SendMsg(f)
				}
				got <- err
			}), version)
			resp, err := transport.RoundTrip(httptest.NewRequest("POST", url, nil))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if err := <-got; rpc.StatusOf(err).Code() != codes.DeadlineExceeded {
				t.Errorf("%v", err)
			}
		})
	}
}
