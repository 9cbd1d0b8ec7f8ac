package front_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

// FuzzMetadata: no header, however it is spelled, becomes metadata that is reserved or that gRPC refuses, and what
// becomes metadata comes through MetadataFromGRPC unchanged.
func FuzzMetadata(f *testing.F) {
	f.Add("X-Tenant", "a", "")
	f.Add("Gatehouse_principal", "root", "")
	f.Add("X-Raw-Bin", "AP8=, AQ", "")
	f.Add("grpc.metadata-x", "1", "X-Secret, grpc.metadata-x")
	f.Add("X-\u212aelvin", "1", "close")
	f.Fuzz(func(t *testing.T, name, value, connection string) {
		h := http.Header{name: {value}, "Connection": {connection}}
		for _, names := range []front.Names{front.HyphenNames, front.AllNames} {
			md, _ := front.MetadataFromHeader(h, names)
			for key, values := range md {
				plain := strings.NewReplacer("_", "-", ".", "-").Replace(key)
				for _, reserved := range []string{"gatehouse-", "grpc-", "connect-", "content-", "x-forwarded-", ":"} {
					if strings.HasPrefix(plain, reserved) {
						t.Errorf("%q became %s", name, key)
					}
				}
				if names == front.HyphenNames && plain != key || strings.ToLower(key) != key || key == "connection" {
					t.Errorf("%q became %s", name, key)
				}
				for _, v := range values {
					if !strings.HasSuffix(key, "-bin") && strings.Trim(v, printable) != "" {
						t.Errorf("%s has the value %q", key, v)
					}
				}
			}
			again, dropped := front.MetadataFromGRPC(md)
			if dropped != 0 {
				t.Errorf("%v: %d values are dropped the second time", md, dropped)
			}
			same(t, again, md)
		}
	})
}

var printable = func() string {
	var b strings.Builder
	for c := byte(0x20); c <= 0x7E; c++ {
		b.WriteByte(c)
	}
	return b.String()
}()
