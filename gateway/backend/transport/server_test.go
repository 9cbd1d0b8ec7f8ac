package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit/leak"
)

// serve is a grpc-go server that answers every method by handle, and how to reach it.
func serve(t testing.TB, handle grpc.StreamHandler, options ...grpc.ServerOption) func(context.Context) (net.Conn, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(append(options, grpc.ForceServerCodecV2(raw{}), grpc.UnknownServiceHandler(handle))...)
	go s.Serve(l)
	t.Cleanup(s.Stop)
	return func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	}
}

// answer reads the request and replies with size bytes of the same value as the request's first, 'x' if it has none. It
// checks that all of the request are the same.
func answer(ss grpc.ServerStream, size int) error {
	var m mem.BufferSlice
	if err := ss.RecvMsg(&m); err != nil {
		return err
	}
	defer m.Free()
	request := m.Materialize()
	value := byte('x')
	if len(request) > 0 {
		value = request[0]
	}
	if n := odd(request, value); n > 0 {
		return status.Errorf(codes.DataLoss, "%d bytes of %d are others", n, len(request))
	}
	reply := mem.BufferSlice{mem.SliceBuffer(bytes.Repeat([]byte{value}, size))}
	return ss.SendMsg(&reply)
}

// odd counts the bytes that are not value.
func odd(b []byte, value byte) int { return len(b) - bytes.Count(b, []byte{value}) }

// TestManyCalls has many calls at a time of all sizes, some of which are given up at a random time. What the others get is
// theirs and whole.
func TestManyCalls(t *testing.T) {
	leak.Check(t)
	sizes := []int{0, 1, 100, 1 << 10, 1<<10 + 1, 16<<10 - 5, 16 << 10, 100_000, 1 << 20, 8 << 20}
	dial := serve(t, func(_ any, ss grpc.ServerStream) error {
		md, _ := metadata.FromIncomingContext(ss.Context())
		size := 0
		if _, err := fmt.Sscan(strings.Join(md["size"], ""), &size); err != nil {
			return err
		}
		if len(md["zip"]) > 0 {
			if err := grpc.SetSendCompressor(ss.Context(), "gzip"); err != nil {
				return err
			}
		}
		return answer(ss, size)
	}, grpc.MaxRecvMsgSize(16<<20), grpc.MaxConcurrentStreams(20))
	c := New(Config{Dial: dial, Scheme: "http", Authority: "test", UserAgent: "test", MessageBytesMax: 8 << 20})
	t.Cleanup(c.Close)
	const workers, each = 40, 25
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(worker)))
			for n := range each {
				// Large ones are rare, as they are in life; and the test should take seconds.
				up, down := sizes[min(random.IntN(len(sizes)), random.IntN(len(sizes)))], sizes[min(random.IntN(len(sizes)), random.IntN(len(sizes)))]
				value := byte('a' + (worker+n)%26)
				if up == 0 {
					value = 'x'
				}
				md := []string{"size", fmt.Sprint(down)}
				if down <= 1<<20 && random.IntN(4) == 0 {
					md = append(md, "zip", "1")
				}
				ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
				given := random.IntN(3) == 0
				if given {
					cancel()
					ctx, cancel = context.WithTimeout(context.Background(), time.Duration(random.IntN(3_000_000)))
				}
				call := &Call{Path: "/test.Service/Method", Metadata: pairs(md...), Request: mem.BufferSlice{mem.SliceBuffer(bytes.Repeat([]byte{value}, up/2)), mem.SliceBuffer(bytes.Repeat([]byte{value}, up-up/2))}}
				err := c.Do(ctx, call)
				cancel()
				switch {
				case err == nil && call.Status.Code() == codes.OK && call.Replies == 1:
					if got := call.Reply.ReadOnlyData(); len(got) != down || odd(got, value) > 0 {
						t.Errorf("%d bytes up: got %d bytes, not %d, of which %d are not %q", up, len(got), down, odd(got, value), value)
					}
				case given && err != nil && status.Code(err) == codes.DeadlineExceeded:
				case given && err == nil && slices.Contains([]codes.Code{codes.DeadlineExceeded, codes.Canceled}, call.Status.Code()):
				case given && status.Code(err) == codes.Canceled: // the server was the first to know
				default:
					t.Errorf("%d bytes up, %d down: %v, %v, %d replies", up, down, err, call.Status, call.Replies)
				}
				if call.Reply != nil {
					call.Reply.Free()
				}
			}
		})
	}
	group.Wait()
	checkIdle(t, c)
}

// checkIdle checks that the client has one connection, and that nothing is left on it.
func checkIdle(t *testing.T, c *Client) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.conns) != 1 {
		t.Errorf("%d connections", len(c.conns))
	}
	for conn := range c.conns {
		conn.mu.Lock()
		if len(conn.streams)+len(conn.entering)+len(conn.senders)+conn.granted > 0 {
			t.Errorf("%d streams are left, %d calls wait, %d were granted one, %d send", len(conn.streams), len(conn.entering), conn.granted, len(conn.senders))
		}
		conn.mu.Unlock()
	}
}

// TestMetadata shows what a server gets to see of a call, and the caller of the answer.
func TestMetadata(t *testing.T) {
	leak.Check(t)
	seen := make(chan metadata.MD, 1)
	deadlines := make(chan time.Duration, 1)
	dial := serve(t, func(_ any, ss grpc.ServerStream) error {
		md, _ := metadata.FromIncomingContext(ss.Context())
		seen <- md
		deadline, _ := ss.Context().Deadline()
		deadlines <- time.Until(deadline)
		ss.SetHeader(metadata.Pairs("head", "a", "head", "b", "head-bin", "\x00\xff\xfe"))
		ss.SetTrailer(metadata.Pairs("tail", "c", "tail-bin", ""))
		return answer(ss, 1)
	})
	c := New(Config{Dial: dial, Scheme: "http", Authority: "name.test", UserAgent: "agent", MessageBytesMax: 1, Unindexed: []string{"once"}})
	t.Cleanup(c.Close)
	for n := range 3 { // HPACK's table is filled, and used
		once := fmt.Sprint(n)
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		call := &Call{Path: "/test.Service/Method", Metadata: pairs("name", "a", "name", "b", "some-bin", "\x00\xff\xfe", "empty", "", "once", once)}
		err := c.Do(ctx, call)
		cancel()
		if err != nil || call.Status.Code() != codes.OK {
			t.Fatalf("got %v, %v", err, call.Status)
		}
		want := metadata.MD{
			"name": {"a", "b"}, "some-bin": {"\x00\xff\xfe"}, "empty": {""}, "once": {once}, ":authority": {"name.test"},
			"user-agent": {"agent"}, "content-type": {"application/grpc"}, "grpc-accept-encoding": {"gzip"},
		}
		if got := <-seen; !maps.EqualFunc(got, want, slices.Equal) {
			t.Errorf("the server saw %v, not %v", got, want)
		}
		if left := <-deadlines; left > time.Hour || left < time.Hour-time.Minute {
			t.Errorf("the server has %s", left)
		}
		if want := (metadata.MD{"head": {"a", "b"}, "head-bin": {"\x00\xff\xfe"}}); !maps.EqualFunc(call.Header, want, slices.Equal) {
			t.Errorf("headers %v", call.Header)
		}
		if want := (metadata.MD{"tail": {"c"}, "tail-bin": {""}}); !maps.EqualFunc(call.Trailer, want, slices.Equal) {
			t.Errorf("trailers %v", call.Trailer)
		}
	}
}

// TestStatus shows that a status passes whole.
func TestStatus(t *testing.T) {
	leak.Check(t)
	for name, message := range map[string]string{"Plain": "no such thing", "Empty": "", "Escaped": "100 %, ü, \n, %41", "Long": strings.Repeat("x", 20_000)} {
		t.Run(name, func(t *testing.T) {
			sent, err := status.New(codes.NotFound, message).WithDetails(&errdetails.ErrorInfo{Reason: "GONE"})
			if err != nil {
				t.Fatal(err)
			}
			for _, st := range []*status.Status{sent, status.New(codes.NotFound, message)} {
				c := New(Config{Dial: serve(t, func(any, grpc.ServerStream) error { return st.Err() }), Scheme: "http", Authority: "test", MessageBytesMax: 1})
				t.Cleanup(c.Close)
				call := newCall()
				if err := c.Do(patient(t), call); err != nil || !errors.Is(call.Status.Err(), st.Err()) {
					t.Errorf("got %v, %v, want %v", err, call.Status, st)
				}
			}
		})
	}
}

// TestHeaderLimit shows that headers which a server would not take are not sent: they could cost others the connection.
func TestHeaderLimit(t *testing.T) {
	leak.Check(t)
	c := New(Config{Dial: serve(t, func(_ any, ss grpc.ServerStream) error { return answer(ss, 1) }, grpc.MaxHeaderListSize(1000)), Scheme: "http", Authority: "test", MessageBytesMax: 1})
	t.Cleanup(c.Close)
	for _, size := range []int{1, 1000, 1, 100, 100_000, 100} {
		call := newCall()
		call.Metadata = pairs("large", strings.Repeat("x", size))
		want := codes.OK
		if size >= 1000 {
			want = codes.Internal
		}
		if err := c.Do(patient(t), call); status.Code(err) != want {
			t.Errorf("%d bytes: got %v", size, err)
		}
	}
}
