package e2e

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// countTo sends as many messages as are asked for, and fails then if err is not nil.
func countTo(messages int, err error) testkit.Script {
	return func(_ *testkit.Received, s *testkit.Replies) error {
		for i := range messages {
			m := s.New()
			if err := protojson.Unmarshal(fmt.Appendf(nil, `{"i":%d}`, i+1), m); err != nil {
				return err
			}
			if err := s.Send(m); err != nil {
				return err
			}
		}
		return err
	}
}

// streamsByAccept: what a client accepts decides how a stream is written, and how it ends.
func streamsByAccept(t *testing.T, k *kit) {
	defer k.backend.Answer(nil)
	lost := status.Error(codes.DataLoss, "lost")
	const late = `{"error":{"code":500,"message":"lost","status":"DATA_LOSS"}}`
	for _, c := range []struct{ accept, media, none, two, failed string }{
		{"", "application/x-ndjson", "", "{\"i\":1}\n{\"i\":2}\n", "{\"i\":1}\n" + late + "\n"},
		{"*/*", "application/x-ndjson", "", "{\"i\":1}\n{\"i\":2}\n", "{\"i\":1}\n" + late + "\n"},
		{"application/jsonl", "application/jsonl", "", "{\"i\":1}\n{\"i\":2}\n", "{\"i\":1}\n" + late + "\n"},
		{"application/json", "application/json", "[]\n", "[{\"i\":1},\n{\"i\":2}]\n", "[{\"i\":1},\n" + late + "]\n"},
		{"application/json, text/plain, */*", "application/json", "[]\n", "[{\"i\":1},\n{\"i\":2}]\n", "[{\"i\":1},\n" + late + "]\n"},
		{"application/json;q=0.5, application/x-ndjson", "application/x-ndjson", "", "{\"i\":1}\n{\"i\":2}\n", "{\"i\":1}\n" + late + "\n"},
		{
			"text/event-stream", "text/event-stream", "event: end\ndata: {}\n\n", "id: 1\ndata: {\"i\":1}\n\nid: 2\ndata: {\"i\":2}\n\nevent: end\ndata: {}\n\n",
			"id: 1\ndata: {\"i\":1}\n\nevent: error\ndata: " + late + "\n\n",
		},
	} {
		var headers []string
		if c.accept != "" {
			headers = []string{"Accept: " + c.accept}
		}
		for _, one := range []struct {
			script testkit.Script
			want   string
		}{{countTo(0, nil), c.none}, {countTo(2, nil), c.two}, {countTo(1, lost), c.failed}} {
			k.backend.Answer(one.script)
			r := k.send(t, request("GET", "/many", headers...))
			if r.StatusCode != 200 || r.Header.Get("Content-Type") != c.media || r.Text != one.want {
				t.Errorf("accept %q: %d %s %q, want %q", c.accept, r.StatusCode, r.Header.Get("Content-Type"), r.Text, one.want)
			}
			if c.media == "application/json" && !json.Valid([]byte(r.Text)) {
				t.Errorf("not JSON: %q", r.Text)
			}
			zipped := k.send(t, request("GET", "/many", append(headers, "Accept-Encoding: gzip")...))
			if text := unzipped(t, zipped); text != one.want {
				t.Errorf("accept %q, zipped: %q, want %q", c.accept, text, one.want)
			}
			if plain := zipped.Header.Get("Content-Encoding") == ""; plain != (c.media == "text/event-stream") {
				t.Errorf("accept %q: plain %v", c.accept, plain)
			}
		}
		k.backend.Answer(countTo(0, lost))
		if r := k.send(t, request("GET", "/many", headers...)); r.StatusCode != 500 || r.Text != late || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("accept %q, early failure: %d %q", c.accept, r.StatusCode, r.Text)
		}
		if r := k.send(t, request("HEAD", "/many", headers...)); r.Text != "" {
			t.Errorf("HEAD: %q", r.Text)
		}
	}
	for _, accept := range []string{"text/event-stream", "text/html"} {
		if r := k.send(t, request("GET", "/query", "Accept: "+accept)); r.StatusCode != 406 {
			t.Errorf("one message, accept %s: %d", accept, r.StatusCode)
		}
	}
	k.backend.Take()
}

// 90: server-sent events.
func serverSentEvents(t *testing.T, k *kit) {
	defer k.backend.Answer(nil)
	go1, go2 := make(chan struct{}), make(chan struct{})
	k.backend.Answer(func(c *testkit.Received, s *testkit.Replies) error {
		if got := c.Metadata.Get("last-event-id"); len(got) != 1 || got[0] != "41" {
			return status.Errorf(codes.InvalidArgument, "last-event-id %q", got)
		}
		<-go1
		m := s.New()
		if err := protojson.Unmarshal([]byte(`{"s":"line\nbreak"}`), m); err != nil {
			return err
		}
		if err := s.Send(m); err != nil {
			return err
		}
		<-go2
		return status.Error(codes.Aborted, "over")
	})
	r, err := http.NewRequestWithContext(bounded(t), "GET", "http://"+k.gateways["events"].Public+"/many", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Last-Event-ID", "41")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-cache", "X-Accel-Buffering": "no"} {
		if got := response.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	lines := bufio.NewScanner(response.Body)
	var seen []string
	wait := func(line string) {
		t.Helper()
		for lines.Scan() {
			if text := lines.Text(); text != "" {
				if len(seen) == 0 || seen[len(seen)-1] != ": " || text != ": " { // one beat of the heart is as good as ten
					seen = append(seen, text)
				}
				if text == line {
					return
				}
			}
		}
		t.Fatalf("no %q; %q", line, seen)
	}
	wait(": ") // before there is any message
	close(go1)
	wait(`data: {"s":"line\nbreak"}`)
	wait(": ")
	wait(": ")
	close(go2)
	wait(`data: {"error":{"code":409,"message":"over","status":"ABORTED"}}`)
	for lines.Scan() {
		seen = append(seen, lines.Text())
	}
	want := `retry: 2500|: |id: 42|data: {"s":"line\nbreak"}|: |event: error|data: {"error":{"code":409,"message":"over","status":"ABORTED"}}|`
	if got := strings.Join(seen, "|"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	k.backend.Take()
}

// unzipped returns a text without gzip, if it has any.
func unzipped(t *testing.T, r *testkit.Response) string {
	t.Helper()
	if r.Header.Get("Content-Encoding") != "gzip" {
		return r.Text
	}
	z, err := gzip.NewReader(strings.NewReader(r.Text))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
