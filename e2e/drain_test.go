package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	libraryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/library/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// TestDrain sends SIGTERM while calls are in the backend: they finish, everybody else is told to go, and the process
// ends well.
func TestDrain(t *testing.T) {
	s := newScripted(t)
	arrived, letGo := make(chan struct{}, 2), make(chan struct{})
	s.backend.Answer(func(c *testkit.Received, r *testkit.Replies) error {
		arrived <- struct{}{}
		select {
		case <-letGo:
			return r.Send(r.New())
		case <-r.Context().Done():
			return r.Context().Err()
		}
	})
	rest, native := make(chan string, 1), make(chan error, 1)
	library := s.library(t)
	go func() {
		resp, err := http.Get(s.url("/v1/" + origin))
		if err != nil {
			rest <- err.Error()
			return
		}
		_ = resp.Body.Close() // the status is what counts
		rest <- resp.Status
	}()
	go func() {
		_, err := library.GetBook(t.Context(), &libraryv1.GetBookRequest{Name: origin})
		native <- err
	}()
	<-arrived
	<-arrived
	goAway := map[string]func() error{}
	for name, address := range map[string]string{"public": s.gateway.Public, "internal": s.gateway.GRPC} {
		goAway[name] = awaitGoAway(t, address)
	}
	ready := "http://" + s.gateway.Admin + "/readyz"
	if r := fetch(t, "GET", ready, ""); r.StatusCode != 200 {
		t.Errorf("before: /readyz says %d", r.StatusCode)
	}

	s.gateway.Signal(t, syscall.SIGTERM)
	until(t, "/readyz says 503", func() bool { return fetch(t, "GET", ready, "").StatusCode == 503 })
	if r := fetch(t, "GET", "http://"+s.gateway.Admin+"/healthz", ""); r.StatusCode != 200 {
		t.Errorf("/healthz says %d", r.StatusCode)
	}
	for name, await := range goAway {
		if err := await(); err != nil {
			t.Errorf("%s: GOAWAY: %v", name, err)
		}
	}
	for _, address := range []string{s.gateway.Public, s.gateway.GRPC} {
		until(t, "new connections are refused", func() bool {
			conn, err := net.Dial("tcp", address)
			if err == nil {
				_ = conn.Close() // it is the dialing that counts
			}
			return errors.Is(err, syscall.ECONNREFUSED)
		})
	}
	select {
	case <-rest:
		t.Error("the call ended before the backend had answered")
	default:
	}
	close(letGo)
	if got := <-rest; got != "200 OK" {
		t.Errorf("the call in flight: %s", got)
	}
	if err := <-native; err != nil {
		t.Errorf("the call in flight, gRPC: %v", err)
	}
	if code := s.gateway.Wait(t); code != 0 {
		t.Errorf("exit status %d\n%s", code, s.gateway.Stderr())
	}
}

// awaitGoAway opens an HTTP/2 connection, and returns a function that waits until the server says GOAWAY on it.
func awaitGoAway(t *testing.T, address string) func() error {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // closed already, if all went well
	if err := conn.SetDeadline(time.Now().Add(longest)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(conn, conn)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	if f, err := framer.ReadFrame(); err != nil || f.Header().Type != http2.FrameSettings {
		t.Fatalf("%s: the first frame is %v, %v", address, f, err)
	}
	return func() error {
		for {
			switch f, err := framer.ReadFrame(); f := f.(type) {
			case *http2.GoAwayFrame:
				if f.ErrCode != http2.ErrCodeNo {
					return fmt.Errorf("with %v", f.ErrCode)
				}
				return conn.Close() // as it was told
			default:
				if err != nil {
					return err
				}
			}
		}
	}
}

// TestDrainCutsOff has streams that never end by themselves: after limits.drain they are ended.
func TestDrainCutsOff(t *testing.T) {
	shop := newShop(t)
	args := append([]string{"--dev", "--proto", shop.proto(t)}, shop.backends()...)
	g := testkit.Serve(t, append(args, configFile(t, "limits: {drain: 1s}")...)...)
	resp, err := http.Get("http://" + g.Public + "/v1/shelves/science:watch")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	stream, err := libraryv1.NewLibraryClient(dialed(t, g.GRPC)).WatchShelf(t.Context(), &libraryv1.WatchShelfRequest{Name: "shelves/science"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // what stands there already
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	g.Signal(t, syscall.SIGTERM)
	code := g.Wait(t)
	took := time.Since(began)
	if code != 0 {
		t.Errorf("exit status %d\n%s", code, g.Stderr())
	}
	if took < time.Second || took > 10*time.Second {
		t.Errorf("it took %v, want a second and little more", took)
	}
	if n := strings.Count(g.Stdout(), `.WatchShelf"`); n != 2 {
		t.Errorf("%d of the 2 calls that were cut off are in the access log:\n%s", n, g.Stdout())
	}
	if rest, err := io.ReadAll(lines); err == nil {
		t.Errorf("the stream seems to have ended well, with %q", rest)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.Unavailable && status.Code(err) != codes.Canceled {
		t.Errorf("gRPC: %v", err)
	}
}
