package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

var update = flag.Bool("update", false, "write the answers of this run into the differences that are listed")

var envoyBinary = flag.String("envoy", "", "path of Envoy, for make differential")

// TestEnvoy gives Envoy's grpc_json_transcoder and Gatehouse the requests of TestDifferential, and writes where they
// differ into docs/differences.md. A difference that testdata/differential/envoy.txt does not list, with the rule that
// decides, is an error. Without Envoy only Gatehouse is asked: whether it still answers as the list and the page say.
func TestEnvoy(t *testing.T) {
	t.Parallel()
	d := newFreshDemo(t)
	dir := withoutResponseBody(t, newShop(t).proto(t))
	gatehouse := differentialGatehouse(t, dir, d.target, differentialConfig)
	requests := differentialRequests(t)
	const file, name, page = "testdata/differential/envoy.txt", "envoy", "../docs/differences.md"
	listed := readDifferences(t, file, name)
	found := answeredAnew(t, d, gatehouse, listed)
	if *envoyBinary != "" {
		envoy := startEnvoy(t, d, dir)
		found = compareGateways(t, d, requests, gatehouse, func(c testCase) reply { return askEnvoy(t, envoy, c) })
	}
	if *update {
		writeDifferences(t, file, name, listed, found)
		listed = readDifferences(t, file, name)
		writeFile(t, page, pageOf(len(requests), listed))
	}
	checkDifferences(t, listed, found)
	if text, err := os.ReadFile(page); err != nil || string(text) != pageOf(len(requests), listed) {
		t.Errorf("%s is not what is listed (%v); run the test with -update", page, err)
	}
}

// compareGateways sends each request to a peer and to Gatehouse, and returns where the answers differ.
func compareGateways(t *testing.T, d *freshDemo, requests []testCase, gatehouse string, peer func(testCase) reply) (found []difference) {
	t.Helper()
	for _, c := range requests {
		d.renew(t)
		theirs := peer(c)
		d.renew(t)
		ours := ask(t, gatehouse, c)
		if !theirs.agrees(ours) {
			found = append(found, difference{request: requestText(c), theirs: theirs.String(), ours: ours.String()})
		}
	}
	return found
}

// answeredAnew is what is listed, with what Gatehouse answers now.
func answeredAnew(t *testing.T, d *freshDemo, gatehouse string, listed []difference) (found []difference) {
	t.Helper()
	for _, l := range listed {
		c := parseRequests(t, "a listed request", l.request)[0]
		d.renew(t)
		l.ours = ask(t, gatehouse, c).String()
		found = append(found, l)
	}
	return found
}

// askEnvoy reads Envoy's forms of what others say differently: a stream is an array, and Envoy's own refusals are a line
// of text.
func askEnvoy(t *testing.T, address string, c testCase) reply {
	t.Helper()
	a := ask(t, address, c)
	path, _, _ := strings.Cut(c.target, "?")
	streams := strings.HasSuffix(path, ":watch") || strings.HasSuffix(path, ":track") || strings.HasSuffix(path, "/QuoteOrders")
	switch {
	case a.err == nil && a.status >= http.StatusBadRequest && !a.empty:
		a.err = &replyError{message: a.body}
	case streams && a.err == nil && a.media == "application/json":
		a.media = "application/x-ndjson"
	}
	return a
}

// withoutResponseBody takes out of the demo's schema what Envoy refuses to start with: a response_body whose field is
// not a google.api.HttpBody.
func withoutResponseBody(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "acme/orders/v1/orders.proto")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	without := bytes.Replace(text, []byte(`response_body: "orders"`), nil, 1)
	if len(without) == len(text) {
		t.Fatal("the demo has no response_body any more")
	}
	if err := os.WriteFile(path, without, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// startEnvoy runs Envoy with its transcoder, set as strict as it can be, until the test ends.
func startEnvoy(t *testing.T, d *freshDemo, dir string) string {
	t.Helper()
	sources, err := compile.ReadDir(dir, func(note string) { t.Error(note) })
	if err != nil {
		t.Fatal(err)
	}
	address := unusedAddress(t)
	config := testkit.File(t, "envoy.json", envoyConfig(t, address, d.target, testkit.Descriptors(t, testkit.Compile(t, sources))))
	process := exec.Command(*envoyBinary, "--config-path", config, "--concurrency", "1", "--log-level", "error",
		"--disable-hot-restart", "--base-id-path", testkit.File(t, "base-id", nil))
	var log bytes.Buffer
	process.Stdout, process.Stderr = &log, &log
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = process.Wait() // killed below
		close(ended)
	}()
	t.Cleanup(func() {
		_ = process.Process.Kill() // it may have ended already
		<-ended
	})
	until(t, "Envoy listens", func() bool {
		select {
		case <-ended:
			t.Fatalf("Envoy ended:\n%s", log.String())
		default:
		}
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
	return address
}

func unusedAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

type object = map[string]any

// envoyConfig is a listener with the transcoder in front of one backend. It refuses what it can be told to refuse.
func envoyConfig(t *testing.T, listen, backend, descriptors string) []byte {
	t.Helper()
	transcoder := object{
		"@type":               "type.googleapis.com/envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
		"proto_descriptor":    descriptors,
		"services":            []string{"acme.library.v1.Library", "acme.orders.v1.Orders"},
		"convert_grpc_status": true,
		"auto_mapping":        true,
		"request_validation_options": object{
			"reject_unknown_method": true, "reject_unknown_query_parameters": true, "reject_binding_body_field_collisions": true,
		},
	}
	manager := object{
		"@type":       "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
		"stat_prefix": "in",
		"route_config": object{"virtual_hosts": []object{{
			"name": "all", "domains": []string{"*"},
			"routes": []object{{"match": object{"prefix": "/"}, "route": object{"cluster": "demo", "timeout": "20s"}}},
		}}},
		"http_filters": []object{
			{"name": "envoy.filters.http.grpc_json_transcoder", "typed_config": transcoder},
			{"name": "envoy.filters.http.router", "typed_config": object{"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}},
		},
	}
	cluster := object{
		"name": "demo", "type": "STATIC", "connect_timeout": "5s",
		"load_assignment": object{"cluster_name": "demo", "endpoints": []object{{"lb_endpoints": []object{{"endpoint": object{"address": socket(t, backend)}}}}}},
		"typed_extension_protocol_options": object{"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": object{
			"@type":                "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
			"explicit_http_config": object{"http2_protocol_options": object{}},
		}},
	}
	config, err := json.Marshal(object{"static_resources": object{
		"listeners": []object{{
			"name": "in", "address": socket(t, listen),
			"filter_chains": []object{{"filters": []object{{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}}}},
		}},
		"clusters": []object{cluster},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func socket(t *testing.T, address string) object {
	t.Helper()
	tcp, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return object{"socket_address": object{"address": tcp.IP.String(), "port_value": tcp.Port}}
}

const pageHead = `# Where Gatehouse and Envoy differ

Envoy's grpc_json_transcoder is the reference implementation of google.api.http, and the gateway whose behaviour people know.
This page is written by ` + "`make differential`" + `, which sends the same %d requests to Envoy 1.40 and to Gatehouse, each in front of the demo's
services as new. Envoy is set to be as strict as it can be: unknown methods, unknown parameters and fields that are bound twice are
refused. The answers agree but for the %d requests below, which stand under the line of [semantics.md](semantics.md) that decides, with the
specification that it follows in brackets.

Not counted as differences: Envoy's own refusals are a line of text, and ours JSON (line 78); Envoy sends a stream as one JSON array, Gatehouse
as one line for each message; an error is ` + "`{code, message, details}`" + ` in Envoy and ` + "`{\"error\": …}`" + ` in Gatehouse (line 80).
One option of the schema is left out of both: Envoy does not start with a ` + "`response_body`" + ` that is no google.api.HttpBody, which
google/api/http.proto allows.
`

// pageOf shows the listed differences to people.
func pageOf(requests int, listed []difference) string {
	var b strings.Builder
	fmt.Fprintf(&b, pageHead, requests, len(listed))
	rule := ""
	for _, d := range listed {
		if d.rule != rule {
			rule = d.rule
			fmt.Fprintf(&b, "\n## %s\n", rule)
		}
		theirs, ours := excerpts(d.theirs, d.ours)
		fmt.Fprintf(&b, "\n```\n%senvoy:     %s\ngatehouse: %s\n```\n", d.request, theirs, ours)
	}
	return b.String()
}

func writeFile(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// excerpts keeps of two long answers how they begin, and what follows where they begin to differ.
func excerpts(a, b string) (string, string) {
	const begin, rest = 40, 120
	x, y := []rune(a), []rune(b)
	same := 0
	for same < len(x) && same < len(y) && x[same] == y[same] {
		same++
	}
	if same < begin+rest/2 {
		return cutTo(x, begin+rest), cutTo(y, begin+rest)
	}
	head := string(x[:begin]) + " … "
	return head + cutTo(x[same-10:], rest), head + cutTo(y[same-10:], rest)
}

// cutTo keeps the beginning of a text.
func cutTo(text []rune, runesMax int) string {
	if len(text) > runesMax {
		return string(text[:runesMax]) + " …"
	}
	return string(text)
}
