package e2e

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// etcdWatches are the first and only message that a watcher sends, and how many messages come back before anything
// changes.
func etcdWatches() map[string]struct {
	body  string
	items int
} {
	return map[string]struct {
		body  string
		items int
	}{
		"from now":              {`{"create_request":{"key":"Zm9v"}}`, 1},
		"from the past":         {`{"create_request":{"key":"Zm9v","range_end":"Zm9w","start_revision":"5","prev_kv":true}}`, 2},
		"without puts":          {`{"create_request":{"key":"Zm9v","range_end":"Zm9w","start_revision":"5","filters":["NOPUT"]}}`, 1},
		"from what is gone":     {`{"create_request":{"key":"Zm9v","start_revision":"2"}}`, 2},
		"from before the start": {`{"create_request":{"key":"Zm9v","start_revision":"-1"}}`, 1},
		"with an id":            {`{"create_request":{"key":"Zm9v","watch_id":"7"}}`, 1},
	}
}

// watch compares what watchers see. A watch takes one message, after which its client has said everything; it goes on
// until the client goes.
func (p *etcdPair) watch(t *testing.T) {
	for name, w := range etcdWatches() {
		t.Run(name, func(t *testing.T) {
			own, through := p.open(t, p.own, w.body), p.open(t, p.gatehouse, w.body)
			for range w.items {
				p.sameItem(t, own, through)
			}
		})
	}
	t.Run("goes on", func(t *testing.T) {
		body := `{"create_request":{"key":"bGl2ZQ==","prev_kv":true}}`
		own, through := p.open(t, p.own, body), p.open(t, p.gatehouse, body)
		p.sameItem(t, own, through)
		for _, s := range []etcdStep{
			{path: "/v3/kv/put", body: `{"key":"bGl2ZQ==","value":"MQ=="}`},
			{path: "/v3/kv/put", body: `{"key":"bGl2ZQ==","value":"Mg=="}`},
			{path: "/v3/kv/deleterange", body: `{"key":"bGl2ZQ=="}`},
		} {
			for _, address := range []string{p.own, p.gatehouse} {
				if a := p.send(t, address, s); a.status != http.StatusOK {
					t.Fatal(a.outcome())
				}
			}
			p.sameItem(t, own, through)
		}
	})
	t.Run("ends with its client", func(t *testing.T) {
		ctx, leave := context.WithCancel(bounded(t))
		through := openWatch(t, ctx, p.gatehouse, `{"create_request":{"key":"Zm9v"}}`)
		if _, err := through.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		until(t, "etcd counts the watcher", func() bool { return watchers(t, p.behind) == "1" })
		leave()
		until(t, "etcd forgets the watcher", func() bool { return watchers(t, p.behind) == "0" })
	})
}

// open starts a watch that ends with the test.
func (p *etcdPair) open(t *testing.T, address, body string) *bufio.Reader {
	t.Helper()
	return openWatch(t, bounded(t), address, body)
}

func openWatch(t *testing.T, ctx context.Context, address, body string) *bufio.Reader {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/v3/watch", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s answers a watch with %s", address, response.Status)
	}
	return bufio.NewReader(response.Body)
}

// sameItem reads one message of each watch and compares them.
func (p *etcdPair) sameItem(t *testing.T, own, through *bufio.Reader) {
	t.Helper()
	a, err := own.ReadString('\n')
	if err != nil {
		t.Fatalf("etcd's watch: %v", err)
	}
	b, err := through.ReadString('\n')
	if err != nil {
		t.Fatalf("gatehouse's watch: %v", err)
	}
	same(t, &pb.WatchResponse{}, nil, unwrapped(t, a), b)
}

var watcherTotal = regexp.MustCompile(`(?m)^etcd_debugging_mvcc_watcher_total (\d+)$`)

// watchers is how many watchers an etcd says it has.
func watchers(t *testing.T, address string) string {
	t.Helper()
	response, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	m := watcherTotal.FindSubmatch(text)
	if err != nil || m == nil {
		t.Fatalf("no count of watchers: %v", err)
	}
	return string(m[1])
}
