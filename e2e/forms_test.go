package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

const formsProto = `syntax = "proto3";
package forms.v1;
import "gatehouse/policy/v1/policy.proto";
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
service Forms {
  rpc Save(Entry) returns (Entry) {
    option (google.api.http) = {post: "/entries/{id}" body: "*" additional_bindings {patch: "/entries/{id}" body: "*"}};
    option (gatehouse.policy.v1.method) = {forms: true};
  }
  rpc Wrap(Wrapped) returns (Wrapped) {
    option (google.api.http) = {put: "/wrapped/{entry.id}" body: "entry"};
    option (gatehouse.policy.v1.method) = {forms: true};
  }
  rpc Plain(Entry) returns (Entry) { option (google.api.http) = {post: "/plain/{id}" body: "*"}; }
}
message Entry {
  string id = 1; string title = 2; int32 pages = 3; repeated string tags = 4; bool open = 5; Entry next = 6;
  bytes cover = 7; google.api.HttpBody page = 8; repeated google.api.HttpBody files = 9; google.protobuf.Timestamp at = 10;
  oneof kind { string a = 11; string b = 12; }
  map<string, string> labels = 13; google.protobuf.BytesValue seal = 14; repeated bytes scans = 15;
}
message Wrapped { Entry entry = 1; string note = 2; }
`

const (
	urlencoded = "Content-Type: application/x-www-form-urlencoded"
	inParts    = `Content-Type: multipart/form-data; boundary="b b"`
)

// parts is a body in parts; each has its headers after the name, and its value after an empty line.
func parts(list ...string) string {
	var body strings.Builder
	for _, p := range list {
		fmt.Fprintf(&body, "--b b\r\nContent-Disposition: form-data; name=%s\r\n", strings.Replace(p, "\n", "\r\n", 3))
	}
	return body.String() + "--b b--\r\n"
}

func newForms(t *testing.T) (*testkit.Backend, *testkit.Gateway) {
	files := testkit.Compile(t, compile.Sources{"forms.proto": []byte(formsProto)})
	backend := testkit.NewBackend(t, files)
	args := []string{"--descriptors", testkit.Descriptors(t, files), "--backend", backend.Target}
	return backend, testkit.Serve(t, append(args, configFile(t, "default_access: PUBLIC\nlimits: {body_bytes_max: 65536}")...)...)
}

// TestForms binds forms that are right.
func TestForms(t *testing.T) {
	_, g := newForms(t)
	for name, c := range map[string]struct{ target, media, body, want string }{
		"Fields":      {"POST /entries/7", urlencoded, "title=a+b%26c&pages=3&open=true&tags=x&tags=y%2Cz&next.title=n&at=2020-01-02T03:04:05Z", `{"id":"7","title":"a b&c","pages":3,"tags":["x","y,z"],"open":true,"next":{"title":"n"},"at":"2020-01-02T03:04:05Z"}`},
		"Charset":     {"POST /entries/7", urlencoded + "; charset=UTF-8", "title=%C3%A4", `{"id":"7","title":"ä"}`},
		"Bytes":       {"POST /entries/7", urlencoded, "cover=AQI%3D", `{"id":"7","cover":"AQI="}`},
		"Empty":       {"POST /entries/7", urlencoded, "", `{"id":"7"}`},
		"JSON":        {"POST /entries/7", urlencoded, ` {"title":"curl"}`, `{"id":"7","title":"curl"}`},
		"StillJSON":   {"POST /entries/7", "Content-Type: application/json", `{"title":"j"}`, `{"id":"7","title":"j"}`},
		"ByPath":      {"POST /forms.v1.Forms/Save", urlencoded, "id=8&title=t", `{"id":"8","title":"t"}`},
		"Field":       {"PUT /wrapped/9?note=n", urlencoded, "title=t&next.pages=4", `{"entry":{"id":"9","title":"t","next":{"pages":4}},"note":"n"}`},
		"FieldParts":  {"PUT /wrapped/9", inParts, parts("title\n\nt"), `{"entry":{"id":"9","title":"t"}}`},
		"Parts":       {"POST /entries/7", inParts, parts("title\n\na+b%41", "tags\n\nx", `"tags"`+"\nContent-Type: text/plain; charset=utf-8\n\ny", "pages\n\n3", "next.title\n\nn"), `{"id":"7","title":"a+b%41","pages":3,"tags":["x","y"],"next":{"title":"n"}}`},
		"NoParts":     {"POST /entries/7", inParts, "--b b--\r\n", `{"id":"7"}`},
		"File":        {"POST /entries/7", inParts, parts(`cover; filename="a.png"` + "\nContent-Type: image/png\n\n\x01\xff"), `{"id":"7","cover":"Af8="}`},
		"TypedPart":   {"POST /entries/7", inParts, parts("cover\nContent-Type: application/octet-stream\n\n\x01\xff"), `{"id":"7","cover":"Af8="}`},
		"TextOfBytes": {"POST /entries/7", inParts, parts("cover\n\nAf8="), `{"id":"7","cover":"Af8="}`},
		"Files":       {"POST /entries/7", inParts, parts(`files; filename=a`+"\nContent-Type: text/html\n\n<p>", `files; filename=b`+"\n\n\x00"), `{"id":"7","files":[{"contentType":"text/html","data":"PHA+"},{"data":"AA=="}]}`},
		"Scans":       {"POST /entries/7", inParts, parts(`scans; filename=a`+"\n\na", `scans; filename=b`+"\n\nb"), `{"id":"7","scans":["YQ==","Yg=="]}`},
		"FileOfText":  {"POST /entries/7", inParts, parts(`title; filename=a.txt` + "\nContent-Type: text/plain\n\nä\r\nb"), `{"id":"7","title":"ä\r\nb"}`},
		"Wrapper":     {"POST /entries/7", inParts, parts(`seal; filename=a` + "\n\n\x01"), `{"id":"7","seal":"AQ=="}`},
		"EmptyFile":   {"POST /entries/7", inParts, parts(`page; filename=a` + "\nContent-Type: image/png\n\n"), `{"id":"7","page":{"contentType":"image/png"}}`},
		"NotChosen":   {"POST /entries/7", inParts, parts(`cover; filename=""`+"\nContent-Type: application/octet-stream\n\n", "title\n\nt"), `{"id":"7","title":"t"}`},
		"OneByOne":    {"POST /entries/7", inParts, parts(`page.data; filename=a`+"\n\n\x01", "page.contentType\n\nx/y"), `{"id":"7","page":{"contentType":"x/y","data":"AQ=="}}`},
		"BrowserLike": {"POST /entries/7", inParts, "preamble\r\n" + parts("title\n\nt") + "epilogue", `{"id":"7","title":"t"}`},
	} {
		t.Run(name, func(t *testing.T) {
			verb, path, _ := strings.Cut(c.target, " ")
			if r := fetch(t, verb, "http://"+g.Public+path, c.body, c.media); r.StatusCode != 200 || r.Text != c.want {
				t.Errorf("%d %s\nwant %s", r.StatusCode, r.Text, c.want)
			}
		})
	}
	t.Run("Coded", func(t *testing.T) {
		if r := fetch(t, "POST", "http://"+g.Public+"/entries/7", string(gzipped(t, []byte("title=t"))), urlencoded, "Content-Encoding: gzip"); r.Text != `{"id":"7","title":"t"}` {
			t.Errorf("%d %s", r.StatusCode, r.Text)
		}
	})
}

// TestForms_Refusals has forms that are wrong, and methods that take none.
func TestForms_Refusals(t *testing.T) {
	backend, g := newForms(t)
	many := strings.Repeat("tags=a&", 1000) + "tags=a"
	manyParts := make([]string, 1001)
	for i := range manyParts {
		manyParts[i] = "tags\n\na"
	}
	for name, c := range map[string]struct {
		target, media, body string
		status              int
		want                string
	}{
		"NotAsked":         {"POST /plain/7", urlencoded, "title=a", 415, "UNSUPPORTED_MEDIA_TYPE"},
		"NotAskedParts":    {"POST /plain/7", inParts, parts("title\n\nt"), 415, "UNSUPPORTED_MEDIA_TYPE"},
		"Patch":            {"PATCH /entries/7", urlencoded, "title=a", 415, "UNSUPPORTED_MEDIA_TYPE"},
		"OtherType":        {"POST /entries/7", "Content-Type: text/plain", "title=a", 415, "multipart/form-data"},
		"Charset":          {"POST /entries/7", urlencoded + "; charset=latin1", "title=a", 415, "charset"},
		"NoBoundary":       {"POST /entries/7", "Content-Type: multipart/form-data", parts("title\n\nt"), 415, "boundary"},
		"LongBoundary":     {"POST /entries/7", "Content-Type: multipart/form-data; boundary=" + strings.Repeat("b", 71), "", 200, ""},
		"LongBoundaryUsed": {"POST /entries/7", "Content-Type: multipart/form-data; boundary=" + strings.Repeat("b", 71), "x", 415, "boundary"},
		"Unknown":          {"POST /entries/7", urlencoded, "titl=a", 400, "did you mean title"},
		"UnknownPart":      {"POST /entries/7", inParts, parts("titl\n\nt"), 400, "did you mean title"},
		"Path":             {"POST /entries/7", urlencoded, "id=8", 400, "PARAMETER_CONFLICT"},
		"PathOfField":      {"PUT /wrapped/7", urlencoded, "id=8", 400, "PARAMETER_CONFLICT"},
		"Query":            {"POST /entries/7?title=q", urlencoded, "pages=1", 400, "PARAMETER_CONFLICT"},
		"QueryOfField":     {"PUT /wrapped/7?entry.title=q", urlencoded, "pages=1", 400, "PARAMETER_CONFLICT"},
		"OutsideOfField":   {"PUT /wrapped/7", urlencoded, "note=q", 400, "UNKNOWN_PARAMETER"},
		"Twice":            {"POST /entries/7", urlencoded, "title=a&title=b", 400, "more than once"},
		"TwicePart":        {"POST /entries/7", inParts, parts("title\n\na", "title\n\nb"), 400, "more than once"},
		"Oneof":            {"POST /entries/7", urlencoded, "a=1&b=2", 400, "PARAMETER_CONFLICT"},
		"Number":           {"POST /entries/7", urlencoded, "pages=three", 400, "an int32"},
		"EmptyNumber":      {"POST /entries/7", urlencoded, "pages=", 400, "empty"},
		"Message":          {"POST /entries/7", urlencoded, "next=x", 400, "next.field"},
		"Map":              {"POST /entries/7", urlencoded, "labels=x", 400, "a map"},
		"Escape":           {"POST /entries/7", urlencoded, "title=%zz", 400, "MALFORMED_QUERY"},
		"NotUTF8":          {"POST /entries/7", urlencoded, "title=%ff", 400, "INVALID_PARAMETER"},
		"Prototype":        {"POST /entries/7", urlencoded, "__proto__.x=1&constructor=2", 400, "UNKNOWN_PARAMETER"},
		"ManyFields":       {"POST /entries/7", urlencoded, many, 400, "1000 fields"},
		"ManyParts":        {"POST /entries/7", inParts, parts(manyParts...), 400, "1000 fields"},
		"TooLarge":         {"POST /entries/7", inParts, parts("cover; filename=a\n\n" + strings.Repeat("x", 70000)), 413, "BODY_TOO_LARGE"},
		"FileOfNumber":     {"POST /entries/7", inParts, parts("pages; filename=a\n\n3"), 400, "found a file"},
		"FileOfMessage":    {"POST /entries/7", inParts, parts("next; filename=a\n\n3"), 400, "found a file"},
		"FileTwice":        {"POST /entries/7", inParts, parts("cover; filename=a\n\n1", "cover; filename=b\n\n2"), 400, "more than once"},
		"BinaryText":       {"POST /entries/7", inParts, parts("title; filename=a\n\n\xff"), 400, "found a file"},
		"FileThenField":    {"POST /entries/7", inParts, parts("page; filename=a\n\n1", "page.contentType\n\nx/y"), 400, "PARAMETER_CONFLICT"},
		"FieldThenFile":    {"POST /entries/7", inParts, parts("page.contentType\n\nx/y", "page; filename=a\n\n1"), 400, "PARAMETER_CONFLICT"},
		"NoName":           {"POST /entries/7", inParts, parts("\n\nt"), 400, "no name"},
		"NoDisposition":    {"POST /entries/7", inParts, "--b b\r\nX: y\r\n\r\nt\r\n--b b--\r\n", 400, "one Content-Disposition"},
		"TwoDispositions":  {"POST /entries/7", inParts, parts("title\nContent-Disposition: form-data; name=open\n\nt"), 400, "one Content-Disposition"},
		"TwoNames":         {"POST /entries/7", inParts, parts("title; name=open\n\nt"), 400, "no name"},
		"Attachment":       {"POST /entries/7", inParts, "--b b\r\nContent-Disposition: attachment; name=title\r\n\r\nt\r\n--b b--\r\n", 400, "no name"},
		"Base64":           {"POST /entries/7", inParts, parts("title\nContent-Transfer-Encoding: base64\n\ndA=="), 400, "binary"},
		"Latin1Part":       {"POST /entries/7", inParts, parts("title\nContent-Type: text/plain; charset=latin1\n\nt"), 400, "charset"},
		"LongHeader":       {"POST /entries/7", inParts, parts("title\nX: " + strings.Repeat("x", 5000) + "\n\nt"), 400, "4096 bytes"},
		"NoEnd":            {"POST /entries/7", inParts, strings.TrimSuffix(parts("title\n\nt"), "--b b--\r\n"), 400, "its end is missing"},
		"NoPart":           {"POST /entries/7", inParts, "title=t", 400, "its end is missing"},
		"OtherBoundary":    {"POST /entries/7", inParts, "--c\r\nContent-Disposition: form-data; name=title\r\n\r\nt\r\n--c--\r\n", 400, "its end is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			verb, path, _ := strings.Cut(c.target, " ")
			r := fetch(t, verb, "http://"+g.Public+path, c.body, c.media)
			if r.StatusCode != c.status || !strings.Contains(r.Text, c.want) {
				t.Errorf("%d %s; want %d, %s", r.StatusCode, r.Text, c.status, c.want)
			}
			if calls := backend.Take(); c.status != http.StatusOK && len(calls) > 0 {
				t.Errorf("the backend was called: %v", calls[0].Requests)
			}
		})
	}
}

// TestForms_Publish shows what is refused before it is served.
func TestForms_Publish(t *testing.T) {
	for name, c := range map[string]struct{ rpc, want string }{
		"Stream": {`rpc A(stream M) returns (M) { option (google.api.http) = {post: "/a" body: "*"}; option (gatehouse.policy.v1.method) = {forms: true}; }`, "streams requests"},
		"Text":   {`rpc A(M) returns (M) { option (google.api.http) = {post: "/a" body: "text"}; option (gatehouse.policy.v1.method) = {forms: true}; }`, "no message"},
		"Right":  {`rpc A(M) returns (M) { option (google.api.http) = {post: "/a" body: "inner"}; option (gatehouse.policy.v1.method) = {forms: true}; }`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			files := testkit.Compile(t, compile.Sources{"a.proto": []byte(`syntax = "proto3"; package a.v1;
				import "gatehouse/policy/v1/policy.proto"; import "google/api/annotations.proto";
				service S { ` + c.rpc + ` } message M { string text = 1; M inner = 2; }`)})
			args := []string{"--dev", "--descriptors", testkit.Descriptors(t, files), "--backend", "127.0.0.1:1"}
			if c.want == "" {
				testkit.Serve(t, args...)
			} else if said := testkit.Refused(t, args...); !strings.Contains(said, c.want) {
				t.Errorf("%s; want %s", said, c.want)
			}
		})
	}
}
