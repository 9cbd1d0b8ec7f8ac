package testkit

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// patience bounds everything that should be quick, and might hang.
const patience = 30 * time.Second

// Response is an HTTP response, read to its end.
type Response struct {
	*http.Response
	Text string
}

// Raw sends bytes to an address and reads the response to a request of the given method. The connection is used once.
func Raw(t testing.TB, address, method, request string) *Response {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	// A server may answer and close before it has read everything.
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(conn, request)
		sent <- err
	}()
	response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%v (sending: %v)\n%.2000s", err, <-sent, request)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%v\n%.2000s", err, request)
	}
	return &Response{response, string(text)}
}
