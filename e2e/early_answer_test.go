package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// TestEarlyAnswer calls a bidi method by HTTP/1.1 whose backend speaks first: its reply is there before the request's
// body is, and the body arrives whole all the same.
func TestEarlyAnswer(t *testing.T) {
	files := testkit.Schema(t, "semantics")
	g := testkit.Serve(t, "--dev", "--descriptors", testkit.Descriptors(t, files), "--backend", speaksFirst(t))
	conn, err := net.Dial("tcp", g.Public)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	body := `{"n":"` + strings.Repeat("x", 100_000) + `"}`
	fmt.Fprintf(conn, "POST /chat HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", len(body))
	r, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	lines := bufio.NewReader(r.Body)
	if first, err := lines.ReadString('\n'); r.StatusCode != http.StatusOK || first != "{\"n\":\"first\"}\n" {
		t.Fatalf("before the body was sent: %s, %q, %v", r.Status, first, err)
	}
	if _, err := io.WriteString(conn, body); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(lines); err != nil || string(rest) != body+"\n" {
		t.Errorf("after it: %.200q, %v; want it back", rest, err)
	}
}

// speaksFirst serves a backend that sends a message before it reads any, and returns each that it reads.
func speaksFirst(t *testing.T) (target string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.ForceServerCodecV2(rpc.Codec{}), grpc.UnknownServiceHandler(func(_ any, ss grpc.ServerStream) error {
		err := ss.SendMsg(rpc.FrameOf(nil, []byte("\x0a\x05first")))
		for err == nil {
			f := rpc.NewFrame(nil)
			if err = ss.RecvMsg(f); err == nil {
				err = ss.SendMsg(f)
			}
			f.Free()
		}
		if err == io.EOF {
			return nil
		}
		return err
	}))
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-ended; err != nil {
			t.Errorf("backend: %v", err)
		}
	})
	return listener.Addr().String()
}
