package gateway

import (
	"net"
	"net/netip"
	"sync"
)

// fairListener accepts what has a place; further connections are closed at once.
type fairListener struct {
	net.Listener
	places *places
}

// Accept returns the next connection that may stay.
func (l *fairListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if release, ok := l.places.take(conn.RemoteAddr()); ok {
			return &fairConn{Conn: conn, release: release}, nil
		}
		_ = conn.Close() // nothing was said on it
	}
}

// fairConn gives its place back when it is closed.
type fairConn struct {
	net.Conn
	release func()
}

func (c *fairConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

// places bounds the connections of one address, by TCP and QUIC together, so that nobody can take all there are.
// Connections of trusted proxies are not counted: they carry everybody's calls. It is safe for concurrent use.
type places struct {
	max     int
	trusted origin

	mu   sync.Mutex
	open map[netip.Prefix]int
}

func newPlaces(most int, trusted origin) *places {
	return &places{max: most, trusted: trusted, open: map[netip.Prefix]int{}}
}

// take takes a place for a connection from an address, until release is called, which may be more than once.
func (p *places) take(a net.Addr) (release func(), ok bool) {
	from, counted := p.network(a)
	if !counted {
		return func() {}, true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[from] >= p.max {
		return nil, false
	}
	p.open[from]++
	return sync.OnceFunc(func() { p.release(from) }), true
}

// network returns what a connection is counted under: an IPv4 address, or an IPv6 customer's network.
func (p *places) network(a net.Addr) (netip.Prefix, bool) {
	ip, ok := a.(interface{ AddrPort() netip.AddrPort }) // of TCP and UDP
	if !ok {
		return netip.Prefix{}, false
	}
	addr := ip.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	from, err := addr.Prefix(bits)
	return from, err == nil && !p.trusted.trusts(addr)
}

func (p *places) release(from netip.Prefix) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[from]--; p.open[from] == 0 {
		delete(p.open, from)
	}
}
