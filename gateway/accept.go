package gateway

import (
	"net"
	"net/netip"
	"sync"
)

// fairListener accepts a bounded number of connections from one address at a time, so that nobody can take all there
// are. Further ones are closed at once. Connections of trusted proxies are not counted: they carry everybody's calls.
type fairListener struct {
	net.Listener
	max     int
	trusted origin

	mu   sync.Mutex
	open map[netip.Prefix]int
}

func newFairListener(l net.Listener, most int, trusted origin) *fairListener {
	return &fairListener{Listener: l, max: most, trusted: trusted, open: map[netip.Prefix]int{}}
}

// Accept returns the next connection that may stay.
func (l *fairListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from, ok := l.network(conn.RemoteAddr())
		if !ok {
			return conn, nil
		}
		if l.take(from) {
			return &fairConn{Conn: conn, release: sync.OnceFunc(func() { l.release(from) })}, nil
		}
		_ = conn.Close() // nothing was said on it
	}
}

// network returns what a connection is counted under: an IPv4 address, or an IPv6 customer's network.
func (l *fairListener) network(a net.Addr) (netip.Prefix, bool) {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}, false
	}
	addr := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	from, err := addr.Prefix(bits)
	return from, err == nil && !l.trusted.trusts(addr)
}

func (l *fairListener) take(from netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[from] >= l.max {
		return false
	}
	l.open[from]++
	return true
}

func (l *fairListener) release(from netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[from]--; l.open[from] == 0 {
		delete(l.open, from)
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
