// Package backend connects the gateway to the servers behind it: one address, at most two connections, shared by
// every call and every snapshot that names it. Read Pool first, then stream.go, which says how a backend's failures reach the caller.
package backend

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/gatehouse-gateway/gatehouse/gateway/backend/transport"
	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// replyBytesMax is the default of Config.ReplyBytesMax, the same as limits.reply_bytes_max.
const replyBytesMax = 64 << 20

const userAgent = "gatehouse"

// Config is what New needs. The zero value is ready to use.
type Config struct {
	// ReplyBytesMax bounds one message from a backend, after decompression. 0: 64 MiB.
	ReplyBytesMax int
	// RequestMetadata and ReplyMetadata list the metadata that passes to servers and from them: names, or their starts with "*"
	// at the end. Empty: all.
	RequestMetadata, ReplyMetadata []string
}

// Pool holds the connections to backends. Snapshots take a connection while they are built and let go of it when their
// last call has ended, so a connection outlives a change of the schema as long as somebody uses it. Its methods are
// safe for concurrent use.
type Pool struct {
	options       []grpc.DialOption
	replyBytesMax int
	toServer      *names
	toClient      *names

	mu    sync.Mutex
	conns map[string]*conn
}

// New returns an empty pool. It dials nothing.
func New(cfg Config) *Pool {
	if cfg.ReplyBytesMax == 0 {
		cfg.ReplyBytesMax = replyBytesMax
	}
	return &Pool{
		replyBytesMax: cfg.ReplyBytesMax,
		toServer:      newNames(cfg.RequestMetadata),
		toClient:      newNames(cfg.ReplyMetadata),
		conns:         make(map[string]*conn),
		options: []grpc.DialOption{
			grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rpc.Codec{}), grpc.MaxCallRecvMsgSize(cfg.ReplyBytesMax)),
			// A backend that comes back is found within a second. Calls in between fail at once, from memory.
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
				MinConnectTimeout: 3 * time.Second,
			}),
			// grpc-go's servers tolerate one ping in five minutes unless told otherwise, and end the connection of
			// those who ping more often.
			grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 6 * time.Minute, Timeout: 20 * time.Second}),
			grpc.WithStatsHandler(observer{}),
			grpc.WithUserAgent(userAgent),
			// What the configuration says is what happens: no proxy from the environment, no service configuration
			// from DNS, no second attempt of a call that a backend may have seen.
			grpc.WithNoProxy(),
			grpc.WithDisableServiceConfig(),
			grpc.WithDisableRetry(),
		},
	}
}

// Backend returns the backend that spec names, over a connection that is shared with all others of the same target
// and TLS files of the same content. It reads those files and fails on what cannot work; it does not dial, so a
// backend that is down is no error here. The caller calls release once nobody uses the backend any more; the
// connection is closed with its last user.
func (p *Pool) Backend(spec *configv1.Backend) (b rpc.Backend, release func(), err error) {
	target, err := ParseTarget(spec.GetTarget())
	if err != nil {
		return nil, nil, err
	}
	creds, key, err := credentialsOf(target, spec.GetTls())
	if err != nil {
		return nil, nil, fmt.Errorf("backend %s: %w", target, err)
	}
	c, err := p.take(key, target.String(), target.dial(), target.open(creds, spec.GetTls().GetServerName()), grpc.WithTransportCredentials(creds))
	if err != nil {
		return nil, nil, fmt.Errorf("backend %s: %w", target, err)
	}
	return &remote{conn: c, forwardCredentials: spec.GetForwardCredentials(), toServer: p.toServer, toClient: p.toClient}, p.release(c), nil
}

// Local returns a backend inside this process, reached by dial: the gateway's own services. The name tells local
// backends apart: the same name is the same connection. All metadata passes.
func (p *Pool) Local(name string, dial func(context.Context) (net.Conn, error)) (b rpc.Backend, release func(), err error) {
	c, err := p.take("local "+name, name, "passthrough:///"+name, line{authority: name, scheme: "http", dial: dial},
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return dial(ctx) }))
	if err != nil {
		return nil, nil, fmt.Errorf("backend %s: %w", name, err)
	}
	return &remote{conn: c}, p.release(c), nil
}

// take returns the connection of a key with one more user, and makes it if there is none.
func (p *Pool) take(key, name, target string, l line, options ...grpc.DialOption) (*conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.conns[key]
	if c == nil {
		client, err := grpc.NewClient(target, append(options, p.options...)...)
		if err != nil {
			return nil, err
		}
		c = &conn{key: key, name: name, client: client, wire: p.transport(l)}
		p.conns[key] = c
	}
	c.users++
	return c, nil
}

// release returns the function by which one user lets go of c; calling it again does nothing.
func (p *Pool) release(c *conn) func() {
	return sync.OnceFunc(func() {
		p.mu.Lock()
		c.users--
		last := c.users == 0
		if last {
			delete(p.conns, c.key)
		}
		p.mu.Unlock()
		if last {
			_ = c.client.Close() // it fails only when closed twice
			c.wire.Close()
		}
	})
}

// Open returns how many connections somebody uses.
func (p *Pool) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

// conn is what leads to one server: our own client for calls with one request, grpc-go's for the others. Each
// connects when it is first used.
type conn struct {
	key    string
	name   string // for the operator only
	client *grpc.ClientConn
	wire   *transport.Client
	users  int // guarded by Pool.mu
}

// line is how a connection to a server is made.
type line struct {
	scheme, authority string
	dial              func(context.Context) (net.Conn, error)
}

func (p *Pool) transport(l line) *transport.Client {
	return transport.New(transport.Config{
		Dial: l.dial, Scheme: l.scheme, Authority: l.authority, UserAgent: userAgent,
		MessageBytesMax: p.replyBytesMax, Unindexed: []string{DecisionIDKey},
	})
}
