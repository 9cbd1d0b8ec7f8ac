package rest_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	libraryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/library/v1"
	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/rest"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

// TestPartialResponses: a field mask in query or header chooses the fields of each reply, and a wrong one is told before
// anybody is called.
func TestPartialResponses(t *testing.T) {
	called := false
	books := tableOfBooks(t, program.Options{PartialResponses: true}, &called)
	whole := tableOfBooks(t, program.Options{}, &called)
	f := rest.New(front.Env{
		Client:       func(peer netip.Addr, _ http.Header) netip.Addr { return peer },
		BodyBytesMax: 1 << 10, Ignored: func(string, int) {}, Unrouted: func(string, string, int, *http.Request) {},
	})
	for _, row := range []struct {
		name, target, header string
		table                *front.Table
		status               int
		want                 string
	}{
		{"whole", "/books", "", books, 200, `{"books":[{"name":"a","title":"A"},{"name":"b","title":"B"}],"nextPageToken":"n"}`},
		{"parameter", "/books?$fields=books.name,nextPageToken", "", books, 200, `{"books":[{"name":"a"},{"name":"b"}],"nextPageToken":"n"}`},
		{"short parameter", "/books?fields=next_page_token&pageSize=5", "", books, 200, `{"nextPageToken":"n"}`},
		{"header", "/books", "books.title", books, 200, `{"books":[{"title":"A"},{"title":"B"}]}`},
		{"the parameter goes before the header", "/books?$fields=nextPageToken", "books.title", books, 200, `{"nextPageToken":"n"}`},
		{"unknown field", "/books?$fields=books.nam", "", books, 400, `did you mean books.name?`},
		{"unknown field in a header", "/books", "x", books, 400, `"field":"X-Goog-FieldMask"`},
		{"two masks", "/books?$fields=books&fields=books", "", books, 400, `DUPLICATE_PARAMETER`},
		{"each line of a stream", "/stream?$fields=nextPageToken", "", books, 200, `{"nextPageToken":"n"}` + "\n" + `{"nextPageToken":"n"}` + "\n"},
		{"not asked for", "/books?$fields=books", "", whole, 400, `UNKNOWN_PARAMETER`},
		{"header not asked for", "/books", "x", whole, 200, `{"books":[{"name":"a","title":"A"},{"name":"b","title":"B"}],"nextPageToken":"n"}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			called = false
			r := httptest.NewRequest("GET", row.target, nil)
			if row.header != "" {
				r.Header.Set("X-Goog-FieldMask", row.header)
			}
			w := httptest.NewRecorder()
			f.ServeHTTP(w, r, row.table)
			text, err := io.ReadAll(w.Result().Body)
			if err != nil {
				t.Fatal(err)
			}
			if w.Code != row.status || row.status == 200 && string(text) != row.want || !bytes.Contains(text, []byte(row.want)) {
				t.Errorf("got %d %s, want %d %s", w.Code, text, row.status, row.want)
			}
			if called != (row.status == 200) {
				t.Errorf("the method was called: %v", called)
			}
			vary := strings.Join(w.Result().Header.Values("Vary"), ",")
			if strings.Contains(vary, "X-Goog-FieldMask") != (row.table == books) || !strings.Contains(vary, "Accept") && row.status == 200 {
				t.Errorf("Vary: %s", vary)
			}
		})
	}
}

// tableOfBooks serves a list of books, once at /books and twice at /stream.
func tableOfBooks(t *testing.T, o program.Options, called *bool) *front.Table {
	t.Helper()
	reply, err := proto.Marshal(&libraryv1.ListBooksResponse{
		Books: []*libraryv1.Book{{Name: "a", Title: "A"}, {Name: "b", Title: "B"}}, NextPageToken: "n",
	})
	if err != nil {
		t.Fatal(err)
	}
	md := libraryv1.File_acme_library_v1_library_proto.Services().ByName("Library").Methods().ByName("ListBooks")
	compiler := program.NewCompiler(nil)
	var rules []route.Rule[*front.Route]
	for path, replies := range map[string]int{"/books": 1, "/stream": 2} {
		m := rpc.NewMethod(md, rpc.NewType(md.Input(), nil), rpc.NewType(md.Output(), nil), rpc.Policy{Access: rpc.Public})
		m.ServerStreams = replies > 1
		r := &front.Route{Endpoint: &front.Endpoint{Method: m, Serve: func(c *rpc.Call, ss grpc.ServerStream) error {
			in := rpc.NewFrame(m.Input)
			defer in.Free()
			if err := ss.RecvMsg(in); err != nil {
				return err
			}
			*called = true
			for range replies {
				out := rpc.FrameOf(m.Output, reply)
				if err := ss.SendMsg(out); err != nil {
					return err
				}
				out.Free()
			}
			return nil
		}}}
		if r.Request, err = compiler.Request(md.Input(), program.RequestRule{HTTPMethod: "GET"}, o); err != nil {
			t.Fatal(err)
		}
		if r.Response, err = compiler.Response(md.Output(), "", o); err != nil {
			t.Fatal(err)
		}
		template, err := route.Parse(path)
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, route.Rule[*front.Route]{Method: "GET", Template: template, Owner: m.Name(), Value: r})
	}
	router, err := route.Build(rules, route.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &front.Table{Routes: router}
}
