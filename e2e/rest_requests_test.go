package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ordersv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/orders/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

const chatPath = "/semantics.v1.Bindings/Chat"

// manyByBody: a body of lines or one array is many messages, path and query are set in each.
func manyByBody(t *testing.T, k *kit) {
	for _, c := range []struct {
		media, body string
		want        []string
	}{
		{"application/x-ndjson", "{\"n\":\"a\"}\n\n{\"n\":\"b\"}", []string{`{"n":"a"}`, `{"n":"b"}`}},
		{"application/jsonl; charset=utf-8", "{}\r\n{\"n\":\"b\"}\r\n", []string{`{}`, `{"n":"b"}`}},
		{"application/json", ` [ {"n":"a"} , {"n":"]"} ] `, []string{`{"n":"a"}`, `{"n":"]"}`}},
		{"application/json", `{"n":"a"}`, []string{`{"n":"a"}`}},
		{"", `[{"n":"a"}]`, []string{`{"n":"a"}`}},
		{"application/json", `[]`, nil},
		{"application/x-ndjson", "", nil},
		{"application/json", "", []string{`{}`}},
		{"application/x-www-form-urlencoded", `[{},{"n":"b"}]`, []string{`{}`, `{"n":"b"}`}}, // as curl -d sends it
	} {
		r := k.send(t, withBody("POST", chatPath, c.body, header("Content-Type", c.media)...))
		calls := k.backend.Take()
		if r.StatusCode != 200 || len(calls) != 1 || len(calls[0].Requests) != len(c.want) {
			t.Errorf("%s %q: %d %s, %d calls", c.media, c.body, r.StatusCode, r.Text, len(calls))
			continue
		}
		for i, want := range c.want {
			if got := textOf(calls[0].Requests[i]); got != want {
				t.Errorf("%s %q: message %d is %s, want %s", c.media, c.body, i, got, want)
			}
		}
		zipped := k.send(t, withBody("POST", chatPath, zipped(t, c.body), append(header("Content-Type", c.media), "Content-Encoding: gzip")...))
		if calls := k.backend.Take(); zipped.StatusCode != 200 || len(calls) != 1 || len(calls[0].Requests) != len(c.want) {
			t.Errorf("%s %q, zipped: %d %s", c.media, c.body, zipped.StatusCode, zipped.Text)
		}
	}
	for _, c := range []struct {
		media, body string
		status      int
		reason      string
		text        string
	}{
		{"application/x-ndjson", "{\"nope\":1}", 400, "UNKNOWN_FIELD", "line 1: "},
		{"application/x-ndjson", "{}\n\n {\"nope\":1}", 400, "UNKNOWN_FIELD", "line 3: nope: (line 3:"},
		{"application/x-ndjson", "{}\n\n{\"n\":}", 400, "MALFORMED_BODY", "line 3: "},
		{"application/x-ndjson", "{} {}", 400, "MALFORMED_BODY", "line 1: "},
		{"application/x-ndjson", "[{}]", 400, "", "line 1: "},
		{"application/json", "[{},{\"nope\":1}]", 400, "UNKNOWN_FIELD", "element 2: "},
		{"application/json", "[{}", 400, "MALFORMED_BODY", "ends within the array"},
		{"application/json", "[{}] {}", 400, "MALFORMED_BODY", "behind the array"},
		{"application/json", "[{},]", 400, "MALFORMED_BODY", "element 2: "},
		{"application/json", "{}{}", 400, "MALFORMED_BODY", ""},
		{"application/json", "[" + strings.Repeat(" ", 5<<20) + strings.Repeat("9", 5<<20) + "]", 413, "BODY_TOO_LARGE", "element 1: "},
		{"application/x-ndjson", "{}\n" + strings.Repeat("9", 5<<20), 413, "BODY_TOO_LARGE", "line 2: "},
		{"application/x-www-form-urlencoded", "n=a", 415, "UNSUPPORTED_MEDIA_TYPE", "application/x-ndjson"},
		{"application/xml", "<a/>", 415, "UNSUPPORTED_MEDIA_TYPE", "application/x-ndjson"},
	} {
		r := k.send(t, withBody("POST", chatPath, c.body, "Content-Type: "+c.media))
		if f := failureOf(t, r); r.StatusCode != c.status || c.reason != "" && f.reason() != c.reason || !strings.Contains(f.Message, c.text) {
			t.Errorf("%s %.30q: %d %s %s, want %s", c.media, c.body, r.StatusCode, f.reason(), f.Message, c.text)
		}
		k.backend.Take()
	}
}

func header(name, value string) []string {
	if value == "" {
		return nil
	}
	return []string{name + ": " + value}
}

// TestRESTBidi talks to a backend that answers each message before the next is sent.
func TestRESTBidi(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	g := testkit.Serve(t, append([]string{"--dev", "--proto", s.proto(t)}, s.backends()...)...)
	h1 := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: longest}
	for name, client := range map[string]*http.Client{"HTTP1": h1, "HTTP2": h2c(t)} {
		for media, form := range map[string]struct{ begin, between, end string }{
			"application/x-ndjson": {"", "\n", ""}, "application/json": {"[", ",", "]"},
		} {
			t.Run(name+"/"+media, func(t *testing.T) {
				body, say := io.Pipe()
				r, err := http.NewRequestWithContext(bounded(t), "POST", "http://"+g.Public+"/acme.orders.v1.Orders/QuoteOrders", body)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", media)
				go fmt.Fprintf(say, "%s{\"book\":\"shelves/science/books/origin\",\"quantity\":1}%s", form.begin, form.between)
				response, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				lines := bufio.NewReader(response.Body)
				for i := 1; i <= 3; i++ {
					if line, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(line, "{") {
						t.Fatalf("reply %d: %q, %v", i, line, err)
					}
					if i < 3 {
						fmt.Fprintf(say, "{\"book\":\"shelves/science/books/origin\",\"quantity\":%d}", i+1)
						if i < 2 || form.end == "" {
							fmt.Fprint(say, form.between)
						}
						if i == 2 {
							fmt.Fprint(say, form.end) // else an array's last element has no end yet
						}
					}
				}
				if err := say.Close(); err != nil {
					t.Fatal(err)
				}
				if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
					t.Errorf("then %q, %v", rest, err)
				}
			})
		}
	}
}

// TestRESTManyHostile: what is wrong in the middle of many messages ends the call, and nothing stays behind.
func TestRESTManyHostile(t *testing.T) {
	t.Parallel()
	backend := grpc.NewServer()
	left := make(chan error, 1)
	ordersv1.RegisterOrdersServer(backend, taking{left: left})
	target, _ := serveOn(t, "127.0.0.1:0", backend)
	g := testkit.Serve(t, append([]string{"--dev", "--proto", newShop(t).proto(t), "--backend", target}, configFile(t, "limits: {stall_timeout: 0.3s, body_bytes_max: 1024}")...)...)
	const head = "POST /acme.orders.v1.Orders/QuoteOrders HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
	item := "{\"book\":\"shelves/science/books/origin\",\"quantity\":1}\n"
	whole := fmt.Sprintf("%x\r\n%s\r\n", len(item), item)
	for name, c := range map[string]struct {
		body  string
		leave bool
		want  string // in what comes back
	}{
		"rubbish":         {whole + "4\r\nno!\n\r\n", false, "MALFORMED_BODY"},
		"rubbish of HTTP": {whole + "zz\r\n", false, ""},
		"half a line":     {whole + "1\r\n{\r\n", false, "BODY_TOO_SLOW"},
		"gone":            {whole + "1\r\n{\r\n", true, ""},
		"gone in between": {whole, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", g.Public)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(longest))
			fmt.Fprint(conn, head+c.body)
			if c.leave {
				_ = conn.Close()
			} else if text, err := io.ReadAll(conn); err != nil || !strings.Contains(string(text), c.want) {
				t.Errorf("got %q, %v", text, err)
			}
			select {
			case err := <-left:
				if status.Code(err) != codes.Canceled {
					t.Errorf("the backend heard %v", err)
				}
			case <-time.After(longest):
				t.Error("the backend's call goes on")
			}
		})
	}
	before := g.MemoryPeak(t)
	lines := bytes.Repeat([]byte(item), 20_000) // 1 MiB
	endless, say := io.Pipe()
	go func() {
		mebibytes := 64
		if testkit.Race() {
			mebibytes = 4
		}
		for range mebibytes {
			if _, err := say.Write(lines); err != nil {
				return
			}
		}
		_ = say.Close()
	}()
	r, err := http.NewRequestWithContext(bounded(t), "POST", "http://"+g.Public+"/acme.orders.v1.Orders/QuoteOrders", endless)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-ndjson")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := <-left; err != io.EOF || response.StatusCode != 200 {
		t.Errorf("64 MiB: %v, %d", err, response.StatusCode)
	}
	if grown := g.MemoryPeak(t) - before; grown > 48<<20 && !testkit.Race() {
		t.Errorf("64 MiB of messages took %d MiB", grown>>20)
	}
}

// taking takes quotes until there are no more, and tells why.
type taking struct {
	ordersv1.UnimplementedOrdersServer
	left chan<- error
}

func (s taking) QuoteOrders(stream grpc.BidiStreamingServer[ordersv1.Item, ordersv1.Quote]) error {
	for {
		if _, err := stream.Recv(); err != nil {
			s.left <- err
			return nil
		}
	}
}
