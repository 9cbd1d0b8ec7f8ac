package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// admin is how the verbs that talk to a running gateway reach its admin listener, by gRPC.
type admin struct {
	address              string
	keyFile              string
	ca, cert, privateKey string
	timeout              time.Duration
}

// adminKeyEnv is the variable with the admin key.
const adminKeyEnv = "GATEHOUSE_ADMIN_KEY"

// bindAdmin adds the flags to cmd and to the verbs below it.
func bindAdmin(cmd *cobra.Command) *admin {
	a := &admin{}
	flags := cmd.PersistentFlags()
	flags.StringVar(&a.address, "admin", "127.0.0.1:9901", "the gateway's admin listener: HOST:PORT, or https://HOST:PORT for TLS")
	flags.StringVar(&a.keyFile, "admin-key-file", "", "file with the admin key (default: the variable "+adminKeyEnv+")")
	flags.StringVar(&a.ca, "admin-ca", "", "authorities that may have signed the listener's certificate, a PEM file (default: the system's)")
	flags.StringVar(&a.cert, "admin-cert", "", "client certificate, a PEM file")
	flags.StringVar(&a.privateKey, "admin-cert-key", "", "the client certificate's key, a PEM file")
	flags.DurationVar(&a.timeout, "timeout", 2*time.Minute, "longest time to wait for the answer")
	return a
}

// replyBytesMax bounds an answer: a module with all its sources fits well.
const replyBytesMax = 64 << 20

// dial returns a connection, which is made when the first call needs it. The caller closes it.
func (a *admin) dial(cmd *cobra.Command) (*grpc.ClientConn, error) {
	host, secure, err := a.target()
	if err != nil {
		return nil, err
	}
	transport, err := a.transport(secure)
	if err != nil {
		return nil, err
	}
	key, err := a.keyFor(cmd, host, secure)
	if err != nil {
		return nil, err
	}
	return grpc.NewClient("dns:///"+host,
		grpc.WithTransportCredentials(transport),
		grpc.WithUnaryInterceptor(withKey(key)),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(replyBytesMax)),
	)
}

// call runs f with a context that ends after the timeout, and puts its error into words for a terminal.
func (a *admin) call(cmd *cobra.Command, f func(context.Context, *grpc.ClientConn) error) error {
	conn, err := a.dial(cmd)
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(cmd.Context(), a.timeout)
	defer cancel()
	return a.explained(f(ctx, conn))
}

func (a *admin) target() (host string, secure bool, err error) {
	host, secure = strings.CutPrefix(a.address, "https://")
	host = strings.TrimSuffix(strings.TrimPrefix(host, "http://"), "/")
	if name, port, err := net.SplitHostPort(host); err != nil || name == "" || port == "" {
		return "", false, fmt.Errorf("--admin %s: it must be HOST:PORT or https://HOST:PORT, for example 127.0.0.1:9901", a.address)
	}
	return host, secure, nil
}

func (a *admin) transport(secure bool) (credentials.TransportCredentials, error) {
	cfg, err := a.tls(secure)
	if err != nil || cfg == nil {
		return insecure.NewCredentials(), err
	}
	return credentials.NewTLS(cfg), nil
}

// tls returns nil for cleartext.
func (a *admin) tls(secure bool) (*tls.Config, error) {
	if !secure {
		if a.ca != "" || a.cert != "" || a.privateKey != "" {
			return nil, fmt.Errorf("--admin %s is without TLS, so certificates have no use; write https://%s", a.address, a.address)
		}
		return nil, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if a.ca != "" {
		pem, err := os.ReadFile(a.ca)
		if err != nil {
			return nil, err
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--admin-ca %s: there is no certificate in it", a.ca)
		}
	}
	if a.cert != "" || a.privateKey != "" {
		pair, err := tls.LoadX509KeyPair(a.cert, a.privateKey)
		if err != nil {
			return nil, fmt.Errorf("--admin-cert %s, --admin-cert-key %s: %w", a.cert, a.privateKey, err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

// keyFor returns the admin key, and warns where others can read it.
func (a *admin) keyFor(cmd *cobra.Command, host string, secure bool) (string, error) {
	key, err := a.key()
	if err == nil && key != "" && !secure && !loopback(host) {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: the admin key goes to %s unencrypted; use https:// if the listener has TLS\n", host)
	}
	return key, err
}

func (a *admin) key() (string, error) {
	from, key := adminKeyEnv, os.Getenv(adminKeyEnv)
	if a.keyFile != "" {
		text, err := os.ReadFile(a.keyFile)
		if err != nil {
			return "", err
		}
		from, key = a.keyFile, string(text)
	}
	key = strings.TrimSpace(key)
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("%s: the admin key must be one word of printable ASCII", from)
	}
	return key, nil
}

func withKey(key string) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
		if key != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+key)
		}
		return invoke(ctx, method, req, reply, conn, options...)
	}
}

func loopback(hostPort string) bool {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return false
	}
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// explained returns what a person at a terminal is told of a failed call: the gateway's own sentence, or why none came.
func (a *admin) explained(err error) error {
	st, ok := status.FromError(err)
	switch {
	case err == nil || !ok:
		return err
	case st.Code() == codes.Unavailable && !hasReason(st):
		return fmt.Errorf("no gateway answers at %s (%s); start one with `gatehouse serve`, or name its admin listener with --admin",
			a.address, unreachable(st.Message()))
	case st.Code() == codes.Unimplemented:
		return fmt.Errorf("the gateway at %s takes no such request here: it serves a fixed schema (start it with --data DIR to publish to it), or this is not its admin listener (127.0.0.1:9901 if nothing else was said)", a.address)
	case st.Code() == codes.DeadlineExceeded:
		return fmt.Errorf("%s did not answer within %s; --timeout waits longer", a.address, a.timeout)
	}
	return errors.New(st.Message())
}

// hasReason reports whether the gateway said why, so that it was there to say it.
func hasReason(st *status.Status) bool {
	for _, detail := range st.Details() {
		if _, ok := detail.(*errdetails.ErrorInfo); ok {
			return true
		}
	}
	return false
}

// unreachable returns the heart of grpc-go's message on a connection that did not come about.
func unreachable(message string) string {
	for _, before := range []string{"Error while dialing: ", "authentication handshake failed: "} {
		if _, rest, ok := strings.Cut(message, before); ok {
			return strings.TrimSuffix(rest, `"`)
		}
	}
	return message
}
