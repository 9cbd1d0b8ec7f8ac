package gateway

import (
	"net/http"
	"net/netip"
	"testing"
)

func TestOrigin(t *testing.T) {
	for _, c := range []struct {
		name    string
		trusted []string
		peer    string
		header  []string
		want    string
	}{
		{"NobodyTrusted", nil, "203.0.113.9", []string{"10.0.0.1"}, "203.0.113.9"},
		{"PeerNotTrusted", []string{"10.0.0.0/8"}, "203.0.113.9", []string{"198.51.100.1"}, "203.0.113.9"},
		{"OneProxy", []string{"10.0.0.0/8"}, "10.0.0.1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"ClientLies", []string{"10.0.0.0/8"}, "10.0.0.1", []string{"1.1.1.1, 198.51.100.1"}, "198.51.100.1"},
		{"TwoProxies", []string{"10.0.0.0/8"}, "10.0.0.1", []string{"198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"SeveralHeaders", []string{"10.0.0.0/8"}, "10.0.0.1", []string{"198.51.100.1", "10.0.0.2"}, "198.51.100.1"},
		{"Rubbish", []string{"10.0.0.0/8"}, "10.0.0.1", []string{"198.51.100.1, unknown"}, "10.0.0.1"},
		{"NoHeader", []string{"10.0.0.0/8"}, "10.0.0.1", nil, "10.0.0.1"},
		{"MappedPeer", []string{"10.0.0.0/8"}, "::ffff:10.0.0.1", []string{"2001:db8::1"}, "2001:db8::1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := newOrigin(c.trusted)
			if err != nil {
				t.Fatal(err)
			}
			h := http.Header{"X-Forwarded-For": c.header, "X-Real-Ip": {"6.6.6.6"}, "Forwarded": {"for=6.6.6.6"}}
			if got := o.client(netip.MustParseAddr(c.peer), h); got.String() != c.want {
				t.Errorf("client is %s, want %s", got, c.want)
			}
		})
	}
}
