package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/transcoder"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

func TestGuard(t *testing.T) {
	sum := sha256.Sum256([]byte("k"))
	open := &configv1.Admin{Hosts: []string{"gate.Internal"}}
	keyed := &configv1.Admin{KeySha256: hex.EncodeToString(sum[:])}
	env := front.Env{Unrouted: func(string, string, int, *http.Request) {}}
	for name, test := range map[string]struct {
		cfg        *configv1.Admin
		path, host string
		headers    map[string]string
		want       int
	}{
		"IPv4":             {open, "/x", "127.0.0.1:9901", nil, 200},
		"IPv6":             {open, "/x", "[::1]:9901", nil, 200},
		"IPv6WithoutPort":  {open, "/x", "[::1]", nil, 200},
		"Localhost":        {open, "/x", "LocalHost", nil, 200},
		"Configured":       {open, "/x", "Gate.Internal:80", nil, 200},
		"NotConfigured":    {keyed, "/x", "gate.internal:80", nil, 421},
		"NameInFront":      {open, "/x", "127.0.0.1.evil.example", nil, 421},
		"LocalhostEvil":    {open, "/x", "localhost.evil.example:9901", nil, 421},
		"Empty":            {open, "/x", "", nil, 421},
		"HealthHasHostToo": {open, "/healthz", "evil.example", nil, 421},

		"SameOrigin":       {open, "/x", "localhost:1", map[string]string{"Origin": "http://localhost:1"}, 200},
		"OtherPort":        {open, "/x", "localhost:1", map[string]string{"Origin": "http://localhost:2"}, 403},
		"OriginNull":       {open, "/x", "localhost:1", map[string]string{"Origin": "null"}, 403},
		"OriginNoURL":      {open, "/x", "localhost:1", map[string]string{"Origin": "%zz"}, 403},
		"FetchSameOrigin":  {open, "/x", "localhost:1", map[string]string{"Sec-Fetch-Site": "same-origin"}, 200},
		"FetchTypedByUser": {open, "/x", "localhost:1", map[string]string{"Sec-Fetch-Site": "none"}, 200},
		"FetchSameSite":    {open, "/x", "localhost:1", map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		"FetchCrossSite":   {open, "/x", "localhost:1", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost:1"}, 403},

		"KeyMissing":     {keyed, "/x", "localhost", nil, 401},
		"KeyWrong":       {keyed, "/x", "localhost", map[string]string{"Authorization": "Bearer l"}, 401},
		"KeyEmpty":       {keyed, "/x", "localhost", map[string]string{"Authorization": "Bearer "}, 401},
		"KeyRight":       {keyed, "/x", "localhost", map[string]string{"Authorization": "Bearer k"}, 200},
		"KeyLowerCase":   {keyed, "/x", "localhost", map[string]string{"Authorization": "bearer k"}, 200},
		"KeyNoScheme":    {keyed, "/x", "localhost", map[string]string{"Authorization": "k"}, 401},
		"KeyOtherScheme": {keyed, "/x", "localhost", map[string]string{"Authorization": "Basic k"}, 401},
		"Health":         {keyed, "/healthz", "localhost", nil, 200},
		"Ready":          {keyed, "/readyz", "localhost", nil, 200},
		"HealthBelow":    {keyed, "/healthz/x", "localhost", nil, 401},
	} {
		t.Run(name, func(t *testing.T) {
			passed := false
			guard := newGuard(test.cfg, transcoder.Refuse(env), http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				passed = true
				if got := r.Header.Get("Authorization"); got != "" {
					t.Errorf("what stands behind the guard sees %q", got)
				}
			}))
			r := httptest.NewRequest("GET", test.path, nil)
			r.Host = test.host
			for name, value := range test.headers {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			guard.ServeHTTP(w, r)
			if w.Code != test.want || passed != (test.want == 200) {
				t.Errorf("%d, passed %v; want %d", w.Code, passed, test.want)
			}
			if challenge := w.Header().Get("WWW-Authenticate"); (challenge != "") != (test.want == 401) {
				t.Errorf("WWW-Authenticate: %q", challenge)
			}
		})
	}
}

// TestGuardSpeaksTheCallersProtocol shows the form of a refusal: JSON by REST, a status by gRPC.
func TestGuardSpeaksTheCallersProtocol(t *testing.T) {
	var recorded []int
	env := front.Env{Unrouted: func(_, _ string, httpStatus int, _ *http.Request) { recorded = append(recorded, httpStatus) }}
	guard := newGuard(&configv1.Admin{KeySha256: hex.EncodeToString(make([]byte, 32))}, transcoder.Refuse(env), nil)
	ask := func(contentType string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/x", nil)
		r.Host = "localhost"
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		guard.ServeHTTP(w, r)
		return w
	}
	if w := ask("application/json"); w.Code != 401 || w.Header().Get("Content-Type") != "application/json" || !strings.Contains(w.Body.String(), "ADMIN_KEY_REQUIRED") {
		t.Errorf("by REST: %d %v %s", w.Code, w.Header(), w.Body)
	}
	if w := ask("application/grpc"); w.Code != 200 || w.Header().Get("Grpc-Status") != "16" || !strings.Contains(w.Header().Get("Grpc-Message"), "GATEHOUSE_ADMIN_KEY") {
		t.Errorf("by gRPC: %d %v %s", w.Code, w.Header(), w.Body)
	}
	if !slices.Equal(recorded, []int{401, 401}) {
		t.Errorf("on record: %v", recorded)
	}
}
