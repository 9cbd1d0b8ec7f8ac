package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// TestREST is what REST has beyond the numbered lines: streams, and the moment at which a body is asked for.
func TestREST(t *testing.T) {
	k := newKit(t)
	for name, test := range map[string]func(*testing.T, *kit){
		"StreamIsLinesThatLeaveAtOnce":       streamLines,
		"StreamThatFailsBeforeItsFirstLine":  streamFailsEarly,
		"StreamThatFailsEndsWithAnErrorLine": streamFailsLate,
		"StreamsByAccept":                    streamsByAccept,
		"ManyMessagesByBody":                 manyByBody,
		"StreamWithoutLines":                 streamEmpty,
		"BidiTakesItsBodyAsOneMessage":       bidi,
		"ClientThatLeavesEndsTheCall":        clientLeaves,
		"BodyIsAskedForAfterAdmission":       expectContinue,
		"SameOverHTTP2":                      overHTTP2,
		"UnknownNamesAreCounted":             unknownNames,
	} {
		t.Run(name, func(t *testing.T) {
			k.backend.Take() // what tests before this one left
			defer k.backend.Answer(nil)
			test(t, k)
		})
	}
}

func streamLines(t *testing.T, k *kit) {
	next := make(chan struct{})
	k.backend.Answer(func(_ *testkit.Received, s *testkit.Replies) error {
		for i := range 3 {
			m := s.New()
			if err := protojson.Unmarshal(fmt.Appendf(nil, `{"i":%d,"s":"line\nbreak"}`, i+1), m); err != nil {
				return err
			}
			if err := s.Send(m); err != nil {
				return err
			}
			select {
			case <-next: // the client has read it
			case <-s.Context().Done():
				return s.Context().Err()
			}
		}
		return nil
	})
	response, err := http.Get("http://" + k.gateways[""].Public + "/many")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for i := range 3 {
		if want := fmt.Sprintf(`{"s":"line\nbreak","i":%d}`, i+1); !lines.Scan() || lines.Text() != want {
			t.Fatalf("line %d: %q, want %q", i, lines.Text(), want)
		}
		next <- struct{}{}
	}
	if lines.Scan() || lines.Err() != nil || response.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("then %q, %v, %v", lines.Text(), lines.Err(), response.Header)
	}
}

func streamFailsEarly(t *testing.T, k *kit) {
	k.backend.Answer(func(_ *testkit.Received, s *testkit.Replies) error {
		if err := s.SendHeader(metadata.Pairs("x-early", "1")); err != nil {
			return err
		}
		return status.Error(codes.NotFound, "nothing here")
	})
	r := k.send(t, request("GET", "/many"))
	if f := failureOf(t, r); r.StatusCode != 404 || f.Message != "nothing here" || r.Header.Get("X-Early") != "1" {
		t.Errorf("got %d %s %v", r.StatusCode, r.Text, r.Header)
	}
}

func streamFailsLate(t *testing.T, k *kit) {
	k.backend.Answer(func(_ *testkit.Received, s *testkit.Replies) error {
		if err := s.Send(s.New()); err != nil {
			return err
		}
		return status.Error(codes.DataLoss, "lost\nthe rest")
	})
	r := k.send(t, request("GET", "/many", "TE: trailers"))
	want := "{}\n" + `{"error":{"code":500,"message":"lost\nthe rest","status":"DATA_LOSS"}}` + "\n"
	if r.StatusCode != 200 || r.Text != want {
		t.Errorf("got %d %q, want %q", r.StatusCode, r.Text, want)
	}
	if len(r.Trailer.Get("Gatehouse-Decision-Id")) != 32 {
		t.Errorf("trailers %v", r.Trailer)
	}
	k.backend.Answer(nil)
	if r := k.send(t, request("GET", "/many", "TE: trailers")); r.StatusCode != 200 || r.Trailer.Get("Gatehouse-Decision-Id") != "" {
		t.Errorf("success: %d, trailers %v", r.StatusCode, r.Trailer)
	}
}

func streamEmpty(t *testing.T, k *kit) {
	k.backend.Answer(func(*testkit.Received, *testkit.Replies) error { return nil })
	r := k.send(t, request("GET", "/many"))
	if r.StatusCode != 200 || r.Text != "" || r.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("got %d %q %v", r.StatusCode, r.Text, r.Header)
	}
}

func bidi(t *testing.T, k *kit) {
	k.backend.Answer(func(c *testkit.Received, s *testkit.Replies) error {
		for range 2 {
			if err := s.Send(c.Requests[0]); err != nil {
				return err
			}
		}
		return nil
	})
	r := k.send(t, withBody("POST", "/chat", `{"n":"x"}`))
	if calls := k.backend.Take(); len(calls) != 1 || len(calls[0].Requests) != 1 {
		t.Fatalf("got %d %s", r.StatusCode, r.Text)
	}
	if want := "{\"n\":\"x\"}\n{\"n\":\"x\"}\n"; r.StatusCode != 200 || r.Text != want {
		t.Errorf("got %d %q, want %q", r.StatusCode, r.Text, want)
	}
	r = k.send(t, withBody("POST", "/chat", `{"nope":"x"}`))
	if f := failureOf(t, r); r.StatusCode != 400 || f.reason() != "UNKNOWN_FIELD" {
		t.Errorf("a message that is refused: %d %s", r.StatusCode, r.Text)
	}
}

func clientLeaves(t *testing.T, k *kit) {
	arrived, ended := make(chan struct{}), make(chan time.Time, 1)
	k.backend.Answer(func(_ *testkit.Received, s *testkit.Replies) error {
		close(arrived)
		<-s.Context().Done()
		ended <- time.Now()
		return s.Context().Err()
	})
	conn, err := net.Dial("tcp", k.gateways[""].Public)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request("GET", "/one/x").wire()); err != nil {
		t.Fatal(err)
	}
	<-arrived
	left := time.Now()
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if took := (<-ended).Sub(left); took > 50*time.Millisecond*slow {
		t.Errorf("the backend's call ended after %v", took)
	}
}

// slow is what the machine that runs the tests may be slower than one that serves.
const slow = 10

func expectContinue(t *testing.T, k *kit) {
	converse := func(target string) (first string) {
		conn, err := net.Dial("tcp", k.gateways[""].Public)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", target)
		lines := bufio.NewReader(conn)
		if first, err = lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(first)
	}
	if got := converse("/whole"); got != "HTTP/1.1 100 Continue" {
		t.Errorf("a body that is wanted: %s", got)
	}
	if got := converse("/nowhere"); got != "HTTP/1.1 404 Not Found" {
		t.Errorf("a body that is not: %s", got)
	}
}

func overHTTP2(t *testing.T, k *kit) {
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for target, want := range map[string]int{"/one/a%2Fb": 200, "/one/a/b": 404, "/query?i=x": 400} {
		response, err := client.Get("http://" + k.gateways[""].Public + target)
		if err != nil {
			t.Fatal(err)
		}
		var body any
		err = json.NewDecoder(response.Body).Decode(&body)
		response.Body.Close()
		if response.StatusCode != want || response.ProtoMajor != 2 || err != nil {
			t.Errorf("%s: %s %d, %v, want %d", target, response.Proto, response.StatusCode, err, want)
		}
	}
	if calls := k.backend.Take(); len(calls) != 1 || !strings.Contains(fmt.Sprint(calls[0].Requests[0]), "a/b") {
		t.Errorf("the backend got %d calls", len(calls))
	}
}

// unknownNames: a lenient service gets what it knows, and the metrics say how much it did not get. What a strict one
// refuses is no number there.
func unknownNames(t *testing.T, k *kit) {
	before := ignored(t, k, "field")
	c := withBody("POST", "/lenient/whole/a?x=1&y=2", `{"i":7,"nope":{"a":[1]},"neither":null}`)
	c.method, c.request = "LenientWhole", `{"s":"a","i":7}`
	k.accept(t, c)
	if n := ignored(t, k, "field") - before; n != 4 {
		t.Errorf("%d names were counted, want 2 parameters and 2 fields", n)
	}
	k.refuse(t, request("GET", "/query?x=1").refusedWith(400, "UNKNOWN_PARAMETER"))
	if n := ignored(t, k, "field") - before; n != 4 {
		t.Errorf("%d names were counted after a refusal", n)
	}
}
