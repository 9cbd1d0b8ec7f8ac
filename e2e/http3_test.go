package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect/v2/connecthttp"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/gatehouse-gateway/gatehouse/internal/demo"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// newByQUIC starts a scripted one that answers HTTP/3, with further configuration.
func newByQUIC(t *testing.T, config ...string) (s scripted, a *authority) {
	t.Helper()
	a = newAuthority(t)
	a.issue(t, "server")
	config = append(config, fmt.Sprintf("tls: {cert_file: %q, key_file: %q}", a.file("server", "cert"), a.file("server", "key")), "http3: true")
	return newScripted(t, config...), a
}

// quicClient returns a client that speaks HTTP/3 only, by one connection.
func quicClient(t *testing.T, config *tls.Config) *http.Client {
	transport := &http3.Transport{TLSClientConfig: config}
	t.Cleanup(func() { _ = transport.Close() })
	return &http.Client{Transport: transport, Timeout: longest}
}

// quicConn opens a connection on which a test says what it likes.
func quicConn(t *testing.T, address string, config *tls.Config) *quic.Conn {
	t.Helper()
	config = config.Clone()
	config.NextProtos = []string{http3.NextProtoH3}
	conn, err := quic.DialAddr(bounded(t), address, config, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseWithError(0, "") })
	return conn
}

// ended waits for the end of a connection, which the gateway has to be the reason for.
func ended(t *testing.T, conn *quic.Conn, want quic.ApplicationErrorCode) {
	t.Helper()
	select {
	case <-conn.Context().Done():
	case <-time.After(longest):
		t.Error("the connection is still there")
		return
	}
	var why *quic.ApplicationError
	if err := context.Cause(conn.Context()); !errors.As(err, &why) || !why.Remote || why.ErrorCode != want {
		t.Errorf("the connection ended by %v, want %#x", err, uint64(want))
	}
}

// decision is what differs between two answers to the same request.
var decision = regexp.MustCompile(`[0-9a-f-]{32,36}`)

// TestHTTP3 has every protocol but WebSocket by HTTP/3, with the answers that HTTP/2 gives.
func TestHTTP3(t *testing.T) {
	t.Parallel()
	s, a := newByQUIC(t, `services: [{match: "acme.*", quota: {}}]`)
	url := "https://" + s.gateway.Public
	over2, over3 := secured(t, a.client(t, ""), 2), quicClient(t, a.client(t, ""))
	_, port, err := net.SplitHostPort(s.gateway.Public)
	if err != nil {
		t.Fatal(err)
	}
	told := fetchBy(t, over2, "GET", url+"/v1/shelves", "")
	if got := told.Header.Get("Alt-Svc"); got != fmt.Sprintf(`h3=":%s"`, port) {
		t.Errorf("Alt-Svc by HTTP/2: %q", got)
	}
	for name, c := range map[string]struct {
		verb, path, body string
		want             int
	}{
		"a GET":                 {"GET", "/v1/" + origin, "", 200},
		"HEAD":                  {"HEAD", "/v1/" + origin, "", 200},
		"a body":                {"POST", "/v1/shelves/science/books?book_id=a", `{"title": "A"}`, 200},
		"a body that is wrong":  {"POST", "/v1/shelves/science/books", `{"title": 1}`, 400},
		"a path that is nobody": {"GET", "/v1/nobody", "", 404},
		"a verb that is wrong":  {"PUT", "/v1/shelves", "{}", 405},
		"a stream":              {"GET", "/v1/shelves/science:watch", "", 200},
	} {
		two, three := fetchBy(t, over2, c.verb, url+c.path, c.body), fetchBy(t, over3, c.verb, url+c.path, c.body)
		if three.ProtoMajor != 3 || three.Header.Get("Alt-Svc") != "" {
			t.Errorf("%s came by %s, with Alt-Svc %q", name, three.Proto, three.Header.Get("Alt-Svc"))
		}
		if two.StatusCode != c.want || three.StatusCode != c.want || decision.ReplaceAllString(three.Text, "") != decision.ReplaceAllString(two.Text, "") {
			t.Errorf("%s: by HTTP/2 %d %s, by HTTP/3 %d %s, want %d", name, two.StatusCode, two.Text, three.StatusCode, three.Text, c.want)
		}
	}

	files := testkit.Compile(t, sourcesOf(demo.Modules()[0]))
	for name, options := range map[string][]connecthttp.Option{
		"connect":      nil,
		"connect json": {connecthttp.WithProtoJSON()},
		"connect get":  {connecthttp.WithHTTPGet()},
		"grpc-web":     {connecthttp.WithGRPCWeb()},
		"grpc":         {connecthttp.WithGRPC()},
	} {
		for what, script := range map[string]testkit.Script{"ok": echoTwice, "failure": failing, "late": failingLate} {
			s.backend.Answer(marked(script))
			for _, service := range files.Services() {
				for i := range service.Methods().Len() {
					m := service.Methods().Get(i)
					want, err := speakConnectBy(over2, "https", options...)(bounded(t), s.gateway, m, []string{"{}"}, http.Header{})
					if err != nil {
						t.Fatal(err)
					}
					got, err := speakConnectBy(over3, "https", options...)(bounded(t), s.gateway, m, []string{"{}"}, http.Header{})
					if err != nil || !reflect.DeepEqual(got, want) {
						t.Errorf("%s by %s, %s: %+v, %v; by HTTP/2 %+v", m.FullName(), name, what, got, err, want)
					}
				}
			}
		}
	}
}

// TestHTTP3Gone has a client that goes away while its call is in the backend.
func TestHTTP3Gone(t *testing.T) {
	t.Parallel()
	s, a := newByQUIC(t)
	arrived, gone := make(chan struct{}), make(chan time.Time, 1)
	s.backend.Answer(func(c *testkit.Received, r *testkit.Replies) error {
		close(arrived)
		<-r.Context().Done()
		gone <- time.Now()
		return r.Context().Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, "GET", "https://"+s.gateway.Public+"/v1/"+origin, nil)
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := quicClient(t, a.client(t, "")).Do(request)
		answered <- err
	}()
	<-arrived
	left := time.Now()
	cancel()
	if err := <-answered; !errors.Is(err, context.Canceled) {
		t.Errorf("the client's end: %v", err)
	}
	if took := (<-gone).Sub(left); took > 50*time.Millisecond*slow {
		t.Errorf("the backend heard of it after %v", took)
	}
}

// TestHTTP3Limits has the limits of the public listener by HTTP/3; those on slow clients are in TestAttack/9.
func TestHTTP3Limits(t *testing.T) {
	t.Parallel()
	const headers = 8 << 10
	s, a := newByQUIC(t, "limits: {header_bytes_max: 8192, body_bytes_max: 4096, streams_max: 3, header_timeout: 1s, connections_per_address_max: 4}")
	url, address := "https://"+s.gateway.Public, s.gateway.Public
	client := quicClient(t, a.client(t, ""))
	for name, c := range map[string]struct {
		header, body string
		want         int
	}{
		"small enough":      {strings.Repeat("h", headers/2), `{"title": "A"` + strings.Repeat(" ", 2048) + `}`, 200},
		"headers too large": {strings.Repeat("h", headers), `{}`, 431},
		"body too large":    {"", `{"title": "A"` + strings.Repeat(" ", 4096) + `}`, 413},
	} {
		if r := fetchBy(t, client, "POST", url+"/v1/shelves/science/books?book_id=a", c.body, "X-Long: "+c.header); r.StatusCode != c.want || r.ProtoMajor != 3 {
			t.Errorf("%s: %s %d %s, want %d", name, r.Proto, r.StatusCode, r.Text, c.want)
		}
	}
	s.backend.Take()

	t.Run("BodyCutShort", func(t *testing.T) {
		conn := quicConn(t, address, a.client(t, ""))
		stream, err := (&http3.Transport{}).NewClientConn(conn).OpenRequestStream(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		request, err := http.NewRequest("POST", url+"/v1/shelves/science/books?book_id=a", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.ContentLength = 100
		request.Header.Set("Content-Length", "100")
		if err := stream.SendRequestHeader(request); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(stream, `{"title": "A"}`); err != nil {
			t.Fatal(err)
		}
		if err := stream.Close(); err != nil {
			t.Fatal(err)
		}
		if r, err := stream.ReadResponse(); err == nil && r.StatusCode < 400 {
			t.Errorf("a body of which a part is missing: %s", r.Status)
		}
		if calls := s.backend.Take(); len(calls) > 0 {
			t.Error("the backend heard of it")
		}
	})
	t.Run("Streams", func(t *testing.T) {
		conn := quicConn(t, address, a.client(t, ""))
		n := 0
		for ; n < 10; n++ {
			if _, err := conn.OpenStream(); err != nil {
				break
			}
		}
		if n != 3 {
			t.Errorf("%d streams at a time", n)
		}
	})
	t.Run("ConnectionsOfOneAddress", func(t *testing.T) {
		var last *quic.Conn
		for range 8 { // some of those above may still be there
			last = quicConn(t, address, a.client(t, ""))
		}
		ended(t, last, quic.ApplicationErrorCode(http3.ErrCodeExcessiveLoad))
	})
}

// TestHTTP3Drain ends the gateway while a call is in the backend, with a connection beside it on which nothing happens.
func TestHTTP3Drain(t *testing.T) {
	t.Parallel()
	s, a := newByQUIC(t, "limits: {drain: 30s}")
	url := "https://" + s.gateway.Public + "/v1/" + origin
	arrived, letGo := make(chan struct{}), make(chan struct{})
	idle := quicConn(t, s.gateway.Public, a.client(t, ""))
	s.backend.Answer(func(c *testkit.Received, r *testkit.Replies) error {
		close(arrived)
		<-letGo
		return r.Send(r.New())
	})
	answered := make(chan string, 1)
	client := quicClient(t, a.client(t, ""))
	go func() {
		r, err := client.Get(url)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer r.Body.Close()
		_, err = io.Copy(io.Discard, r.Body)
		answered <- fmt.Sprint(r.Status, err)
	}()
	<-arrived
	began := time.Now()
	s.gateway.Signal(t, syscall.SIGTERM)
	ended(t, idle, quic.ApplicationErrorCode(http3.ErrCodeNoError))
	select {
	case got := <-answered:
		t.Errorf("the call in flight ended early: %s", got)
	default:
	}
	close(letGo)
	if got := <-answered; got != "200 OK<nil>" {
		t.Errorf("the call in flight: %s", got)
	}
	if code := s.gateway.Wait(t); code != 0 {
		t.Errorf("exit status %d\n%s", code, s.gateway.Stderr())
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the drain took %v", took)
	}
}

// TestHTTP3Reload replaces the certificate while a connection stays open.
func TestHTTP3Reload(t *testing.T) {
	t.Parallel()
	s, a := newByQUIC(t)
	url := "https://" + s.gateway.Public + "/v1/shelves"
	serial := func(client *http.Client) string {
		r, err := client.Get(url)
		if err != nil {
			return err.Error()
		}
		defer r.Body.Close()
		return fmt.Sprint(r.StatusCode, " ", r.TLS.PeerCertificates[0].SerialNumber)
	}
	kept := quicClient(t, a.client(t, ""))
	first := serial(kept)
	a.issue(t, "server")
	until(t, "the new certificate is served", func() bool {
		now := serial(quicClient(t, a.client(t, "")))
		return strings.HasPrefix(now, "200 ") && now != first
	})
	if now := serial(kept); now != first {
		t.Errorf("the open connection: %s, then %s", first, now)
	}
}

func TestHTTP3NeedsTLS(t *testing.T) {
	t.Parallel()
	if said := testkit.Refused(t, append([]string{"--data", t.TempDir()}, configFile(t, "http3: true")...)...); !strings.Contains(said, "set tls") {
		t.Errorf("it says %s", said)
	}
}
