package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// TargetAllowed returns nil when a backend target that a publisher named fits one of the patterns of allowed_backends,
// else an error that says why it does not.
//
// A pattern is host:port or unix:path in which "*" stands for any run of characters; "*" alone fits every target. Host
// and port are compared apart, so that no host can reach into the port. A pattern that begins with grpc:// or grpcs://
// fits only targets of that kind. A pattern of digits, dots and "*" is about IPv4 addresses and fits no name: 10.0.0.*
// does not fit 10.0.0.example.com.
//
// Targets are compared in one form only: host names in lower case, IPv6 addresses as RFC 5952 writes them. A target
// that software could read in two ways (127.1, 0x7f.0.0.1, [::ffff:127.0.0.1], a name with a dot at its end, escapes,
// user info) is refused whatever the patterns are. Names are not looked up.
func TargetAllowed(patterns []string, target string) error {
	t, err := parseTarget(target)
	if err != nil {
		return fmt.Errorf("target %q: %w", target, err)
	}
	for _, text := range patterns {
		// A pattern that cannot be read fits nothing; loading a configuration reports it.
		if p, err := parsePattern(text); err == nil && p.fits(t) {
			return nil
		}
	}
	return fmt.Errorf("target %q is not among the gateway's allowed_backends (%s); ask its operator to add it", target, strings.Join(patterns, ", "))
}

// address is a target in the one form in which targets are compared.
type address struct {
	secure bool   // grpcs://
	unix   string // absolute path; then the rest is empty
	host   string // lower case; IPv6 in brackets
	port   string
	ip     netip.Addr // invalid for a name
}

func parseTarget(text string) (address, error) {
	if path, ok := cutUnix(text); ok {
		return address{unix: path}, checkSocket(path)
	}
	var a address
	rest, secure := strings.CutPrefix(text, "grpcs://")
	if a.secure = secure; !secure {
		rest = strings.TrimPrefix(text, "grpc://")
	}
	colon := strings.LastIndexByte(rest, ':')
	if colon < 0 || strings.HasSuffix(rest, "]") {
		return address{}, errors.New("the port is missing; write host:port, grpc://host:port, grpcs://host:port or unix:/path")
	}
	a.port = rest[colon+1:]
	if err := checkPort(a.port); err != nil {
		return address{}, err
	}
	var err error
	a.host, a.ip, err = parseHost(rest[:colon])
	return a, err
}

func checkSocket(path string) error {
	if !strings.HasPrefix(path, "/") {
		return errors.New("a Unix socket is named by its absolute path, for example unix:/run/orders.sock")
	}
	// gRPC reads targets as URLs: an escape or a query would name another file than the one that was judged.
	for _, r := range path {
		if r <= ' ' || r == 0x7f || strings.ContainsRune(`%?#\`, r) {
			return fmt.Errorf("a Unix socket's path cannot contain %q", r)
		}
	}
	for _, part := range strings.Split(path[1:], "/") {
		if part == "" || part == "." || part == ".." {
			return errors.New("a Unix socket's path cannot have empty, . and .. parts")
		}
	}
	return nil
}

func checkPort(port string) error {
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || port[0] == '0' {
		return fmt.Errorf("port %q is not a number from 1 to 65535", port)
	}
	return nil
}

func parseHost(host string) (string, netip.Addr, error) {
	if scheme, _, ok := strings.Cut(host, "://"); ok {
		return "", netip.Addr{}, fmt.Errorf("%q is not a scheme of backends; write host:port or grpc://host:port, or grpcs://host:port for TLS", scheme)
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		ip, err := netip.ParseAddr(inner)
		if !ok || err != nil || !ip.Is6() || ip.Zone() != "" {
			return "", netip.Addr{}, fmt.Errorf("host %q is not an IPv6 address in brackets", host)
		}
		if ip.Is4In6() {
			return "", netip.Addr{}, fmt.Errorf("host %q is an IPv4 address in disguise; write %s", host, ip.Unmap())
		}
		return "[" + ip.String() + "]", ip, nil
	}
	host = strings.ToLower(host)
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
		return host, ip, nil
	}
	return host, netip.Addr{}, checkName(host)
}

func checkName(host string) error {
	if len(host) > 253 {
		return errors.New("the host is longer than 253 characters")
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.Trim(label, nameRunes) != "" {
			return fmt.Errorf("host %q is neither a host name nor an IP address (IPv6 goes in brackets)", host)
		}
	}
	// A last label that is a number makes URL parsers and resolvers read the whole as an IPv4 address (WHATWG URL 3.5,
	// "ends in a number"): 127.1, 2130706433 and 0x7f000001 are all loopback to some of them.
	last := labels[len(labels)-1]
	if strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") && strings.Trim(last[2:], "0123456789abcdef") == "" {
		return fmt.Errorf("host %q is not an IPv4 address in full; write four numbers without leading zeros", host)
	}
	return nil
}

// nameRunes are the characters of host names. Container networks use "_" as well.
const nameRunes = "abcdefghijklmnopqrstuvwxyz0123456789-_"

// pattern is one entry of allowed_backends.
type pattern struct {
	all    bool   // "*"
	scheme string // "", "grpc" or "grpcs"
	unix   string
	host   string
	port   string
	ip4    bool // about IPv4 addresses only
}

func parsePattern(text string) (pattern, error) {
	if text == "*" {
		return pattern{all: true}, nil
	}
	if path, ok := cutUnix(text); ok {
		if path != "*" && !strings.HasPrefix(path, "/") {
			return pattern{}, errors.New("name Unix sockets by absolute path, for example unix:/run/* or unix:*")
		}
		return pattern{unix: path}, nil
	}
	var p pattern
	rest := text
	for _, scheme := range []string{"grpc", "grpcs"} {
		if after, ok := strings.CutPrefix(text, scheme+"://"); ok {
			p.scheme, rest = scheme, after
		}
	}
	colon := strings.LastIndexByte(rest, ':')
	if colon < 0 || strings.HasSuffix(rest, "]") {
		return pattern{}, fmt.Errorf("the port is missing; write %s:* for every port", rest)
	}
	p.host, p.port = strings.ToLower(rest[:colon]), rest[colon+1:]
	if p.port == "" || strings.Trim(p.port, "0123456789*") != "" {
		return pattern{}, fmt.Errorf("port %q is not a number or *", p.port)
	}
	return p, p.parseHost()
}

func (p *pattern) parseHost() error {
	host := p.host
	if !strings.Contains(host, "*") {
		var err error
		p.host, _, err = parseHost(host)
		return err
	}
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") && strings.Trim(host[1:len(host)-1], "0123456789abcdef:*") == "" {
		return nil
	}
	if strings.Trim(host, nameRunes+".*") != "" {
		return fmt.Errorf("host %q is neither a host name nor an IP address (IPv6 goes in brackets)", host)
	}
	p.ip4 = strings.Trim(host, "0123456789.*") == "" && strings.ContainsAny(host, "0123456789")
	return nil
}

func (p pattern) fits(a address) bool {
	switch {
	case p.all:
		return true
	case p.unix != "" || a.unix != "":
		return p.unix != "" && a.unix != "" && glob(p.unix, a.unix)
	case p.scheme == "grpc" && a.secure, p.scheme == "grpcs" && !a.secure, p.ip4 && !a.ip.Is4():
		return false
	}
	return glob(p.host, a.host) && glob(p.port, a.port)
}

// cutUnix returns what follows unix: or unix:// in a target or a pattern.
func cutUnix(text string) (string, bool) {
	rest, ok := strings.CutPrefix(text, "unix:")
	if after, slashes := strings.CutPrefix(rest, "//"); ok && slashes {
		rest = after
	}
	return rest, ok
}

// glob matches text against a pattern in which "*" stands for any run of characters. It looks back to the last "*"
// only, so it takes at most len(pattern)*len(text) steps.
func glob(pattern, text string) bool {
	p, t, star, mark := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && pattern[p] == text[t]:
			p++
			t++
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
