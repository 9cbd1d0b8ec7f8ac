package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-gateway/gatehouse/e2e/etcd"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// etcdConfig is what an operator writes to put Gatehouse before an etcd.
const etcdConfig = `services:
  - match: "etcdserverpb.*"
    access: PUBLIC
    json: {proto_names: true}
`

// TestEtcd gives two fresh etcd servers of one release the same script: to one through the JSON gateway that is built
// into etcd, to the other through Gatehouse, to which etcd's own .proto files were published. Nothing in their answers
// is masked but what unsteady lists.
func TestEtcd(t *testing.T) {
	t.Parallel()
	for name, find := range map[string]func(testing.TB) etcd.Release{"Built": etcd.Built, "Installed": etcd.Installed} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newEtcdPair(t, find(t))
			for _, s := range etcdScript() {
				if p.release.Since(s.since) {
					t.Run(s.name, func(t *testing.T) { p.step(t, s) })
				}
			}
			t.Run("watch", p.watch)
		})
	}
}

// etcdPair is two etcd servers in the same state.
type etcdPair struct {
	release etcd.Release
	// own is an etcd's address. gatehouse is that of a gateway in front of behind, another etcd.
	own, gatehouse, behind string
}

func newEtcdPair(t *testing.T, r etcd.Release) *etcdPair {
	t.Helper()
	p := &etcdPair{release: r, own: r.Start(t), behind: r.Start(t)}
	config := testkit.File(t, "gatehouse.yaml", []byte(etcdConfig))
	g := testkit.Serve(t, "--config", config, "--data", t.TempDir())
	publish(t, g, etcd.Protos(t), "etcd/api", "--backend", p.behind)
	p.gatehouse = g.Public
	return p
}

// answer is how a server answered one request. Of several messages there is one line each.
type answer struct {
	status  int
	lines   []string
	code    codes.Code // of an error; OK if it is none, or does not tell
	message string     // of an error
	own     bool       // Gatehouse made the error itself
}

// outcome sums an answer up: "200", or the error.
func (a answer) outcome() string {
	if a.status == http.StatusOK {
		return "200"
	}
	if a.own {
		return fmt.Sprintf("%d %s", a.status, a.code)
	}
	return fmt.Sprintf("%d %s %s", a.status, a.code, a.message)
}

// agrees reports whether Gatehouse's answer has the outcome of etcd's. Where a gateway itself refuses, its words are its
// own matter.
func (a answer) agrees(through answer) bool {
	if a.code == codes.OK || through.own {
		return a.status == through.status && (a.code == codes.OK || a.code == through.code)
	}
	return a.outcome() == through.outcome()
}

// step sends one request to both and compares.
func (p *etcdPair) step(t *testing.T, s etcdStep) {
	own, through := p.send(t, p.own, s), p.send(t, p.gatehouse, s)
	if d := s.difference(p.release); d != nil {
		if own.outcome() != d.etcd || through.outcome() != d.gatehouse {
			t.Errorf("semantics %d: etcd answers %q and gatehouse %q, want %q and %q", d.number, own.outcome(), through.outcome(), d.etcd, d.gatehouse)
		}
		return
	}
	if !own.agrees(through) {
		t.Fatalf("etcd answers %q %s, gatehouse %q %s", own.outcome(), own.lines, through.outcome(), through.lines)
	}
	if want := s.reply == nil; want != (own.status != http.StatusOK) {
		t.Fatalf("both answer %q; is that an error: want %v", own.outcome(), want)
	}
	if s.reply == nil {
		return
	}
	if len(own.lines) != len(through.lines) {
		t.Fatalf("etcd answers with\n%s\ngatehouse with\n%s", strings.Join(own.lines, "\n"), strings.Join(through.lines, "\n"))
	}
	for i := range own.lines {
		same(t, s.reply, s.unsteady, own.lines[i], through.lines[i])
	}
}

// send posts a step's body and reads the answer to its end.
func (p *etcdPair) send(t *testing.T, address string, s etcdStep) answer {
	t.Helper()
	response := post(t, address, s)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: response.StatusCode}
	if a.status != http.StatusOK {
		a.readFailure(t, text)
		return a
	}
	a.lines = strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	if address == p.own && s.streams {
		for i, line := range a.lines {
			a.lines[i] = unwrapped(t, line)
		}
	}
	return a
}

// post sends a step's request. The content type is what curl -d says, unless the step names another.
func post(t *testing.T, address string, s etcdStep) *http.Response {
	t.Helper()
	method, path, ok := strings.Cut(s.path, " ")
	if !ok {
		method, path = http.MethodPost, s.path
	}
	request, err := http.NewRequestWithContext(bounded(t), method, "http://"+address+path, strings.NewReader(s.body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if s.contentType != "" {
		request.Header.Set("Content-Type", s.contentType)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// readFailure reads an error in any of its forms: {"error":{…}} of Gatehouse, {"code","message"} of etcd since 3.6,
// with "error" besides before that, and the text that old gateways give for paths they do not know.
func (a *answer) readFailure(t *testing.T, text []byte) {
	t.Helper()
	var body struct {
		Error   json.RawMessage
		Code    codes.Code
		Message string
	}
	if err := json.Unmarshal(text, &body); err != nil {
		a.message = strings.TrimSpace(string(text))
		return
	}
	var e struct {
		Status, Message string
		Details         []struct{ Domain string }
	}
	if json.Unmarshal(body.Error, &e) != nil {
		a.code, a.message = body.Code, body.Message
		return
	}
	if err := a.code.UnmarshalJSON([]byte(`"` + e.Status + `"`)); err != nil {
		t.Fatal(err)
	}
	a.message, a.own = e.Message, len(e.Details) > 0 && e.Details[0].Domain == "gatehouse"
}

// unwrapped takes a streamed item out of the envelope that grpc-gateway puts around it.
func unwrapped(t *testing.T, line string) string {
	t.Helper()
	var envelope struct{ Result json.RawMessage }
	if err := json.Unmarshal([]byte(line), &envelope); err != nil || envelope.Result == nil {
		t.Fatalf("%q has no result: %v", line, err)
	}
	return string(envelope.Result)
}

// same compares two answers as JSON, and as messages of etcd's own type, which has to know everything in them. It looks
// away from the unsteady fields, which must be there all the same.
func same(t *testing.T, reply proto.Message, unsteady map[string]string, own, through string) {
	t.Helper()
	a, b := decoded(t, own), decoded(t, through)
	for name, reason := range unsteady {
		x, y := a[name], b[name]
		if x == nil || reflect.TypeOf(x) != reflect.TypeOf(y) {
			t.Errorf("%s, which has %s: %v in etcd's answer, %v in gatehouse's", name, reason, x, y)
		}
		delete(a, name)
		delete(b, name)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("etcd answers\n%s\ngatehouse\n%s", own, through)
	}
	if x, y := message(t, reply, a), message(t, reply, b); !proto.Equal(x, y) {
		t.Errorf("etcd answers\n%v\ngatehouse\n%v", x, y)
	}
}

// message reads an object as a message of reply's type.
func message(t *testing.T, reply proto.Message, object map[string]any) proto.Message {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	m := reply.ProtoReflect().New().Interface()
	if err := protojson.Unmarshal(text, m); err != nil {
		t.Fatalf("%s is no %s: %v", text, reply.ProtoReflect().Descriptor().FullName(), err)
	}
	return m
}

// decoded reads an object, and keeps its numbers as they are written.
func decoded(t *testing.T, text string) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return m
}
