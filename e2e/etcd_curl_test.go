package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-gateway/gatehouse/e2e/etcd"
)

// etcdCurl are the command lines of etcd's documentation of its JSON gateway, in their order, as they stand there but
// for the watch's "&". TOKEN is what the line before it has answered.
func etcdCurl() []struct {
	line     string
	reply    proto.Message
	unsteady map[string]string
} {
	put, ranged, txn := &etcdserverpb.PutResponse{}, &etcdserverpb.RangeResponse{}, &etcdserverpb.TxnResponse{}
	return []struct {
		line     string
		reply    proto.Message
		unsteady map[string]string
	}{
		{`curl -L http://localhost:2379/v3/kv/put \
  -X POST -d '{"key": "Zm9v", "value": "YmFy"}'`, put, nil},
		{`curl -L http://localhost:2379/v3/kv/range \
  -X POST -d '{"key": "Zm9v"}'`, ranged, nil},
		{`curl -L http://localhost:2379/v3/kv/range \
  -X POST -d '{"key": "Zm9v", "range_end": "Zm9w"}'`, ranged, nil},
		{`curl -N http://localhost:2379/v3/watch \
  -X POST -d '{"create_request": {"key":"Zm9v"} }'`, &etcdserverpb.WatchResponse{}, nil},
		{`curl -L http://localhost:2379/v3/kv/put \
  -X POST -d '{"key": "Zm9v", "value": "YmFy"}' >/dev/null 2>&1`, nil, nil},
		{`curl -L http://localhost:2379/v3/kv/txn \
  -X POST \
  -d '{"compare":[{"target":"CREATE","key":"Zm9v","createRevision":"2"}],"success":[{"requestPut":{"key":"Zm9v","value":"YmFy"}}]}'`, txn, nil},
		{`curl -L http://localhost:2379/v3/kv/txn \
  -X POST \
  -d '{"compare":[{"version":"4","result":"EQUAL","target":"VERSION","key":"Zm9v"}],"success":[{"requestRange":{"key":"Zm9v"}}]}'`, txn, nil},
		{`curl -L http://localhost:2379/v3/auth/user/add \
  -X POST -d '{"name": "root", "password": "pass"}'`, &etcdserverpb.AuthUserAddResponse{}, nil},
		{`curl -L http://localhost:2379/v3/auth/role/add \
  -X POST -d '{"name": "root"}'`, &etcdserverpb.AuthRoleAddResponse{}, nil},
		{`curl -L http://localhost:2379/v3/auth/user/grant \
  -X POST -d '{"user": "root", "role": "root"}'`, &etcdserverpb.AuthUserGrantRoleResponse{}, nil},
		{`curl -L http://localhost:2379/v3/auth/enable -X POST -d '{}'`, &etcdserverpb.AuthEnableResponse{}, nil},
		{`curl -L http://localhost:2379/v3/auth/authenticate \
  -X POST -d '{"name": "root", "password": "pass"}'`, &etcdserverpb.AuthenticateResponse{}, map[string]string{"token": "a random token"}},
		{`curl -L http://localhost:2379/v3/kv/put \
  -H 'Authorization: TOKEN' \
  -X POST -d '{"key": "Zm9v", "value": "YmFy"}'`, put, nil},
	}
}

// TestEtcdCurl runs the lines against an etcd and against Gatehouse before another one.
func TestEtcdCurl(t *testing.T) {
	t.Parallel()
	p := newEtcdPair(t, etcd.Built(t))
	shells := []*curlShell{{address: p.own}, {address: p.gatehouse}}
	for _, c := range etcdCurl() {
		own, through := shells[0].run(t, c.line), shells[1].run(t, c.line)
		if strings.Contains(c.line, "/v3/watch") {
			own = unwrapped(t, own)
		}
		if c.reply != nil {
			same(t, c.reply, c.unsteady, own, through)
		}
		if strings.Contains(c.line, "/v3/kv/put") && strings.Contains(c.line, "/dev/null") {
			same(t, &etcdserverpb.WatchResponse{}, nil, unwrapped(t, shells[0].next(t)), shells[1].next(t))
		}
	}
	// The last line shows something only if the token counts.
	refused := etcdStep{path: "/v3/kv/put", body: `{"key": "Zm9v"}`}
	if own, through := p.send(t, p.own, refused), p.send(t, p.gatehouse, refused); own.outcome() != "400 InvalidArgument etcdserver: user name is empty" || own.outcome() != through.outcome() {
		t.Errorf("without a token: etcd answers %q, gatehouse %q", own.outcome(), through.outcome())
	}
}

// curlShell runs command lines in a shell, with another address.
type curlShell struct {
	address string
	token   string
	watch   *bufio.Reader
}

// run returns what a line prints; of a watch, which goes on in the background, the first line.
func (s *curlShell) run(t *testing.T, line string) string {
	t.Helper()
	line = strings.Replace(line, "localhost:2379", s.address, 1)
	line = strings.Replace(line, "TOKEN", s.token, 1)
	if strings.Contains(line, "/v3/watch") {
		s.start(t, line)
		return s.next(t)
	}
	out, err := exec.Command("sh", "-c", line).Output()
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	var answer struct{ Token string }
	if json.Unmarshal(out, &answer) == nil && answer.Token != "" {
		s.token = answer.Token
	}
	return string(out)
}

// start runs a line that does not end until the test does.
func (s *curlShell) start(t *testing.T, line string) {
	t.Helper()
	process := exec.Command("sh", "-c", "exec "+line)
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	context.AfterFunc(bounded(t), func() { _ = process.Process.Kill() }) // at the latest when the test ends
	t.Cleanup(func() {
		_ = process.Process.Kill() // it may have ended already
		_ = process.Wait()
	})
	s.watch = bufio.NewReader(out)
}

// next returns the next line of the watch.
func (s *curlShell) next(t *testing.T) string {
	t.Helper()
	line, err := s.watch.ReadString('\n')
	if err != nil {
		t.Fatalf("the watch at %s: %v", s.address, err)
	}
	return line
}
