package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	libraryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/library/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

// seen is what a client in the page saw of a call.
type seen struct {
	Title   any      `json:"title,omitempty"`
	Titles  []string `json:"titles,omitempty"`
	Header  string   `json:"header,omitempty"`
	Trailer string   `json:"trailer,omitempty"`
	Code    int      `json:"code,omitempty"`
	Message string   `json:"message,omitempty"`
	Details []string `json:"details,omitempty"`
	Left    bool     `json:"left,omitempty"`
	Thrown  string   `json:"thrown,omitempty"`
}

// inBrowser is what every client sees, whatever protocol it speaks. Only those of Connect's own make see details.
var inBrowser = map[string]seen{
	"unary":                 {Title: "ü asked", Header: "h", Trailer: "t"},
	"empty":                 {Header: "h", Trailer: "t"},
	"large":                 {Title: float64(1 << 20), Header: "h", Trailer: "t"},
	"failure":               {Code: 5, Message: "no such böok", Details: []string{"google.rpc.ResourceInfo"}, Header: "h", Trailer: "t"},
	"invalid":               {Code: 3, Message: "name: must be at least 1 characters", Details: []string{"google.rpc.ErrorInfo", "google.rpc.BadRequest"}},
	"deadline":              {Code: 4},
	"stream":                {Titles: []string{"0", "1", "2"}, Header: "h", Trailer: "t"},
	"streamOfNothing":       {Header: "h", Trailer: "t"},
	"streamThatFails":       {Titles: []string{"0", "1"}, Code: 10, Message: "broken", Header: "h", Trailer: "t"},
	"streamThatFailsAtOnce": {Code: 10, Message: "broken", Header: "h", Trailer: "t"},
	"streamThatIsLeft":      {Titles: []string{"0"}, Left: true, Header: "h"},
}

// TestBrowser calls the gateway from a page in Chromium, by connect-web and grpc-web.
func TestBrowser(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	dir := s.proto(t)
	sources, err := compile.ReadDir(dir, func(note string) { t.Error(note) })
	if err != nil {
		t.Fatal(err)
	}
	files := testkit.Compile(t, sources)
	backend := testkit.NewBackend(t, files)
	left := make(chan struct{}, 100)
	backend.Answer(libraryForPages(left))
	for name, page := range map[string]struct{ config, origin string }{
		"SameOrigin":  {"", ""},
		"OtherOrigin": {"cors: {allowed_origins: ['http://localhost:*'], allowed_headers: ['*']}", "http://localhost:5173"},
		"Credentials": {"cors: {allowed_origins: ['http://localhost:5173'], credentials: true, allowed_headers: ['*'], exposed_headers: [x-header, x-trailer, trailer-x-trailer, grpc-status, grpc-message, grpc-status-details-bin]}", "http://localhost:5173"},
	} {
		t.Run(name, func(t *testing.T) {
			g := testkit.Serve(t, append(configFile(t, page.config), "--dev", "--proto", dir, "--backend", backend.Target)...)
			inPage(t, left, "http://"+g.Public, testkit.Descriptors(t, files), cmp.Or(page.origin, "http://"+g.Public))
		})
	}
}

// inPage calls the gateway from a page of an origin.
func inPage(t *testing.T, left <-chan struct{}, gateway, descriptors, origin string) {
	page := exec.CommandContext(bounded(t), "node", "browser/run.mjs", gateway, descriptors, origin)
	var stdout, stderr bytes.Buffer
	page.Stdout, page.Stderr = &stdout, &stderr
	if err := page.Run(); err != nil {
		t.Fatalf("the page: %v (make test-deps installs what it needs)\n%s%s", err, stdout.String(), stderr.String())
	}
	var got struct {
		Clients map[string]map[string]seen
		Own     map[string][]string
	}
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, stdout.String())
	}
	if len(got.Clients) != 5 || len(got.Own) != 4 {
		t.Fatalf("%d clients and %d cases without", len(got.Clients), len(got.Own))
	}
	for name, titles := range got.Own {
		if !slices.Equal(titles, []string{"0", "1", "2"}) {
			t.Errorf("%s: %q", name, titles)
		}
	}
	for client, calls := range got.Clients {
		for name, want := range inBrowser {
			if name == "streamThatIsLeft" && client == "grpc-web-binary" {
				continue // it sees a stream's messages only at its end
			}
			t.Run(client+"/"+name, func(t *testing.T) { compareSeen(t, client, calls[name], want) })
		}
		if client == "grpc-web-binary" {
			continue
		}
		select { // the backend's call has ended, too, when a page leaves
		case <-left:
		case <-time.After(5 * time.Second):
			t.Errorf("%s: the backend's call goes on when the page has left", client)
		}
	}
}

func compareSeen(t *testing.T, client string, got, want seen) {
	t.Helper()
	if strings.HasPrefix(client, "grpc-web-") {
		want.Details = nil
		if want.Left {
			want.Header = "" // it tells headers when a call ends
		}
	}
	if got.Title == "" {
		got.Title = nil
	}
	if len(got.Titles) == 0 {
		got.Titles = nil
	}
	if len(got.Details) == 0 {
		got.Details = nil
	}
	if name := got.Code; name == int(codes.DeadlineExceeded) && want.Message == "" {
		got = seen{Code: got.Code} // whoever was first, the client, the gateway or the backend
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// libraryForPages answers a page's calls by the name that they ask for. It says when a call was left by its client.
func libraryForPages(left chan<- struct{}) testkit.Script {
	return func(c *testkit.Received, s *testkit.Replies) error {
		if err := s.SetHeader(metadata.Pairs("x-header", "h")); err != nil {
			return err
		}
		s.SetTrailer(metadata.Pairs("x-trailer", "t"))
		var asked libraryv1.WatchShelfRequest
		if c.Method.Name() == "WatchShelf" {
			remake(&asked, c.Requests[0])
			return watchForPages(&asked, s, left)
		}
		var book libraryv1.GetBookRequest
		remake(&book, c.Requests[0])
		switch name := book.GetName(); name {
		case "empty":
			return s.Send(&libraryv1.Book{})
		case "large":
			return s.Send(&libraryv1.Book{Title: strings.Repeat("x", 1<<20)})
		case "missing":
			st, err := status.New(codes.NotFound, "no such böok").WithDetails(&errdetails.ResourceInfo{ResourceName: name})
			if err != nil {
				return err
			}
			return st.Err()
		case "slow":
			<-s.Context().Done()
			return status.FromContextError(s.Context().Err()).Err()
		default:
			return s.Send(&libraryv1.Book{Title: name[strings.LastIndexByte(name, '/')+1:] + " " + strings.Join(c.Metadata["x-ask"], ",")})
		}
	}
}

func watchForPages(asked *libraryv1.WatchShelfRequest, s *testkit.Replies, left chan<- struct{}) error {
	for i := range asked.GetLimit() {
		if err := s.Send(&libraryv1.ShelfEvent{Book: &libraryv1.Book{Title: fmt.Sprint(i)}}); err != nil {
			return err
		}
	}
	switch asked.GetName() {
	case "broken":
		return status.Error(codes.Aborted, "broken")
	case "endless":
		<-s.Context().Done()
		left <- struct{}{}
	}
	return nil
}

// remake gives a message its generated type.
func remake(m proto.Message, from proto.Message) {
	wire, err := proto.Marshal(from)
	if err == nil {
		err = proto.Unmarshal(wire, m)
	}
	if err != nil {
		panic(fmt.Sprintf("%s: %v", protojson.Format(from), err))
	}
}
