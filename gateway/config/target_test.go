package config_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/gatehouse-gateway/gatehouse/gateway/backend"
	"github.com/gatehouse-gateway/gatehouse/gateway/config"
)

func TestTargetAllowed(t *testing.T) {
	loopback := config.Defaults().GetAllowedBackends()
	for _, c := range []struct {
		name     string
		patterns []string
		allowed  []string
		refused  []string
	}{
		{"Default", loopback,
			[]string{"127.0.0.1:50051", "grpc://127.0.0.1:1", "grpcs://127.0.0.1:65535", "localhost:80", "LocalHost:80", "[::1]:80", "[0:0:0:0:0:0:0:1]:80", "grpcs://[::1]:443"},
			[]string{"unix:/run/a.sock", "unix:///run/a.sock", "127.0.0.1.evil.com:80", "127.0.0.2:80", "10.0.0.1:80", "localhost.evil.com:80", "evil.com:80", "[::2]:80", "0.0.0.0:80", "[::]:80"}},
		{"OtherSpellings", loopback, nil,
			[]string{"127.1:80", "2130706433:80", "0x7f000001:80", "0x7f.0.0.1:80", "0177.0.0.1:80", "127.0.0.01:80", "127.0.0.1.:80", "localhost.:80", "[::ffff:127.0.0.1]:80", "[::ffff:7f00:1]:80", "[::1%25lo]:80", "[::1%lo]:80", "[127.0.0.1]:80", "::1:80", "[::1]x:80"}},
		{"Smuggled", []string{"*:*", "unix:*"}, []string{"anything:1"},
			[]string{"me@127.0.0.1:80", "127.0.0.1:80@evil.com:80", "127.0.0.1:80#evil.com:80", "127.0.0.1:80/evil.com:80", "127.0.0.1:80?x:80", "evil.com\\127.0.0.1:80", "127.0.0.1 :80", " 127.0.0.1:80", "127.0.0.1:80\n", "127.0.0.1:80,evil.com:80",
				"dns:///evil.com:80", "dns://127.0.0.1/evil.com:80", "passthrough:///127.0.0.1:80", "xds:///a:80", "http://127.0.0.1:80", "GRPC://127.0.0.1:80", "grpc://grpc://a:80", "grpc:127.0.0.1:80", "vsock:1:80", "unix-abstract:a",
				"127.0.0.1", "127.0.0.1:", ":80", "", "grpc://", "[::1]", "localhost:http", "localhost:0", "localhost:080", "localhost:+80", "localhost:65536", "localhost:8_0",
				"unix:", "unix:a.sock", "unix://host/a.sock", "unix:/run/../etc/a", "unix:/run//a", "unix:/run/./a", "unix:/run/%2e%2e/a", "unix:/run/a?x", "unix:/run/a#x", "unix:/run/a\x00", "UNIX:/run/a",
				"münchen.example:80", "a..b:80", ".a:80", strings.Repeat("a", 64) + ":80", strings.Repeat("a.", 127) + "a:80"}},
		{"HostAndPortApart", []string{"orders:*1"}, []string{"orders:1", "orders:8081"}, []string{"orders:80", "orders.evil:1"}},
		{"Names", []string{"*.svc.internal:50051"}, []string{"orders.svc.internal:50051", "a.b.SVC.internal:50051"}, []string{"svc.internal:50051", "orders.svc.internal:443", "orders.svc.internal.evil.com:50051", "[::1]:50051"}},
		{"AddressesAreNotNames", []string{"10.0.0.*:80"}, []string{"10.0.0.7:80"}, []string{"10.0.0.evil.com:80", "10.0.0.7.evil.com:80", "110.0.0.7:80"}},
		{"IPv6", []string{"[fd00::*]:80", "[2001:DB8:0::1]:*"}, []string{"[fd00::1:2]:80", "[2001:db8::1]:9"}, []string{"[fd01::1]:80", "[2001:db8::2]:9"}},
		{"Scheme", []string{"grpcs://*:443", "grpc://a:80"}, []string{"grpcs://a:443", "a:80", "grpc://a:80"}, []string{"a:443", "grpc://a:443", "grpcs://a:80"}},
		{"Socket", []string{"unix:/run/apps/*"}, []string{"unix:/run/apps/a", "unix:/run/apps/a/b"}, []string{"unix:/run/apps", "unix:/run/other/a", "a:80"}},
		{"All", []string{"*"}, []string{"a:1", "unix:/a", "[::1]:1"}, []string{"127.1:80"}},
		{"BadPatternFitsNothing", []string{"", "127.0.0.1", "unix:", ":80", "a b:80", "[*:80", "10.0.0.1:http"}, nil, []string{"127.0.0.1:80", "unix:/a", "a:80"}},
		{"NoPattern", nil, nil, []string{"127.0.0.1:80"}},
		{"LongStars", []string{strings.Repeat("*a", 60) + ":80"}, []string{strings.Repeat("a", 60) + ":80"}, []string{strings.Repeat("a", 59) + ":80"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, target := range c.allowed {
				if err := config.TargetAllowed(c.patterns, target); err != nil {
					t.Error(err)
				}
			}
			for _, target := range c.refused {
				if config.TargetAllowed(c.patterns, target) == nil {
					t.Errorf("%q was allowed", target)
				}
			}
		})
	}
}

func TestTargetAllowed_Message(t *testing.T) {
	for target, want := range map[string]string{
		"10.0.0.1:80": `target "10.0.0.1:80" is not among the gateway's allowed_backends (localhost:*, unix:*); ask its operator to add it`,
		"127.1:80":    `target "127.1:80": host "127.1" is not an IPv4 address in full; write four numbers without leading zeros`,
	} {
		if err := config.TargetAllowed([]string{"localhost:*", "unix:*"}, target); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// FuzzTargetAllowed holds what the default patterns allow against what would be dialled: it must be this machine.
func FuzzTargetAllowed(f *testing.F) {
	for _, seed := range []string{"127.0.0.1:80", "localhost:80", "[::1]:80", "grpcs://127.0.0.1:443", "unix:/run/a", "127.0.0.1.evil.com:80",
		"127.1:80", "0x7f.1:80", "me@127.0.0.1:80", "[::ffff:127.0.0.1]:80", "unix:/a/../b", "dns:///localhost:80"} {
		f.Add(seed)
	}
	loopback := config.Defaults().GetAllowedBackends()
	f.Fuzz(func(t *testing.T, target string) {
		if config.TargetAllowed([]string{"*"}, target) != nil {
			if config.TargetAllowed(loopback, target) == nil {
				t.Fatalf("%q is no target, and allowed", target)
			}
			return
		}
		dialled, err := backend.ParseTarget(target)
		if err != nil {
			t.Fatalf("%q is a target here, but not for the one who dials it: %v", target, err)
		}
		if config.TargetAllowed([]string{"*"}, dialled.String()) != nil {
			t.Fatalf("%q is dialled as %q, which is no target", target, dialled)
		}
		here := strings.EqualFold(dialled.Host, "localhost")
		if ip, err := netip.ParseAddr(dialled.Host); err == nil {
			here = ip == netip.MustParseAddr("127.0.0.1") || ip == netip.IPv6Loopback()
		}
		if allowed := config.TargetAllowed(loopback, target) == nil; allowed != here {
			t.Fatalf("%q is dialled as %q; allowed: %v", target, dialled, allowed)
		}
	})
}
