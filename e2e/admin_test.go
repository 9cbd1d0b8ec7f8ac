package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	adminv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/admin/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// TestAdminListenerIsGuarded is what a page that somebody's browser visits, and anybody without the key, can do.
func TestAdminListenerIsGuarded(t *testing.T) {
	sum := sha256.Sum256([]byte("open-sesame"))
	key := "admin: {key_sha256: " + hex.EncodeToString(sum[:]) + ", hosts: [gatehouse.internal]}"
	open := testkit.Serve(t, "--data", t.TempDir())
	keyed := testkit.Serve(t, append([]string{"--data", t.TempDir()}, configFile(t, key)...)...)
	const right, wrong = "Authorization: Bearer open-sesame", "Authorization: Bearer open"
	for name, test := range map[string]struct {
		gateway *testkit.Gateway
		path    string
		headers []string
		want    int
	}{
		"Loopback":            {open, "/v1/modules", nil, 200},
		"Localhost":           {open, "/v1/modules", []string{"Host: localhost:1"}, 200},
		"RebindingHost":       {open, "/v1/modules", []string{"Host: evil.example"}, 421},
		"RebindingMetrics":    {open, "/metrics", []string{"Host: evil.example:9901"}, 421},
		"HostOfAnotherConfig": {open, "/v1/modules", []string{"Host: gatehouse.internal"}, 421},
		"CrossOrigin":         {open, "/v1/modules", []string{"Origin: https://evil.example"}, 403},
		"NullOrigin":          {open, "/v1/modules", []string{"Origin: null"}, 403},
		"CrossSite":           {open, "/v1/modules", []string{"Sec-Fetch-Site: cross-site"}, 403},
		"OwnOrigin":           {open, "/v1/modules", []string{"Host: localhost:1", "Origin: http://localhost:1"}, 200},
		"NoKey":               {keyed, "/v1/modules", nil, 401},
		"WrongKey":            {keyed, "/v1/modules", []string{wrong}, 401},
		"KeyWithoutBearer":    {keyed, "/v1/modules", []string{"Authorization: Basic open-sesame"}, 401},
		"RightKey":            {keyed, "/v1/modules", []string{right}, 200},
		"ConfiguredHost":      {keyed, "/v1/modules", []string{right, "Host: gatehouse.internal:80"}, 200},
		"KeyFromAnotherSite":  {keyed, "/v1/modules", []string{right, "Origin: https://evil.example"}, 403},
		"MetricsWithoutKey":   {keyed, "/metrics", nil, 401},
		"MetricsWithKey":      {keyed, "/metrics", []string{right}, 200},
		"HealthIsOpen":        {keyed, "/healthz", nil, 200},
		"ReadinessIsOpen":     {keyed, "/readyz", nil, 200},
	} {
		t.Run(name, func(t *testing.T) {
			if r := fetch(t, "GET", "http://"+test.gateway.Admin+test.path, "", test.headers...); r.StatusCode != test.want {
				t.Errorf("%d %s, want %d", r.StatusCode, r.Text, test.want)
			}
		})
	}
	t.Run("Verbs", func(t *testing.T) {
		t.Setenv("GATEHOUSE_ADMIN_KEY", "open")
		refuses(t, testkit.Run(t, "modules", "--admin", keyed.Admin), "key")
		t.Setenv("GATEHOUSE_ADMIN_KEY", "open-sesame")
		succeeds(t, testkit.Run(t, "modules", "--admin", keyed.Admin), "MODULE")
	})
	t.Run("AdminMethodsAreNotElsewhere", func(t *testing.T) {
		for _, address := range []string{open.Public, open.GRPC} {
			_, err := adminv1.NewAdminClient(dialed(t, address)).ListRoutes(t.Context(), &adminv1.ListRoutesRequest{})
			if status.Code(err) != codes.Unimplemented {
				t.Errorf("%s: %v", address, err)
			}
		}
		if r := fetch(t, "GET", "http://"+open.Public+"/v1/modules", ""); r.StatusCode != 404 {
			t.Errorf("%d %s", r.StatusCode, r.Text)
		}
	})
}
