package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	libraryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/library/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// logLine is one line of the access log.
type logLine struct {
	Time, Method, Code, Protocol, Listener, Principal, Issuer, Client, Reason, Rule, Message, Cause, Verb, Path string
	HTTP                                                                                                        int
	LatencyMS                                                                                                   *float64 `json:"latency_ms"`
	DecisionID                                                                                                  string   `json:"decision_id"`
}

// lines reads the access log, once it has at least n lines.
func lines(t *testing.T, g *testkit.Gateway, n int) []logLine {
	t.Helper()
	until(t, fmt.Sprintf("%d lines of access log", n), func() bool { return strings.Count(g.Stdout(), "\n") >= n })
	var all []logLine
	for text := range strings.Lines(g.Stdout()) {
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		var line logLine
		if err := d.Decode(&line); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		all = append(all, line)
	}
	return all
}

func TestAccessLogAndMetrics(t *testing.T) {
	s := newGuarded(t, keysYAML())
	fetch(t, "GET", s.url("/v1/shelves"), "")
	refused := fetch(t, "POST", s.url("/v1/shelves"), `{"name":"shelves/a"}`, "x-api-key: "+keyOf("reader"))
	if _, err := s.library(t).GetBook(metadata.AppendToOutgoingContext(t.Context(), "x-api-key", keyOf("writer")), &libraryv1.GetBookRequest{Name: origin}); err != nil {
		t.Fatal(err)
	}
	s.backend.Answer(func(*testkit.Received, *testkit.Replies) error { return status.Error(codes.NotFound, "no such shelf") })
	fetch(t, "GET", s.url("/v1/shelves"), "")
	fetch(t, "GET", s.url("/nowhere?secret=1"), "")

	const library = "acme.library.v1.Library."
	got := lines(t, s.gateway, 5)
	for i, want := range []logLine{
		{Method: library + "ListShelves", Code: "OK", Protocol: "rest", Listener: "public"},
		{Method: library + "CreateShelf", Code: "PERMISSION_DENIED", Protocol: "rest", Listener: "public", Principal: "p-reader", Issuer: "api-key", Reason: "SCOPE_MISSING"},
		{Method: library + "GetBook", Code: "OK", Protocol: "grpc", Listener: "internal", Principal: "p-writer", Issuer: "api-key"},
		{Method: library + "ListShelves", Code: "NOT_FOUND", Protocol: "rest", Listener: "public", Message: "no such shelf"},
		{Verb: "GET", Path: "/nowhere", HTTP: 404, Protocol: "rest", Listener: "public"},
	} {
		line := got[i]
		if line.Client != "127.0.0.1" || len(line.DecisionID) != 32 || !regexp.MustCompile(`^\d{4}-\d\d-\d\dT[0-9:.]+Z$`).MatchString(line.Time) {
			t.Errorf("line %d: client %q, decision id %q, time %q", i+1, line.Client, line.DecisionID, line.Time)
		}
		if (line.LatencyMS == nil) != (want.Method == "") || line.LatencyMS != nil && (*line.LatencyMS <= 0 || *line.LatencyMS > 30_000) {
			t.Errorf("line %d: latency %v", i+1, line.LatencyMS)
		}
		if line.Reason == "SCOPE_MISSING" {
			if id := refused.Header.Get("Gatehouse-Decision-Id"); line.DecisionID != id {
				t.Errorf("the caller was told the decision id %s, the log says %s", id, line.DecisionID)
			}
			if line.Rule == "" || line.Message != failureOf(t, refused).Message {
				t.Errorf("line %d: rule %q, message %q", i+1, line.Rule, line.Message)
			}
			line.Message, line.Rule = "", ""
		}
		line.Time, line.Client, line.DecisionID, line.LatencyMS = "", "", "", nil
		if line != want {
			t.Errorf("line %d:\ngot  %+v\nwant %+v", i+1, line, want)
		}
	}
	metrics := fetch(t, "GET", "http://"+s.gateway.Admin+"/metrics", "").Text
	says(t, metrics,
		`gatehouse_calls_total{code="OK",listener="public",method="`+library+`ListShelves",protocol="rest"} 1`,
		`gatehouse_calls_total{code="NOT_FOUND",listener="public",method="`+library+`ListShelves",protocol="rest"} 1`,
		`gatehouse_calls_total{code="PERMISSION_DENIED",listener="public",method="`+library+`CreateShelf",protocol="rest"} 1`,
		`gatehouse_calls_total{code="OK",listener="internal",method="`+library+`GetBook",protocol="grpc"} 1`,
		`gatehouse_call_duration_seconds_count{method="`+library+`ListShelves",protocol="rest"} 2`,
		`gatehouse_unrouted_requests_total{listener="public",protocol="rest",status="404"} 1`,
		`gatehouse_calls_in_flight{listener="public"} 0`,
	)
}

func TestAccessLogOff(t *testing.T) {
	s := newScripted(t, "access_log: OFF")
	fetch(t, "GET", s.url("/v1/shelves"), "")
	s.gateway.Stop(t)
	if out := s.gateway.Stdout(); out != "" {
		t.Errorf("it says %q", out)
	}
}

// TestSecretsStayInside sends a canary in every place where secrets travel, and looks for it in everything that the
// gateway writes: logs, metrics, and replies, which may quote to a caller what is wrong in its own body or query.
func TestSecretsStayInside(t *testing.T) {
	const canary = "cAnArY-7f3a91"
	s := newGuarded(t, keysYAML()+keyYAML("canary", "library.write"), "limits: {timeout: 200ms}")
	secret := []string{
		"x-api-key: writer." + canary, "Authorization: Bearer " + canary, "Cookie: session=" + canary,
		"x-secret: " + canary, "User-Agent: " + canary,
	}
	id := "x-api-key: canary.canary-secret" // a right one; its secret must not appear either
	calls := 0
	send := func(verb, path, body string, headers ...string) {
		calls++
		r := fetch(t, verb, s.url(path), body, headers...)
		text := fmt.Sprint(r.Header, r.Text)
		if strings.Contains(text, "canary-secret") || strings.Contains(text, canary) && !strings.Contains(path+body, canary) {
			t.Errorf("%s %s: the reply has it: %s", verb, path, text)
		}
	}
	run := func() {
		for _, h := range secret {
			send("GET", "/v1/shelves", "", h)
			send("GET", "/nowhere?token="+canary, "", h)
			send("DELETE", "/v1/shelves", "", h)
			send("POST", "/v1/shelves", `{"name": "`+canary+`"}`, h, "Content-Type: text/html")
		}
		send("GET", "/v1/"+origin+"?pages="+canary, "")
		send("GET", "/v1/books?pageSize="+canary, "")
		send("POST", "/v1/shelves", `{"name": "`+canary+`"}`, id)
		send("POST", "/v1/shelves", `{"theme": `+canary+`}`, id)
		send("POST", "/v1/shelves/science/books?bookId=x", `{"pages": "`+canary+`"}`, id)
		send("POST", "/v1/shelves/science/books?bookId=x", `{"genre": "`+canary+`"}`, id)
		send("POST", "/v1/shelves/science/books?bookId=x", `{"publishTime": "`+canary+`"}`, id)
		for _, key := range []string{"writer." + canary, canary, "canary.canary-secret"} {
			ctx := metadata.AppendToOutgoingContext(t.Context(), "x-api-key", key, "x-secret", canary)
			for _, conn := range []*grpc.ClientConn{dialed(t, s.gateway.Public), dialed(t, s.gateway.GRPC)} {
				calls++
				_, err := libraryv1.NewLibraryClient(conn).CreateShelf(ctx, &libraryv1.CreateShelfRequest{Shelf: &libraryv1.Shelf{Name: canary}})
				if text := fmt.Sprint(err, status.Convert(err).Details()); strings.Contains(text, canary) {
					t.Errorf("the reply has it: %s", text)
				}
			}
		}
	}
	run()
	s.backend.Answer(hang)
	run()
	lines(t, s.gateway, calls)
	metrics := fetch(t, "GET", "http://"+s.gateway.Admin+"/metrics", "", secret...).Text
	s.gateway.Stop(t)
	for where, text := range map[string]string{"access log": s.gateway.Stdout(), "operator's log": s.gateway.Stderr(), "metrics": metrics} {
		for line := range strings.Lines(text) {
			if strings.Contains(line, canary) || strings.Contains(line, "canary-secret") {
				t.Errorf("%s: %s", where, line)
			}
		}
	}
}
