package gateway

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// origin finds a caller's address. X-Forwarded-For is believed only as far as trusted proxies wrote it: it is read
// from the right, and the first address that is not a trusted proxy's is the client. Forwarded and X-Real-IP are not
// read at all.
type origin []netip.Prefix

func newOrigin(cidrs []string) (origin, error) {
	o := make(origin, len(cidrs))
	for i, cidr := range cidrs {
		prefix, err := netip.ParsePrefix(cidr)
		if err != nil {
			return nil, err
		}
		o[i] = prefix.Masked()
	}
	return o, nil
}

// client returns the caller's address, given the address of the connection.
func (o origin) client(peer netip.Addr, h http.Header) netip.Addr {
	client := peer.Unmap()
	if len(o) == 0 || !o.trusts(client) {
		return client
	}
	hops := strings.Split(strings.Join(h.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		addr, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			return client // a trusted proxy wrote what is no address: what lies behind it is unknown
		}
		client = addr.Unmap()
		if !o.trusts(client) {
			return client
		}
	}
	return client
}

func (o origin) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(o, func(p netip.Prefix) bool { return p.Contains(a) })
}
