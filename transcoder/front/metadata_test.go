package front_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	"google.golang.org/grpc/metadata"

	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

func TestMetadataFromHeader(t *testing.T) {
	for _, tc := range []struct {
		name    string
		names   front.Names
		in      http.Header
		want    metadata.MD
		dropped int
	}{
		{name: "PlainHeaderIsKept", in: http.Header{"X-Tenant": {"a", "b"}}, want: metadata.MD{"x-tenant": {"a", "b"}}},
		{name: "AuthorizationIsKept", in: http.Header{"Authorization": {"Bearer x"}}, want: metadata.MD{"authorization": {"Bearer x"}}},
		{name: "UserAgentIsKept", in: http.Header{"User-Agent": {"curl/8"}}, want: metadata.MD{"user-agent": {"curl/8"}}},
		{name: "EnvelopeIsLeftOutUncounted", in: http.Header{
			"Te": {"trailers"}, "Content-Type": {"application/json"}, "Content-Length": {"3"}, "Accept": {"*/*"},
			"Accept-Encoding": {"gzip"}, "Host": {"a"}, "Upgrade": {"h2c"}, "Expect": {"100-continue"},
			"X-Server-Timeout": {"1"}, "Connect-Timeout-Ms": {"1"}, "Grpc-Timeout": {"1S"}, "Cookie": {"a=b"},
			"X-Http-Method-Override": {"DELETE"}, "Forwarded": {"for=1.2.3.4"}, "X-Forwarded-For": {"1.2.3.4"},
			"X-Real-Ip": {"1.2.3.4"},
		}},
		{name: "NominatedByConnection", in: http.Header{
			"Connection": {"close, X-Secret", "x-other"}, "X-Secret": {"1"}, "X-Other": {"2"}, "X-Kept": {"3"},
		}, want: metadata.MD{"x-kept": {"3"}}},
		{name: "ReservedNamespace", in: http.Header{"Gatehouse-Principal": {"root"}, "X-A": {"1"}}, want: metadata.MD{"x-a": {"1"}}, dropped: 1},
		{name: "GrpcMetadataPrefix", in: http.Header{"Grpc-Metadata-Authorization": {"a"}}, dropped: 1},
		{name: "Underscore", in: http.Header{"X_user_id": {"1"}, "X.user.id": {"1"}, "X-User_id": {"1"}}, dropped: 3},
		{name: "UnderscoreInGRPC", names: front.AllNames, in: http.Header{"X_user_id": {"1"}, "X.a": {"2"}},
			want: metadata.MD{"x_user_id": {"1"}, "x.a": {"2"}}},
		{name: "ReservedWithUnderscoreInGRPC", names: front.AllNames,
			in:      http.Header{"Gatehouse_principal": {"1"}, "Grpc.timeout": {"1"}, "X_forwarded_for": {"1"}, "X_real_ip": {"1"}},
			dropped: 4},
		{name: "BadKey", in: http.Header{"X-Ü": {"1"}, "X!": {"1"}, "": {"1"}}, dropped: 3},
		{name: "BadValue", in: http.Header{"X-A": {"caf\xc3\xa9", "tab\there", "ok"}}, want: metadata.MD{"x-a": {"ok"}}, dropped: 2},
		{name: "BinaryBothPaddings", in: http.Header{"X-Bin": {"AQ", "AQ==", "AQID"}},
			want: metadata.MD{"x-bin": {"\x01", "\x01", "\x01\x02\x03"}}},
		{name: "BinaryJoined", in: http.Header{"X-Bin": {"AQ==, Ag"}}, want: metadata.MD{"x-bin": {"\x01", "\x02"}}},
		{name: "BadBinary", in: http.Header{"X-Bin": {"!!", "AQ=", "A"}}, dropped: 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, dropped := front.MetadataFromHeader(tc.in, tc.names)
			same(t, got, tc.want)
			if dropped != tc.dropped {
				t.Errorf("dropped %d, want %d", dropped, tc.dropped)
			}
		})
	}
}

func TestMetadataFromGRPC(t *testing.T) {
	in := metadata.MD{
		":authority": {"a"}, "content-type": {"application/grpc"}, "user-agent": {"grpc-go"}, "x_a": {"1"},
		"x-bin": {"\x00\xff"}, "gatehouse-principal": {"root"}, "gatehouse_principal": {"root"}, "x-bad": {"\x01"},
	}
	got, dropped := front.MetadataFromGRPC(in)
	same(t, got, metadata.MD{"user-agent": {"grpc-go"}, "x_a": {"1"}, "x-bin": {"\x00\xff"}})
	if dropped != 3 {
		t.Errorf("dropped %d, want 3", dropped)
	}
}

func TestWriteMetadata(t *testing.T) {
	for _, tc := range []struct {
		name    string
		in      metadata.MD
		want    http.Header
		dropped int
	}{
		{name: "Plain", in: metadata.MD{"x-a": {"1", "2"}, "etag": {`"7"`}}, want: http.Header{"X-A": {"1", "2"}, "Etag": {`"7"`}}},
		{name: "BinaryUnpadded", in: metadata.MD{"x-bin": {"\x01"}}, want: http.Header{"X-Bin": {"AQ"}}},
		{name: "ReservedNames", in: metadata.MD{
			"content-type": {"text/html"}, "content-length": {"1"}, "connection": {"close"}, "transfer-encoding": {"chunked"},
			"grpc-status": {"0"}, "gatehouse-decision-id": {"x"}, "access-control-allow-origin": {"*"}, "set-cookie": {"a=b"},
			"www-authenticate": {"x"},
		}},
		{name: "LineBreak", in: metadata.MD{"x-a": {"1\r\nSet-Cookie: b"}}, dropped: 1},
		{name: "BadKey", in: metadata.MD{"x a": {"1"}}, dropped: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, dropped := http.Header{}, 0
			env := front.Env{Ignored: func(_ string, n int) { dropped += n }}
			env.WriteMetadata(got, tc.in, "")
			same(t, got, tc.want)
			if dropped != tc.dropped {
				t.Errorf("dropped %d, want %d", dropped, tc.dropped)
			}
		})
	}
}

func TestWriteMetadata_Trailers(t *testing.T) {
	got := http.Header{}
	new(front.Env).WriteMetadata(got, metadata.MD{"x-a": {"1"}}, http.TrailerPrefix)
	same(t, got, http.Header{http.TrailerPrefix + "x-a": {"1"}})
}

// same compares metadata or headers; the order of values counts.
func same[M ~map[string][]string](t *testing.T, got, want M) {
	t.Helper()
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %q, want %q", map[string][]string(got), map[string][]string(want)) // MD prints itself redacted
	}
}
