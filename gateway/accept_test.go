package gateway

import (
	"io"
	"net"
	"net/netip"
	"testing"
)

// listenerOf hands out connections from given addresses.
type listenerOf struct {
	net.Listener
	from []string
}

func (l *listenerOf) Accept() (net.Conn, error) {
	if len(l.from) == 0 {
		return nil, io.EOF
	}
	c := &connFrom{from: l.from[0]}
	l.from = l.from[1:]
	return c, nil
}

type connFrom struct {
	net.Conn
	from string
}

func (c *connFrom) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(c.from), 1))
}

func (c *connFrom) Close() error { return nil }

func TestFairListener(t *testing.T) {
	trusted, err := newOrigin([]string{"10.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		from []string
		want int
	}{
		"EachAddressHasItsOwn":    {[]string{"192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"}, 3},
		"MappedIsTheSame":         {[]string{"192.0.2.1", "::ffff:192.0.2.1", "::ffff:192.0.2.1"}, 2},
		"ANetworkOfIPv6IsOne":     {[]string{"2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::3", "2001:db8:0:1::1"}, 3},
		"TrustedProxiesHaveNoEnd": {[]string{"10.0.0.1", "10.0.0.1", "10.0.0.1"}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			l := &fairListener{&listenerOf{from: c.from}, newPlaces(2, trusted)}
			n := 0
			for _, err := l.Accept(); err == nil; _, err = l.Accept() {
				n++
			}
			if n != c.want {
				t.Errorf("%d connections stay, want %d", n, c.want)
			}
		})
	}
	t.Run("AClosedOneMakesRoomOnce", func(t *testing.T) {
		inner := &listenerOf{from: []string{"192.0.2.1", "192.0.2.1"}}
		l := &fairListener{inner, newPlaces(2, nil)}
		first, _ := l.Accept()
		if _, err := l.Accept(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			_ = first.Close()
		}
		inner.from = []string{"192.0.2.1", "192.0.2.1"}
		if _, err := l.Accept(); err != nil {
			t.Error("no room for another")
		}
		if _, err := l.Accept(); err == nil {
			t.Error("room for two")
		}
	})
}
