package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// longest bounds what should be quick, and might hang.
const longest = 30 * time.Second

// fetch sends a request over a connection of its own. Headers are "Name: value"; Host is one of them.
func fetch(t *testing.T, verb, url, body string, headers ...string) *testkit.Response {
	t.Helper()
	return fetchBy(t, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: longest}, verb, url, body, headers...)
}

func fetchBy(t *testing.T, client *http.Client, verb, url, body string, headers ...string) *testkit.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), verb, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
			continue
		}
		req.Header.Add(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return &testkit.Response{Response: resp, Text: string(text)}
}

// h2c returns a client that speaks HTTP/2 with prior knowledge.
func h2c(t *testing.T) *http.Client {
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: longest}
}

// dialed returns a connection to a gRPC server, in cleartext unless options say otherwise.
func dialed(t *testing.T, address string, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// until tries every few milliseconds whether something has come true.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(longest)
	for !holds() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s: not within %v", what, longest)
		}
	}
}
