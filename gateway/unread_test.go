package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestNotHeldUp sends requests whose bodies come late or never.
func TestNotHeldUp(t *testing.T) {
	t.Run("BodyNeverComes", func(t *testing.T) {
		for _, head := range []string{"Content-Length: 100\r\n", "Transfer-Encoding: chunked\r\n", "Content-Length: 100000000\r\n"} {
			c := dialUnread(t)
			c.send("POST /refuse HTTP/1.1\r\nHost: x\r\n" + head + "\r\n")
			c.wants(http.StatusNotFound, "close")
			c.wantsEnd()
		}
	})
	t.Run("BodyIsThere", func(t *testing.T) {
		c := dialUnread(t)
		for range 2 {
			c.send("POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n{\"a\":1}")
			c.wants(http.StatusNotFound, "")
		}
	})
	t.Run("ClientWaitsToBeAsked", func(t *testing.T) {
		c := dialUnread(t)
		c.send("POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n")
		c.wants(http.StatusNotFound, "close") // and no 100 before
		c.wantsEnd()
	})
	t.Run("BodyIsNoRequest", func(t *testing.T) {
		c := dialUnread(t)
		c.send("POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
		c.wants(http.StatusNotFound, "close")
		c.send("GET /read HTTP/1.1\r\nHost: x\r\n\r\n")
		c.wantsEnd()
	})
	t.Run("AnsweredWhileRead", func(t *testing.T) {
		c := dialUnread(t)
		c.send("POST /duplex HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
		r := c.wants(http.StatusOK, "close")
		c.send(strings.Repeat("x", 100000))
		if text, err := io.ReadAll(r.Body); err != nil || string(text) != "first 100000" {
			t.Errorf("got %q, %v", text, err)
		}
		c.wantsEnd()
	})
	t.Run("ReadFirst", func(t *testing.T) {
		c := dialUnread(t)
		for range 2 {
			c.send("POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
			c.wants(http.StatusOK, "")
		}
	})
}

// unreadClient is one connection to a server that answers /refuse without reading.
type unreadClient struct {
	*testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dialUnread(t *testing.T) *unreadClient {
	mux := http.NewServeMux()
	mux.HandleFunc("/refuse", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	mux.HandleFunc("/read", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(w, r.Body); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("/duplex", func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := rc.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, "first ")
		if err := rc.Flush(); err != nil {
			t.Error(err)
		}
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, n)
	})
	server := httptest.NewServer(notStalled(time.Minute, notHeldUp(mux)))
	t.Cleanup(server.Close)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * unreadGrace)); err != nil {
		t.Fatal(err)
	}
	return &unreadClient{t, conn, bufio.NewReader(conn)}
}

// send does not mind a connection that was closed: what was answered tells.
func (c *unreadClient) send(text string) { _, _ = io.WriteString(c.conn, text) }

// wants reads the head of the next response, and its body if it has none to wait for.
func (c *unreadClient) wants(code int, connection string) *http.Response {
	c.Helper()
	r, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.Fatal(err)
	}
	closes := ""
	if r.Close {
		closes = "close"
	}
	if r.StatusCode != code || closes != connection {
		c.Errorf("got %s, connection %q, want %d, %q", r.Status, closes, code, connection)
	}
	if !r.Close {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			c.Fatal(err)
		}
	}
	return r
}

// wantsEnd expects the connection's end and nothing more on it.
func (c *unreadClient) wantsEnd() {
	c.Helper()
	if rest, err := io.ReadAll(c.in); len(rest) > 0 || isTimeout(err) {
		c.Errorf("the connection goes on: %q, %v", rest, err)
	}
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}
