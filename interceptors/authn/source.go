package authn

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"syscall"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
)

// keySetBytesMax bounds a JSON Web Key Set.
const keySetBytesMax = 1 << 20

// newFile returns a function that reads a file, and nil if it has not changed since. The function is for one caller
// at a time.
func newFile(path string) func() ([]byte, error) {
	var modified time.Time
	var size int64 = -1
	return func() ([]byte, error) {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if info.ModTime().Equal(modified) && info.Size() == size {
			return nil, nil
		}
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		data, err := readAll(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		modified, size = info.ModTime(), info.Size()
		return data, nil
	}
}

// newFetch returns a function that reads a URL: https, or http on loopback; no redirects, no proxy, no connection to
// link-local addresses, where cloud providers answer with credentials.
func newFetch(address string) (func(context.Context) ([]byte, error), error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("jwks_url: %w", err)
	}
	plain := u.Scheme == "http" && loopback(u.Hostname())
	if u.Scheme != "https" && !plain || u.Host == "" || u.User != nil {
		return nil, fmt.Errorf("jwks_url %s must be https, or http on loopback, without a user", u.Redacted())
	}
	dialer := &net.Dialer{Timeout: fetchTimeout, Control: func(_, to string, _ syscall.RawConn) error {
		return mayDial(to, plain)
	}}
	client := &http.Client{
		Timeout: fetchTimeout,
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    fetchTimeout,
			MaxResponseHeaderBytes: 64 << 10,
			DisableKeepAlives:      true, // one read in minutes; nothing stays open when run returns
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context) ([]byte, error) { return fetch(ctx, client, address) }, nil
}

func fetch(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s; a JSON Web Key Set must come with 200, without redirects", address, resp.Status)
	}
	data, err := readAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	return data, nil
}

// readAll reads at most keySetBytesMax bytes, and never returns nil for an empty source.
func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, keySetBytesMax+1))
	if err != nil {
		return nil, err
	}
	if len(data) > keySetBytesMax {
		return nil, fmt.Errorf("longer than %d bytes", keySetBytesMax)
	}
	return data, nil
}

// mayDial judges an address after names were resolved.
func mayDial(address string, onlyLoopback bool) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := to.Addr().Unmap()
	if onlyLoopback && !ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() {
		return fmt.Errorf("%s is not an address that keys may come from", ip)
	}
	return nil
}

// loopback reports whether a host is the machine itself.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// asymmetric reports whether a key is one half of a key pair that can sign.
func asymmetric(key jwk.Key) bool {
	switch key.KeyType() {
	case jwa.RSA(), jwa.EC(), jwa.OKP():
		return !jwk.IsUnsupportedKey(key)
	}
	return false
}

// fits reports whether a key can make signatures of an algorithm (RFC 7518, section 3.1; RFC 8037, section 3.1).
func fits(key jwk.Key, alg string) bool {
	switch alg[0] {
	case 'R', 'P':
		return key.KeyType() == jwa.RSA()
	}
	var curve jwa.EllipticCurveAlgorithm
	if key.Get(jwk.ECDSACrvKey, &curve) != nil {
		return false
	}
	switch alg {
	case "ES256":
		return curve == jwa.P256()
	case "ES384":
		return curve == jwa.P384()
	case "ES512":
		return curve == jwa.P521()
	case "EdDSA":
		return curve == jwa.Ed25519()
	}
	return false
}
