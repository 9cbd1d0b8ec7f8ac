package etcd

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const (
	// startMax bounds how long a server may take to serve.
	startMax = 30 * time.Second
	// triesMax bounds how often a server is started, since another process may take the port meanwhile.
	triesMax = 5
)

// advertised is what every server says its address is. An etcd of one member never connects to itself, but it makes
// its ids of this: so all servers have the same ids and lists of members, and their answers can be compared whole.
const advertised = "http://127.0.0.1:2379"

// Start runs a fresh server until the test ends, and returns its address. It has elected itself in the first term, and
// agreed with itself on the version of its cluster: from here on its state is what its clients made of it.
func (r Release) Start(t testing.TB) string {
	t.Helper()
	var log string
	for range triesMax {
		s := r.launch(t)
		if s.settled(t) {
			return s.address
		}
		log = s.stop()
	}
	t.Fatalf("etcd %s does not start; it says:\n%s", r.Version, log)
	return ""
}

// server is one process.
type server struct {
	address string
	process *exec.Cmd
	log     bytes.Buffer // its output; complete when ended is closed
	ended   chan struct{}
}

func (r Release) launch(t testing.TB) *server {
	t.Helper()
	s := &server{address: freeAddress(t), ended: make(chan struct{})}
	s.process = exec.Command(r.binary,
		"--data-dir", t.TempDir(),
		"--listen-client-urls", "http://"+s.address,
		"--advertise-client-urls", advertised,
		"--listen-peer-urls", "http://"+freeAddress(t),
		"--initial-advertise-peer-urls", advertised,
		"--initial-cluster", "default="+advertised,
	)
	s.process.Stdout, s.process.Stderr = &s.log, &s.log
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.process.Wait() // that it ended is all that counts
		close(s.ended)
	}()
	t.Cleanup(func() { s.stop() })
	return s
}

// stop kills the server and returns what it has said.
func (s *server) stop() string {
	_ = s.process.Process.Kill() // it may have ended already
	<-s.ended
	return s.log.String()
}

// settled waits until the server has taken up its work, and reports whether it is like every other.
func (s *server) settled(t testing.TB) bool {
	t.Helper()
	deadline := time.After(startMax)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.ended:
			return false
		case <-deadline:
			return false
		case <-tick.C:
			if term := s.term(); term != "" {
				return term == "2" // another one, if the disk was slower than the election
			}
		}
	}
}

// term returns the server's term, as a number, when it is ready.
func (s *server) term() string {
	var health struct{ Health string }
	var version struct{ EtcdCluster string }
	var status struct{ RaftTerm string }
	if !ask(&health, http.MethodGet, s.address, "/health", "") || health.Health != "true" ||
		!ask(&version, http.MethodGet, s.address, "/version", "") || strings.HasPrefix(version.EtcdCluster, "not") ||
		!ask(&status, http.MethodPost, s.address, "/v3/maintenance/status", "{}") {
		return ""
	}
	return status.RaftTerm
}

// ask reads a JSON answer, and reports whether there is one.
func ask(into any, method, address, path, body string) bool {
	request, err := http.NewRequest(method, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return err == nil && response.StatusCode == http.StatusOK && json.Unmarshal(text, into) == nil
}

// freeAddress returns an address on which nobody listens now.
func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
