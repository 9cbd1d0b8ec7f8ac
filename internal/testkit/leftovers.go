package testkit

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// settles is how long a gateway may take until nothing is left of its last call: far more than any goroutine needs to hear
// that it should end.
const settles = 10 * time.Second

// comeToRest waits until nothing is left of the calls that the test made, whose clients have gone: no goroutine, no
// buffer, no call that counts as one that runs.
func (g *Gateway) comeToRest(t testing.TB) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	end := time.After(settles)
	for {
		http.DefaultClient.CloseIdleConnections() // they belong to no test
		left := g.left(t)
		if len(left) == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Errorf("when all clients had gone, gatehouse still had:\n\n%s", strings.Join(left, "\n"))
			return
		}
	}
}

// left returns what there is that no gateway has while nobody calls.
func (g *Gateway) left(t testing.TB) (left []string) {
	t.Helper()
	text := g.stacks(t)
	goroutines, buffers, _ := strings.Cut(text, "\n"+buffersHead)
	records, backends := stackRecord.FindAllStringSubmatch(goroutines, -1), 0
	if len(records) == 0 && text != "" {
		return []string{"stacks that nobody can read:\n" + text}
	}
	for _, record := range records {
		switch n, _ := strconv.Atoi(record[1]); { // digits
		case strings.Contains(record[0], clientReader), strings.Contains(record[0], ownReader):
			if backends += n; backends > backendsMax {
				left = append(left, record[0])
			}
		case !rests(record[0], text):
			left = append(left, record[0])
		}
	}
	for _, record := range stackRecord.FindAllString(buffers, -1) {
		left = append(left, "buffers, taken by\n"+record)
	}
	return append(left, g.running()...)
}

// stackRecord is how many there are, and what each is doing, from the innermost function to the outermost.
var stackRecord = regexp.MustCompile(`(?m)^(\d+) @.*\n(?:#.*\n)+`)

const (
	buffersHead = "github.com/gatehouse-gateway/gatehouse/transcoder/front.Buffer profile: "
	// One of these is there for each connection to a backend.
	clientReader = "google.golang.org/grpc/internal/transport.(*http2Client).reader+"
	ownReader    = "gateway/backend/transport.(*conn).read+"
	// backendsMax is more connections than the backends of any test need.
	backendsMax = 16
)

// resting is what goroutines do while nobody calls, by the function that they began with, or, if somebody began them for
// it, by the first of its own.
var resting = []string{
	// The process, its listeners, and what runs beside them.
	"main.", "os/signal.", "MODULE/gateway.(*Gateway).Run.", "MODULE/gateway.(*listening).serve.", "MODULE/interceptors.(*Set).Run.", "MODULE/interceptors/authn.(*Authn).Run.",
	// HTTP/3's socket and listener.
	"MODULE/gateway.(*overQUIC).serve", "github.com/quic-go/quic-go.(*Transport).", "github.com/quic-go/quic-go.(*baseServer).",
	// Connections to backends, which stay, or are sought again: grpc-go's, and those of our own.
	"google.golang.org/grpc/internal/grpcsync.(*CallbackSerializer).run", "google.golang.org/grpc.(*addrConn).connect",
	"google.golang.org/grpc/internal/transport.NewHTTP2Client.", "google.golang.org/grpc/internal/transport.(*http2Client).keepalive",
	"MODULE/gateway/backend/transport.(*conn).write", "MODULE/gateway/backend/transport.(*Client).connect",
	// What a connection to the gateway's own services has beside the goroutine that reads, for which see rests.
	"google.golang.org/grpc/internal/transport.NewServerTransport.", "google.golang.org/grpc/internal/transport.(*http2Server).keepalive",
}

// rests reports whether a goroutine does what there is to do while nobody calls. All is what all of them do.
func rests(stack, all string) bool {
	if strings.Contains(stack, "google.golang.org/grpc.(*Server).serveStreams+") {
		// A client is there, but for the gateway itself, by memory, and for the demo's backends.
		return strings.Contains(stack, "google.golang.org/grpc/test/bufconn.") || strings.Contains(all, "main.(*demonstration).run+")
	}
	began := origin(stack)
	return slices.ContainsFunc(resting, func(known string) bool { return strings.HasPrefix(began, known) })
}

// origin returns the outermost function that says what a goroutine is for.
func origin(stack string) (name string) {
	lines := strings.Split(strings.TrimSuffix(stack, "\n"), "\n")
	for _, line := range slices.Backward(lines[1:]) {
		name = strings.Replace(strings.Fields(line)[2], module, "MODULE/", 1)
		if !slices.ContainsFunc(starters, func(s string) bool { return strings.HasPrefix(name, s) }) {
			break
		}
	}
	return name
}

var starters = []string{"runtime.", "sync.(*WaitGroup).Go.", "golang.org/x/sync/errgroup."}

const module = "github.com/gatehouse-gateway/gatehouse/"

// stacks asks the process what its goroutines are doing.
func (g *Gateway) stacks(t testing.TB) string {
	t.Helper()
	if tellStacks == nil || g.process.Process.Signal(tellStacks) != nil {
		return "" // it has ended by itself
	}
	select {
	case text := <-g.told:
		return text
	case <-g.ended:
		return ""
	case <-time.After(patience):
		t.Errorf("gatehouse does not say what it is doing")
		return ""
	}
}

// stacksFrom reads them to their end, or that of the process.
func stacksFrom(lines *bufio.Reader) string {
	var text strings.Builder
	for {
		line, err := lines.ReadString('\n')
		if err != nil || line == "end of stacks\n" {
			return text.String()
		}
		text.WriteString(line)
	}
}

// running returns what the metrics say of calls that run. A gateway whose metrics need a key or a certificate does not say.
func (g *Gateway) running() []string {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	r, err := client.Get("http://" + g.Admin + "/metrics")
	if err != nil {
		return nil
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return []string{fmt.Sprint("metrics that end by ", err)}
	}
	return callsInFlight.FindAllString(string(text), -1)
}

var callsInFlight = regexp.MustCompile(`(?m)^gatehouse_calls_in_flight\{.*\} [^0].*`)
