package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// 38: what callers send stays what it is in logs, and their secrets come into none.
func logsAndSecrets(t *testing.T, s *siege) {
	f := newForge(t)
	g := s.serve(t, "default_access: PUBLIC", keysYAML()+"  jwt:\n"+fmt.Sprintf("    - {issuer: %q, jwks_file: %q}", forgeIssuer, f.file))
	const canary = "CANARY"
	token := f.token(t, nil)
	var answers strings.Builder
	send := func(verb, target, body string, headers ...string) {
		t.Helper()
		c := withBody(verb, target, body, headers...)
		if r := testkit.Raw(t, g.Public, verb, c.wire()); r.StatusCode != 200 { // a reply is the backend's
			fmt.Fprintln(&answers, r.Header, r.Text)
		}
	}
	for _, target := range []string{"/echo/a", "/mine/a", "/shut/a", "/nowhere", "/echo/%zz", "/judged"} {
		for _, h := range []string{
			"x-api-key: reader." + canary, "x-api-key: " + canary, "x-api-key: " + canary + ".b", "Authorization: Bearer " + canary, "Authorization: Basic " + canary,
			"Authorization: Bearer " + token[:len(token)-5] + canary, "Authorization: Bearer e30." + canary + ".e30", "Cookie: session=" + canary, "Proxy-Authorization: " + canary,
			"x-secret: " + canary, "x-api-key: " + keyOf("reader"), "Authorization: Bearer " + token,
		} {
			send("GET", target, "", h)
		}
	}
	for _, body := range []string{
		`{"secret":"` + canary + `"}`, `{"secret":{"a":"` + canary + `"}}`, `{"secret":7777777}`, `{"secret":"7777777"}`, `{"secret":77777777777777777777}`, `{"secret":7777777.5}`,
		`{"text":"fits","secret":[7777777]}`, `{"secret":7777777`,
	} {
		send("POST", "/judged", body)
		send("POST", "/post", body)
	}
	for _, query := range []string{"secret=" + canary, "secret=7777777&secret=1", "secret=7777777x", "secret=%FF" + canary} {
		send("POST", "/attack.v1.Attack/Judged?"+query, "")
		send("GET", "/secret?"+query, "")
	}
	s.backend.Answer(func(*testkit.Received, *testkit.Replies) error { return status.Error(codes.NotFound, "nothing") })
	send("GET", "/echo/a", "", "Authorization: Bearer "+token, "Cookie: "+canary)
	s.backend.Answer(nil)

	// Text that would act on a log reader, or break a line.
	const breaks = `x%0d%0a{"forged":true}%1b[31m%22%2c%22forged%22:%22`
	send("GET", "/nowhere/"+breaks, "")
	send("GET", "/echo/"+breaks, "")
	send("GET", "/nowhere/"+strings.Repeat("y", 60_000), "", "User-Agent: "+strings.Repeat("U", 3000))
	send("GET", "/mine/a", "", "User-Agent: \x1b[31m\"}")
	send(`FORGED"}{`, "/nowhere", "")

	metrics := fetch(t, "GET", "http://"+g.Admin+"/metrics", "").Text
	if !strings.Contains(metrics, "gatehouse_") {
		t.Errorf("metrics: %s", metrics)
	}
	g.Stop(t) // writes what it has
	log := g.Stdout()
	if strings.Count(log, "\n") < 80 {
		t.Errorf("the log has %d lines", strings.Count(log, "\n"))
	}
	for line := range strings.Lines(log) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil || record["forged"] != nil || record["decision_id"] == nil {
			t.Errorf("%v in %q", err, line)
		}
		if len(line) > 8<<10 {
			t.Errorf("a line of %d bytes: %.200s", len(line), line)
		}
		if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("control characters in %q", line)
		}
	}
	for sink, text := range map[string]string{"stdout": log, "stderr": g.Stderr(), "metrics": metrics, "answers": answers.String()} {
		for _, secret := range []string{canary, "7777777", "reader-secret", token, token[strings.LastIndexByte(token, '.')+1:]} {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s has %.20s: …%s…", sink, secret, text[max(0, i-200):min(len(text), i+100)])
			}
		}
	}
	s.backend.Take()
}

// 39: an error tells what its caller can act on. A backend's own text is the operator's to keep.
func errorsThatTell(t *testing.T, s *siege) {
	failing := func(c codes.Code) testkit.Script {
		st, err := status.New(c, "SELECT * at 10.1.2.3").WithDetails(&errdetails.DebugInfo{Detail: "stack"}, &errdetails.RetryInfo{}, &errdetails.ErrorInfo{Reason: "THEIRS", Domain: "theirs"})
		if err != nil {
			t.Fatal(err)
		}
		return func(*testkit.Received, *testkit.Replies) error { return st.Err() }
	}
	masked := s.serve(t, "default_access: PUBLIC", "services: [{match: attack.v1.Attack, mask_backend_errors: {enabled: true, details: [google.rpc.RetryInfo]}}]")
	off := s.serve(t, "default_access: PUBLIC", `services: [{match: "*", mask_backend_errors: {enabled: true}}, {match: attack.v1.Attack, mask_backend_errors: {}}]`)
	for _, c := range []codes.Code{codes.Internal, codes.Unknown, codes.DataLoss, codes.NotFound, codes.InvalidArgument, codes.Unavailable} {
		hides := c == codes.Internal || c == codes.Unknown || c == codes.DataLoss
		s.backend.Answer(failing(c))
		for name, gateway := range map[string]*testkit.Gateway{"default": s.gateway, "masked": masked, "off": off} {
			r := fetch(t, "GET", "http://"+gateway.Public+"/echo/a", "")
			id, f := r.Header.Get("Gatehouse-Decision-Id"), failureOf(t, r)
			hidden := name == "masked" && hides
			if strings.Contains(r.Text, "SELECT") == hidden || strings.Contains(r.Text, "stack") == hidden || strings.Contains(r.Text, "THEIRS") == hidden {
				t.Errorf("%s, %s: %s", name, c, r.Text)
			}
			if !strings.Contains(r.Text, "google.rpc.RetryInfo") {
				t.Errorf("%s, %s: the detail that is listed is missing: %s", name, c, r.Text)
			}
			if hidden && (!strings.Contains(f.Message, id) || f.reason() != "BACKEND_FAILED") {
				t.Errorf("%s, %s: no decision id %s in %s", name, c, id, r.Text)
			}
			st := s.invoke(t, gateway.Public, "Echo", "{}")
			if st.Code() != c || strings.Contains(st.Message(), "SELECT") == hidden || strings.Contains(fmt.Sprint(st.Details()), "stack") == hidden {
				t.Errorf("%s by gRPC: %v %v", name, st, st.Details())
			}
		}
	}
	until(t, "the log has what callers do not get", func() bool { return strings.Contains(masked.Stdout(), "SELECT * at 10.1.2.3") })
	s.backend.Answer(nil)

	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := closed.Addr().String()
	closed.Close()
	g := testkit.Serve(t, "--dev", "--descriptors", testkit.Descriptors(t, s.files), "--backend", address)
	r := fetch(t, "GET", "http://"+g.Public+"/echo/a", "")
	st := s.invoke(t, g.GRPC, "Echo", "{}")
	_, port, _ := net.SplitHostPort(address)
	for _, text := range []string{r.Text, fmt.Sprint(r.Header), fmt.Sprint(st.Proto())} {
		if strings.Contains(text, port) || strings.Contains(text, "127.0.0.1") || strings.Contains(text, "refused") || strings.Contains(text, ".go:") {
			t.Errorf("the gateway's own causes: %s", text)
		}
	}
	if r.StatusCode != 503 || st.Code() != codes.Unavailable {
		t.Errorf("%d, %v", r.StatusCode, st)
	}
	until(t, "the log has the cause", func() bool { return strings.Contains(g.Stdout(), address) })
	s.backend.Take()
}

// 40: the admin listener is for whoever is on the machine, or has a key, and for no page that a browser shows.
func adminListener(t *testing.T, s *siege) {
	schema := testkit.Descriptors(t, s.files)
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0"} {
		if said := testkit.Run(t, "serve", "--listen", "127.0.0.1:0", "--listen-grpc", "127.0.0.1:0", "--listen-admin", address, "--descriptors", schema); said.Code != 1 || !strings.Contains(said.Stderr, "listen-admin") {
			t.Errorf("%s: %d %s", address, said.Code, said.Stderr)
		}
	}
	sum := sha256.Sum256([]byte("the admin key"))
	g := testkit.Serve(t, append([]string{"--data", t.TempDir()}, configFile(t, "admin: {key_sha256: "+hex.EncodeToString(sum[:])+", hosts: [admin.example]}")...)...)
	open := testkit.Serve(t, "--data", t.TempDir())
	for name, c := range map[string]struct {
		gateway *testkit.Gateway
		path    string
		headers []string
		want    int
	}{
		"health":                  {g, "/healthz", nil, 200},
		"key":                     {g, "/v1/modules", []string{"Authorization: Bearer the admin key"}, 200},
		"key and name":            {g, "/v1/modules", []string{"Authorization: Bearer the admin key", "Host: admin.example"}, 200},
		"no key":                  {g, "/v1/modules", nil, 401},
		"no key for metrics":      {g, "/metrics", nil, 401},
		"empty key":               {g, "/v1/modules", []string{"Authorization: Bearer "}, 401},
		"its hash":                {g, "/v1/modules", []string{"Authorization: Bearer " + hex.EncodeToString(sum[:])}, 401},
		"another peer's default":  {g, "/v1/modules", []string{"X-API-KEY: edd1c9f034335f136f87ad84b625c8f1"}, 401},
		"path that looks open":    {g, "/healthz/../v1/modules", nil, 401},
		"path that looks open 2":  {g, "/healthz%2f..%2fv1/modules", nil, 401},
		"loopback":                {open, "/v1/modules", nil, 200},
		"localhost":               {open, "/v1/modules", []string{"Host: localhost"}, 200},
		"rebinding":               {open, "/v1/modules", []string{"Host: evil.example"}, 421},
		"rebinding that looks so": {open, "/v1/modules", []string{"Host: 127.0.0.1.evil.example"}, 421},
		"rebinding with health":   {open, "/healthz", []string{"Host: evil.example"}, 421},
		"other origin":            {open, "/v1/modules", []string{"Origin: https://evil.example"}, 403},
		"null origin":             {open, "/v1/modules", []string{"Origin: null"}, 403},
		"cross-site":              {open, "/v1/modules", []string{"Sec-Fetch-Site: cross-site"}, 403},
		"same-site":               {open, "/v1/modules", []string{"Sec-Fetch-Site: same-site"}, 403},
		"origin of another port":  {open, "/v1/modules", []string{"Origin: http://127.0.0.1:1"}, 403},
	} {
		wire := "GET " + c.path + " HTTP/1.1\r\nConnection: close\r\n"
		if !strings.Contains(strings.Join(c.headers, "\n"), "Host: ") {
			wire += "Host: " + c.gateway.Admin + "\r\n"
		}
		for _, h := range c.headers {
			wire += h + "\r\n"
		}
		if r := testkit.Raw(t, c.gateway.Admin, "GET", wire+"\r\n"); r.StatusCode != c.want {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.Text)
		}
	}
	r := testkit.Raw(t, open.Admin, "GET", "GET http://evil.example/v1/modules HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
	if r.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("absolute form: %d %s", r.StatusCode, r.Text)
	}
	// A form that any page may send, as text or as a form, does not publish.
	r = fetch(t, "POST", "http://"+open.Admin+"/v1/modules/evil/module:publish", `{"files":[]}`, "Content-Type: text/plain", "Origin: https://evil.example")
	if r.StatusCode != 403 {
		t.Errorf("a form of another page: %d %s", r.StatusCode, r.Text)
	}
	for _, address := range []string{open.Public, s.gateway.Public} {
		for _, path := range []string{"/v1/modules", "/metrics", "/healthz", "/readyz", "/gatehouse.registry.v1.Registry/ListModules", "/gatehouse.admin.v1.Admin/ListRoutes"} {
			if r := fetch(t, "GET", "http://"+address+path, ""); r.StatusCode != 404 {
				t.Errorf("%s on the public listener: %d %s", path, r.StatusCode, r.Text)
			}
		}
	}
	if st := s.invokeAt(t, open.GRPC, "/gatehouse.registry.v1.Registry/ListModules"); st.Code() != codes.Unimplemented {
		t.Errorf("on the internal listener: %v", st)
	}
}

// invokeAt calls any method with an empty message.
func (s *siege) invokeAt(t *testing.T, address, path string) *status.Status {
	t.Helper()
	var nothing, reply []byte
	return status.Convert(dialed(t, address).Invoke(t.Context(), path, &nothing, &reply, forceRaw))
}
