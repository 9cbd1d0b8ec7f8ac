package e2e

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	libraryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/library/v1"
	ordersv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/orders/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// served is a gateway in front of the demo's backends, outside of --dev.
func served(t *testing.T, config ...string) (*testkit.Gateway, shop) {
	t.Helper()
	s := newShop(t)
	args := append([]string{"--proto", s.proto(t)}, s.backends()...)
	return testkit.Serve(t, append(args, configFile(t, config...)...)...), s
}

const deniedYAML = `services:
  - {match: acme.library.v1.Library.ArchiveBook, access: DENIED}
`

func TestAccessLevels(t *testing.T) {
	g, _ := served(t, keysYAML(), deniedYAML)
	url := "http://" + g.Public
	for name, test := range map[string]struct {
		verb, path, body string
		headers          []string
		want             int
		reason           string
	}{
		"Public":                     {"GET", "/v1/shelves", "", nil, 200, ""},
		"AuthenticatedWithoutKey":    {"POST", "/v1/shelves", `{"name":"shelves/a"}`, nil, 401, "MISSING_CREDENTIAL"},
		"AuthenticatedWithWrongKey":  {"POST", "/v1/shelves", `{"name":"shelves/a"}`, []string{"x-api-key: writer.wrong"}, 401, "INVALID_CREDENTIAL"},
		"AuthenticatedWithKey":       {"POST", "/v1/shelves", `{"name":"shelves/a"}`, []string{"x-api-key: " + keyOf("writer")}, 200, ""},
		"AuthenticatedByBearer":      {"POST", "/v1/shelves", `{"name":"shelves/b"}`, []string{"Authorization: Bearer " + keyOf("writer")}, 200, ""},
		"ScopeMissing":               {"POST", "/v1/shelves", `{"name":"shelves/c"}`, []string{"x-api-key: " + keyOf("reader")}, 403, "SCOPE_MISSING"},
		"FieldScopeMissing":          {"POST", "/v1/shelves/a/books?bookId=x", `{"title":"T","purchasePriceCents":"3"}`, []string{"x-api-key: " + keyOf("scribe")}, 403, "FIELD_SCOPE_MISSING"},
		"FieldScopeNotNeeded":        {"POST", "/v1/shelves/science/books?bookId=x", `{"title":"T"}`, []string{"x-api-key: " + keyOf("scribe")}, 200, ""},
		"Denied":                     {"POST", "/v1/" + origin + ":archive", `{}`, []string{"x-api-key: " + keyOf("writer")}, 403, "ACCESS_DENIED"},
		"WrongKeyOnAPublicMethodToo": {"GET", "/v1/shelves", "", []string{"x-api-key: writer.wrong"}, 401, "INVALID_CREDENTIAL"},
	} {
		t.Run(name, func(t *testing.T) {
			r := fetch(t, test.verb, url+test.path, test.body, test.headers...)
			if r.StatusCode != test.want {
				t.Fatalf("%d %s, want %d", r.StatusCode, r.Text, test.want)
			}
			if test.want == 200 {
				return
			}
			if f := failureOf(t, r); f.reason() != test.reason {
				t.Errorf("reason %s, want %s", f.reason(), test.reason)
			}
		})
	}
}

// TestInternalDoesNotExistInPublic compares what the public listener says of an INTERNAL method with what it says of
// one that nobody has.
func TestInternalDoesNotExistInPublic(t *testing.T) {
	g, _ := served(t, keysYAML(), `services: [{match: "grpc.reflection.v1.*", access: PUBLIC}]`)
	url := "http://" + g.Public
	for _, verb := range []string{"GET", "POST", "OPTIONS", "PUT"} {
		for there, nowhere := range map[string]string{
			"/v1/books:reindex":                     "/v1/books:renumber",
			"/acme.library.v1.Library/ReindexBooks": "/acme.library.v1.Library/RenumberBook",
		} {
			for _, headers := range [][]string{nil, {"x-api-key: " + keyOf("writer")}} {
				a, b := fetch(t, verb, url+there, "{}", headers...), fetch(t, verb, url+nowhere, "{}", headers...)
				if a.StatusCode != 404 {
					t.Errorf("%s %s: %d %s", verb, there, a.StatusCode, a.Text)
				}
				if got, want := anonymous(a, there), anonymous(b, nowhere); got != want {
					t.Errorf("%s %s:\n%s\n%s %s:\n%s", verb, there, got, verb, nowhere, want)
				}
			}
		}
	}
	public, internal := dialed(t, g.Public), dialed(t, g.GRPC)
	call := func(conn *grpc.ClientConn, method string) (*status.Status, metadata.MD) {
		var header metadata.MD
		err := conn.Invoke(t.Context(), method, &emptypb.Empty{}, &emptypb.Empty{}, grpc.Header(&header))
		return status.Convert(err), header
	}
	there, header := call(public, "/acme.library.v1.Library/ReindexBooks")
	nowhere, nowhereHeader := call(public, "/acme.library.v1.Library/RenumberBook")
	if there.Code() != codes.Unimplemented {
		t.Errorf("gRPC: %v", there)
	}
	if got, want := strings.ReplaceAll(fmt.Sprint(there, there.Details(), len(header)), "ReindexBooks", "X"),
		strings.ReplaceAll(fmt.Sprint(nowhere, nowhere.Details(), len(nowhereHeader)), "RenumberBook", "X"); got != want {
		t.Errorf("gRPC: %s\nof one that nobody has: %s", got, want)
	}
	if st, _ := call(internal, "/acme.library.v1.Library/ReindexBooks"); st.Code() != codes.OK {
		t.Errorf("on the internal listener: %v", st)
	}
	if methods := reflected(t, public); slices.Contains(methods, "ReindexBooks") || !slices.Contains(methods, "GetBook") {
		t.Errorf("public reflection shows %q", methods)
	}
	if methods := reflected(t, internal); !slices.Contains(methods, "ReindexBooks") {
		t.Errorf("internal reflection shows %q", methods)
	}
}

// anonymous is a response without what differs from request to request.
func anonymous(r *testkit.Response, path string) string {
	h := r.Header.Clone()
	id := h.Get("Gatehouse-Decision-Id")
	h.Del("Date")
	h.Del("Gatehouse-Decision-Id")
	h.Del("Content-Length")
	text := strings.ReplaceAll(r.Text, path, "PATH")
	if id != "" {
		text = strings.ReplaceAll(text, id, "ID")
	}
	return fmt.Sprint(r.StatusCode, h, text)
}

func TestReflectionIsInternal(t *testing.T) {
	g, _ := served(t)
	stream, err := reflectionv1.NewServerReflectionClient(dialed(t, g.Public)).ServerReflectionInfo(t.Context())
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.PermissionDenied {
		t.Errorf("on the public listener: %v", err)
	}
	if methods := reflected(t, dialed(t, g.GRPC)); !slices.Contains(methods, "ReindexBooks") || !slices.Contains(methods, "GetBook") {
		t.Errorf("on the internal listener: %q", methods)
	}
}

// reflected returns the names of the library's methods by reflection.
func reflected(t *testing.T, conn *grpc.ClientConn) []string {
	t.Helper()
	fd := fileOf(t, conn, "acme.library.v1.Library")
	var names []string
	for _, s := range fd.GetService() {
		for _, m := range s.GetMethod() {
			names = append(names, m.GetName())
		}
	}
	return names
}

// TestSameDecisionByEveryProtocol asks for the decision on every method of the demo, by every credential, over REST,
// gRPC in public and gRPC inside: it is the same, except that what is INTERNAL exists inside only.
func TestSameDecisionByEveryProtocol(t *testing.T) {
	g, _ := served(t, keysYAML(), deniedYAML, `  - {match: "acme.*", quota: {}}`)
	public, internal := dialed(t, g.Public), dialed(t, g.GRPC)
	credentials := map[string]string{"none": "", "reader": keyOf("reader"), "writer": keyOf("writer"), "wrong": "reader.wrong"}
	methods := 0
	for _, service := range []grpc.ServiceDesc{libraryv1.Library_ServiceDesc, ordersv1.Orders_ServiceDesc} {
		for _, method := range methodNames(service) {
			methods++
			path := "/" + service.ServiceName + "/" + method
			for name, key := range credentials {
				rest, inPublic, inside := decisionREST(t, g, path, key), decisionGRPC(t, public, path, key), decisionGRPC(t, internal, path, key)
				if method == "ReindexBooks" {
					if rest != codes.NotFound || inPublic != codes.Unimplemented || inside == codes.Unimplemented {
						t.Errorf("%s, %s: REST %s, gRPC %s, inside %s", path, name, rest, inPublic, inside)
					}
					continue
				}
				if rest != inPublic || inPublic != inside {
					t.Errorf("%s, %s: REST %s, gRPC %s, inside %s", path, name, rest, inPublic, inside)
				}
				if want := decisionOf(method, service.ServiceName, name); rest != want {
					t.Errorf("%s, %s: %s, want %s", path, name, rest, want)
				}
			}
		}
	}
	if methods != 18 {
		t.Errorf("%d methods, want all 18", methods)
	}
}

// decisionOf says by hand what the demo's options and the configuration come to. OK stands for every call that is
// admitted.
func decisionOf(method, service, credential string) codes.Code {
	reads := slices.Contains([]string{"ListShelves", "GetBook", "ListBooks", "SearchBooks", "WatchShelf"}, method)
	switch {
	case credential == "wrong":
		return codes.Unauthenticated
	case method == "ArchiveBook":
		return codes.PermissionDenied
	case reads:
		return codes.OK
	case credential == "none":
		return codes.Unauthenticated
	case service == "acme.library.v1.Library" && credential == "reader":
		return codes.PermissionDenied
	}
	return codes.OK
}

func methodNames(s grpc.ServiceDesc) []string {
	var names []string
	for _, m := range s.Methods {
		names = append(names, m.MethodName)
	}
	for _, m := range s.Streams {
		names = append(names, m.StreamName)
	}
	return names
}

// decisionREST calls a method by the route that every method has, with a field that no message has: whoever is
// admitted is told of the field.
func decisionREST(t *testing.T, g *testkit.Gateway, path, key string) codes.Code {
	t.Helper()
	var headers []string
	if key != "" {
		headers = []string{"x-api-key: " + key}
	}
	r := fetch(t, "POST", "http://"+g.Public+path, `{"noSuchField": 1}`, headers...)
	if r.StatusCode == http.StatusBadRequest && strings.Contains(r.Text, "noSuchField") {
		return codes.OK
	}
	code, known := map[int]codes.Code{401: codes.Unauthenticated, 403: codes.PermissionDenied, 404: codes.NotFound, 429: codes.ResourceExhausted}[r.StatusCode]
	if !known {
		t.Errorf("%s: %d %s", path, r.StatusCode, r.Text)
	}
	return code
}

// decisionGRPC calls a method with bytes that are no message: whoever is admitted is told so.
func decisionGRPC(t *testing.T, conn *grpc.ClientConn, path, key string) codes.Code {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	if key != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "x-api-key", key)
	}
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, path, grpc.ForceCodec(garbage{}))
	if err == nil {
		_ = stream.SendMsg(garbage{}) // RecvMsg says what became of it
		_ = stream.CloseSend()
		err = stream.RecvMsg(garbage{})
	}
	switch code := status.Code(err); code {
	case codes.InvalidArgument:
		return codes.OK
	case codes.Internal: // nothing to validate: the backend is the one to find out
		if !strings.Contains(err.Error(), "unmarshal") {
			t.Errorf("%s: %v", path, err)
		}
		return codes.OK
	case codes.OK:
		t.Errorf("%s takes garbage", path)
		return codes.Unknown
	default:
		return code
	}
}

// garbage is a codec whose every message is a varint without an end.
type garbage struct{}

func (garbage) Marshal(any) ([]byte, error) { return []byte{0x08, 0xff}, nil }
func (garbage) Unmarshal([]byte, any) error { return nil }
func (garbage) Name() string                { return "proto" }
