package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/internal/demo"
	libraryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/library/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

const origin = "shelves/science/books/origin"

// scripted is a gateway in front of a library that answers by script.
type scripted struct {
	backend *testkit.Backend
	gateway *testkit.Gateway
}

// newScripted starts one in which every method is public.
func newScripted(t *testing.T, config ...string) scripted {
	t.Helper()
	return newGuarded(t, append(config, "dev: true")...)
}

// newGuarded starts one in which the policies in the .proto hold. In the configuration, TARGET is the backend.
func newGuarded(t *testing.T, config ...string) scripted {
	t.Helper()
	files := testkit.Compile(t, sourcesOf(demo.Modules()[0]))
	s := scripted{backend: testkit.NewBackend(t, files)}
	config = append(config, fmt.Sprintf("source: {descriptors: %q}", testkit.Descriptors(t, files)))
	text := strings.Join(config, "\n")
	if !strings.Contains(text, "TARGET") {
		text += "\nbackends: [{target: TARGET}]"
	}
	s.gateway = testkit.Serve(t, configFile(t, strings.ReplaceAll(text, "TARGET", s.backend.Target))...)
	return s
}

// url is the address of a path of the public listener.
func (s scripted) url(path string) string { return "http://" + s.gateway.Public + path }

// library is a client by gRPC.
func (s scripted) library(t *testing.T) libraryv1.LibraryClient {
	return libraryv1.NewLibraryClient(dialed(t, s.gateway.GRPC))
}

func TestBackendDownAndBack(t *testing.T) {
	server := demo.Modules()[0].Server
	// An address that no other connection has, because the port must be free for its return.
	address, stop := serveOn(t, "127.0.0.2:0", server)
	g := testkit.Serve(t, "--dev", "--reflect", "--backend", address)
	stop()
	url := "http://" + g.Public + "/v1/" + origin
	library := libraryv1.NewLibraryClient(dialed(t, g.GRPC))

	began := time.Now()
	r := fetch(t, "GET", url, "")
	_, err := library.GetBook(t.Context(), &libraryv1.GetBookRequest{Name: origin})
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v to say that the backend is down", took)
	}
	if f := failureOf(t, r); r.StatusCode != 503 || f.Status != "UNAVAILABLE" {
		t.Errorf("%d %s", r.StatusCode, r.Text)
	}
	if status.Code(err) != codes.Unavailable {
		t.Errorf("gRPC: %v", err)
	}
	if told := fmt.Sprint(r.Header, r.Text, err, status.Convert(err).Details()); strings.Contains(told, address) {
		t.Errorf("callers are told where the backend is: %s", told)
	}
	until(t, "the log names the backend, for both calls", func() bool { return strings.Count(g.Stdout(), address) >= 2 })

	serveOn(t, address, demo.Modules()[0].Server)
	began = time.Now()
	until(t, "the backend is back", func() bool { return fetch(t, "GET", url, "").StatusCode == 200 })
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v to find that the backend is back", took)
	}
	if _, err := library.GetBook(t.Context(), &libraryv1.GetBookRequest{Name: origin}); err != nil {
		t.Errorf("gRPC: %v", err)
	}
}

// hang answers nothing until the caller or the gateway gives up.
func hang(_ *testkit.Received, s *testkit.Replies) error {
	<-s.Context().Done()
	return s.Context().Err()
}

func TestBackendHangs(t *testing.T) {
	s := newScripted(t, "limits: {timeout: 1s}")
	s.backend.Answer(hang)
	for name, headers := range map[string][]string{
		"LimitOfTheConfiguration": nil,
		"WhatTheClientAsksFor":    {"X-Server-Timeout: 0.5"},
		"AtMostTheLimit":          {"X-Server-Timeout: 3600"},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			r := fetch(t, "GET", s.url("/v1/"+origin), "", headers...)
			took := time.Since(began)
			if f := failureOf(t, r); r.StatusCode != 504 || f.Status != "DEADLINE_EXCEEDED" {
				t.Errorf("%d %s", r.StatusCode, r.Text)
			}
			if took < 500*time.Millisecond || took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
	_, err := s.library(t).GetBook(t.Context(), &libraryv1.GetBookRequest{Name: origin})
	if status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("gRPC: %v", err)
	}
	for _, c := range s.backend.Take() {
		if c.Left <= 0 || c.Left > time.Second {
			t.Errorf("the backend was told a deadline in %v", c.Left)
		}
	}
}

// TestClientLeaves measures how long it takes until the backend hears that a client is gone.
func TestClientLeaves(t *testing.T) {
	s := newScripted(t)
	arrived, over := make(chan struct{}), make(chan time.Time)
	s.backend.Answer(func(c *testkit.Received, r *testkit.Replies) error {
		if c.Method.IsStreamingServer() {
			if err := r.Send(r.New()); err != nil {
				return err
			}
		}
		arrived <- struct{}{}
		<-r.Context().Done()
		over <- time.Now()
		return r.Context().Err()
	})
	h1 := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	by := func(client *http.Client, verb, path, body string, media ...string) func(context.Context) error {
		return func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, verb, s.url(path), strings.NewReader(body))
			if err != nil {
				return err
			}
			if len(media) > 0 {
				req.Header["Content-Type"] = media
			}
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			_, err = io.Copy(io.Discard, resp.Body)
			return err
		}
	}
	library := s.library(t)
	const unary, stream = "/acme.library.v1.Library/GetBook", "/acme.library.v1.Library/WatchShelf"
	book, shelf := "\x0a\x1c"+origin, "\x00\x00\x00\x00\x11\x0a\x0fshelves/science"
	for name, call := range map[string]func(context.Context) error{
		"HTTP1":              by(h1, "GET", "/v1/"+origin, ""),
		"HTTP1Body":          by(h1, "POST", "/v1/"+origin+":archive", `{"reason": "x"}`),
		"HTTP1Stream":        by(h1, "GET", "/v1/shelves/science:watch", ""),
		"HTTP2":              by(h2c(t), "GET", "/v1/"+origin, ""),
		"HTTP2Stream":        by(h2c(t), "GET", "/v1/shelves/science:watch", ""),
		"HTTP1Connect":       by(h1, "POST", unary, book, "application/proto"),
		"HTTP1ConnectStream": by(h1, "POST", stream, shelf, "application/connect+proto"),
		"HTTP1Web":           by(h1, "POST", unary, "\x00\x00\x00\x00\x1e"+book, "application/grpc-web"),
		"HTTP1WebStream":     by(h1, "POST", stream, shelf, "application/grpc-web"),
		"HTTP2Connect":       by(h2c(t), "POST", unary, book, "application/proto"),
		"HTTP2ConnectStream": by(h2c(t), "POST", stream, shelf, "application/connect+proto"),
		"HTTP2WebStream":     by(h2c(t), "POST", stream, shelf, "application/grpc-web"),
		"GRPC": func(ctx context.Context) error {
			_, err := library.GetBook(ctx, &libraryv1.GetBookRequest{Name: origin})
			return err
		},
		"GRPCStream": func(ctx context.Context) error {
			stream, err := library.WatchShelf(ctx, &libraryv1.WatchShelfRequest{Name: "shelves/science"})
			for err == nil {
				_, err = stream.Recv()
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			ended := make(chan error, 1)
			go func() { ended <- call(ctx) }()
			select {
			case <-arrived:
			case err := <-ended:
				t.Fatalf("the call did not reach the backend: %v", err)
			}
			left := time.Now()
			leave()
			select {
			case at := <-over:
				took := at.Sub(left)
				t.Logf("the backend heard of it after %v", took.Round(10*time.Microsecond))
				if took > 500*time.Millisecond && !testkit.Race() {
					t.Errorf("after %v; 50 ms are promised", took)
				}
			case <-time.After(longest):
				t.Error("the backend did not hear of it")
			}
			if err := <-ended; err == nil {
				t.Error("the call succeeded")
			}
		})
	}
}

func TestMalformedBody(t *testing.T) {
	s := newScripted(t)
	for body, want := range map[string]string{
		`{"title": }`:               "line 1:11",
		`{"title": "x"`:             "",
		`[]`:                        "",
		`{"title": "x"} trailing`:   "",
		`{"titel": "x"}`:            `"titel"`,
		"{\"title\": \"x\", \xff}":  "",
		`{"pages": 99999999999999}`: "pages",
	} {
		r := fetch(t, "POST", s.url("/v1/shelves/science/books?bookId=b"), body)
		if f := failureOf(t, r); r.StatusCode != 400 || f.Status != "INVALID_ARGUMENT" || !strings.Contains(r.Text, strings.ReplaceAll(want, `"`, `\"`)) {
			t.Errorf("%s: %d %s, want %s in it", body, r.StatusCode, r.Text, want)
		}
	}
	if calls := s.backend.Take(); len(calls) != 0 {
		t.Errorf("the backend was called: %v", calls[0].Requests)
	}
	if r := fetch(t, "POST", s.url("/v1/shelves/science/books?bookId=b"), `{"title": "x"}`); r.StatusCode != 200 || len(s.backend.Take()) != 1 {
		t.Errorf("a good body: %d %s", r.StatusCode, r.Text)
	}
}

// TestBodyOverTheLimit sends far more than the limit, in chunks, over several connections at once: each is answered
// before everything was sent, and the gateway does not hold what came.
func TestBodyOverTheLimit(t *testing.T) {
	const size, connections = 64 << 20, 8
	s := newScripted(t)
	if r := fetch(t, "GET", s.url("/v1/"+origin), ""); r.StatusCode != 200 {
		t.Fatalf("%d %s", r.StatusCode, r.Text)
	}
	before := s.gateway.MemoryPeak(t)
	var group sync.WaitGroup
	for range connections {
		group.Go(func() {
			code, sent, err := sendChunks(s.gateway.Public, "POST /v1/shelves/science/books?bookId=b", size)
			if err != nil || code != 413 {
				t.Errorf("HTTP %d, %v; want 413", code, err)
			}
			if sent > size/2 {
				t.Errorf("%d MiB were taken before the answer", sent>>20)
			}
		})
	}
	group.Wait()
	grown := s.gateway.MemoryPeak(t) - before
	t.Logf("%d bodies of %d MiB: the gateway grew by %d MiB", connections, size>>20, grown>>20)
	// Decoders may hold a body twice, and race-built ones more.
	if bound := int64(connections * 4 << 20 * 4); grown > bound && !testkit.Race() {
		t.Errorf("it grew by %d MiB, more than %d", grown>>20, bound>>20)
	}
	if calls := s.backend.Take(); len(calls) != 1 {
		t.Errorf("the backend was called %d times, want the one call before", len(calls))
	}
}

// sendChunks sends a JSON string of size bytes in chunks until it is answered, and returns the status and how much was
// sent by then.
func sendChunks(address, requestLine string, size int64) (code int, sent int64, err error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(longest)); err != nil {
		return 0, 0, err
	}
	var count atomic.Int64
	go func() {
		chunk := fmt.Sprintf("%x\r\n%s\r\n", 1<<16, strings.Repeat("x", 1<<16))
		_, err := fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{\"\r\n", requestLine)
		for err == nil && count.Load() < size {
			_, err = io.WriteString(conn, chunk) // ends with an error when the other side is tired of it
			count.Add(1 << 16)
		}
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, count.Load(), err
	}
	return resp.StatusCode, count.Load(), resp.Body.Close()
}

// TestLargeGRPCMessage is the same limit for gRPC.
func TestLargeGRPCMessage(t *testing.T) {
	s := newScripted(t)
	for _, address := range []string{s.gateway.Public, s.gateway.GRPC} {
		library := libraryv1.NewLibraryClient(dialed(t, address, grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(1<<30))))
		_, err := library.GetBook(t.Context(), &libraryv1.GetBookRequest{Name: strings.Repeat("x", 5<<20)})
		if status.Code(err) != codes.ResourceExhausted {
			t.Errorf("%s: %.200v", address, err)
		}
	}
	if calls := s.backend.Take(); len(calls) != 0 {
		t.Errorf("the backend was called %d times", len(calls))
	}
}

// TestBackendDiesInMidStream: each client hears a status, and what came before it.
func TestBackendDiesInMidStream(t *testing.T) {
	t.Parallel()
	files := testkit.Compile(t, sourcesOf(demo.Modules()[0]))
	d, err := files.Registry().FindDescriptorByName("acme.library.v1.Library.WatchShelf")
	if err != nil {
		t.Fatal(err)
	}
	for _, speaker := range speakers() {
		t.Run(speaker.name, func(t *testing.T) {
			t.Parallel()
			server := grpc.NewServer()
			libraryv1.RegisterLibraryServer(server, dying{server: server})
			target, _ := serveOn(t, "127.0.0.1:0", server)
			g := testkit.Serve(t, "--dev", "--descriptors", testkit.Descriptors(t, files), "--backend", target)
			ctx := withConn(bounded(t), dialed(t, g.Public))
			if speaker.inside {
				ctx = withConn(ctx, dialed(t, g.GRPC))
			}
			m := d.(protoreflect.MethodDescriptor)
			if speaker.fits != nil && !speaker.fits(m) {
				t.Skip("no streams")
			}
			got, err := speaker.call(ctx, g, m, []string{`{"name":"shelves/science"}`}, http.Header{})
			if err != nil || got.Code != codes.Unavailable || len(got.Replies) > 1 {
				t.Errorf("%+v, %v; want UNAVAILABLE, after a reply if it was in time", got, err)
			}
		})
	}
}

// dying is a library whose process ends when it has answered once.
type dying struct {
	libraryv1.UnimplementedLibraryServer
	server *grpc.Server
}

func (d dying) WatchShelf(_ *libraryv1.WatchShelfRequest, stream grpc.ServerStreamingServer[libraryv1.ShelfEvent]) error {
	if err := stream.Send(&libraryv1.ShelfEvent{}); err != nil {
		return err
	}
	go d.server.Stop()
	<-stream.Context().Done()
	return nil
}
