package fronttest

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Serve serves h in cleartext by one version of HTTP, 1 or 2, and returns its URL and what speaks that version.
func Serve(t *testing.T, h http.Handler, version int) (url string, transport *http.Transport) {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(version == 1)
	protocols.SetUnencryptedHTTP2(version == 2)
	server := httptest.NewUnstartedServer(h)
	server.Config.Protocols = protocols
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	transport = &http.Transport{Protocols: protocols, DisableCompression: true}
	t.Cleanup(func() { transport.CloseIdleConnections(); server.Close() })
	return server.URL, transport
}
