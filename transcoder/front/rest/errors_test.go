package rest

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

func TestWriteError(t *testing.T) {
	retry := &errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)}
	backendRetry, err := status.New(codes.Unavailable, "busy").WithDetails(retry)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		err    error
		status int
		header http.Header // what must be there, or must not: nil
		body   string
	}{
		{"OwnRetry", rpc.Errorf(codes.ResourceExhausted, "QUOTA_EXCEEDED", "slow down").With(retry), 429,
			http.Header{"Retry-After": {"2"}, "Www-Authenticate": nil, "Gatehouse-Decision-Id": {"id"}}, ""},
		{"BackendRetry", backendRetry.Err(), 503, http.Header{"Retry-After": nil}, ""},
		{"Unauthenticated", rpc.Errorf(codes.Unauthenticated, "CREDENTIAL_MISSING", "who are you?"), 401,
			http.Header{"Www-Authenticate": {`Bearer realm="gatehouse"`}}, ""},
		{"MediaType", unsupported(httptest.NewRequest("PATCH", "/", nil), "no"), 415,
			http.Header{"Accept-Post": {"application/json"}, "Accept-Patch": {"application/json, application/merge-patch+json"}}, ""},
		{"Wrapped", errors.Join(errors.New("while serving"), rpc.Errorf(codes.NotFound, "ROUTE_NOT_FOUND", "no")), 404, nil, ""},
		{"OverrideWinsOverCode", rpc.Errorf(codes.InvalidArgument, "MISDIRECTED", "not here"), 421, nil,
			`{"error":{"code":421,"message":"not here","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"MISDIRECTED","domain":"gatehouse"}]}}`},
		{"HeadersTooLarge", rpc.Errorf(codes.InvalidArgument, "HEADERS_TOO_LARGE", "less"), 431, nil, ""},
		{"UnknownCode", status.Error(99, "odd"), 500, nil, `{"error":{"code":500,"message":"odd","status":"UNKNOWN"}}`},
		{"NotUTF8", status.Error(codes.NotFound, "caf\xe9 <b>"), 404, nil, `{"error":{"code":404,"message":"caf\ufffd <b>","status":"NOT_FOUND"}}`},
		{"ContextEnded", context.Canceled, 499, nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			code := writeError(w, httptest.NewRequest("GET", "/", nil), tc.err, "id", nil, front.AIP193)
			if code != tc.status || w.Code != tc.status {
				t.Errorf("HTTP status %d, returned %d, want %d", w.Code, code, tc.status)
			}
			for name, want := range tc.header {
				if got := w.Header()[name]; len(got) != len(want) || len(want) > 0 && got[0] != want[0] {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if tc.body != "" && w.Body.String() != tc.body {
				t.Errorf("body\n%s, want\n%s", w.Body, tc.body)
			}
		})
	}
}
