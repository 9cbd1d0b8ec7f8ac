package backend

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"google.golang.org/grpc/credentials"
)

// Target is a backend's address. It is a comparable value.
type Target struct {
	// Scheme is "grpc" (cleartext), "grpcs" (TLS), "unix", or "" for a bare host:port: TLS if the backend has TLS
	// settings, otherwise cleartext.
	Scheme string
	// Host is a name or an address without brackets, "" for unix.
	Host string
	// Port is 1 to 65535, 0 for unix.
	Port uint16
	// Path is the socket's, "" unless unix.
	Path string
}

// ParseTarget reads host:port, grpc://host:port, grpcs://host:port or unix:/path. The error names the target and says
// what it should look like.
func ParseTarget(s string) (Target, error) {
	t, err := parseTarget(s)
	if err != nil {
		return Target{}, fmt.Errorf("target %q: %w", s, err)
	}
	return t, nil
}

func parseTarget(s string) (Target, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		path = strings.TrimPrefix(path, "//")
		if !filepath.IsAbs(path) {
			return Target{}, errors.New("name the socket by its whole path, as in unix:/run/backend.sock")
		}
		return Target{Scheme: "unix", Path: filepath.Clean(path)}, nil
	}
	var t Target
	address := s
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		if scheme != "grpc" && scheme != "grpcs" {
			return Target{}, fmt.Errorf("%q is not a scheme here; use host:port, grpc://host:port, grpcs://host:port or unix:/path", scheme)
		}
		t.Scheme, address = scheme, rest
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || !validHost(host) {
		return Target{}, errors.New("give host:port, for example 127.0.0.1:50051, [::1]:50051 or grpcs://orders.internal:443")
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return Target{}, fmt.Errorf("the port is a number from 1 to 65535, not %q", port)
	}
	t.Host, t.Port = host, uint16(number)
	return t, nil
}

// String returns the target as ParseTarget reads it.
func (t Target) String() string {
	switch t.Scheme {
	case "unix":
		return "unix:" + t.Path
	case "":
		return t.address()
	}
	return t.Scheme + "://" + t.address()
}

// Loopback reports whether the target cannot be on another machine: a loopback address, localhost, or a socket.
func (t Target) Loopback() bool {
	if t.Scheme == "unix" || strings.EqualFold(t.Host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(t.Host)
	return err == nil && addr.Unmap().IsLoopback()
}

// dial returns what grpc-go dials: addresses as they are, names through DNS, each call of which is grpc-go's.
func (t Target) dial() string {
	if t.Scheme == "unix" {
		return "unix://" + t.Path
	}
	if _, err := netip.ParseAddr(t.Host); err == nil {
		return "passthrough:///" + t.address()
	}
	return "dns:///" + t.address()
}

func (t Target) address() string { return net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port))) }

// validHost reports whether a host is an IP address or could be a name in DNS or a hosts file.
func validHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	for i := range len(host) {
		c := host[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return host != "" && len(host) <= 253
}

// open returns how a connection to the target is made, secured by creds, to a server of another name unless that is empty.
func (t Target) open(creds credentials.TransportCredentials, name string) line {
	network, address := "tcp", t.address()
	l := line{scheme: "http", authority: address}
	if t.Scheme == "unix" {
		network, address, l.authority = "unix", t.Path, "localhost"
	}
	if creds.Info().SecurityProtocol == "tls" {
		l.scheme = "https"
	}
	if name != "" {
		l.authority = name
	}
	l.dial = func(ctx context.Context) (net.Conn, error) {
		var dialer net.Dialer
		raw, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		secure, _, err := creds.ClientHandshake(ctx, l.authority, raw)
		if err != nil {
			_ = raw.Close() // nothing was agreed on
			return nil, err
		}
		return secure, nil
	}
	return l
}
