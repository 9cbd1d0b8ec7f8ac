package gateway

import (
	"net/http"

	"google.golang.org/grpc"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	policyv1 "github.com/gatehouse-gateway/gatehouse/proto/gatehouse/policy/v1"
	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	native "github.com/gatehouse-gateway/gatehouse/transcoder/front/grpc"
)

// publishBytesMax bounds a request to the admin listener: a published module with all its sources.
const publishBytesMax = 48 << 20

// env is what a listener tells its fronts.
func (g *Gateway) env(l rpc.Listener) front.Env {
	bodyBytesMax, messageBytesMax := int(g.cfg.GetLimits().GetBodyBytesMax()), int(g.cfg.GetWebsocket().GetMessageBytesMax())
	if l == rpc.ListenerAdmin {
		bodyBytesMax, messageBytesMax = publishBytesMax, publishBytesMax
	}
	like := l == rpc.ListenerPublic && g.cfg.GetCompat() == policyv1.Compat_GRPC_GATEWAY
	return front.Env{
		Listener:     l,
		Client:       g.origin.client,
		BodyBytesMax: bodyBytesMax,
		StallTimeout: g.cfg.GetLimits().GetStallTimeout().AsDuration(),
		WebSocket: front.WebSocket{
			MessageBytesMax: messageBytesMax,
			PingInterval:    g.cfg.GetWebsocket().GetPingInterval().AsDuration(),
			PingTimeout:     g.cfg.GetWebsocket().GetPingTimeout().AsDuration(),
			CredentialWait:  g.cfg.GetWebsocket().GetCredentialWait().AsDuration(),
		},
		BareErrors:  g.cfg.GetOwnErrorDetails() == configv1.Config_OMIT,
		Ending:      g.ending,
		Outlive:     g.outlive,
		Heartbeat:   g.cfg.GetRest().GetHeartbeat().AsDuration(),
		Retry:       g.cfg.GetRest().GetRetry().AsDuration(),
		Compress:    g.cfg.GetRest().GetCompression() != configv1.Rest_OFF,
		ETags:       g.cfg.GetRest().GetEtag() != configv1.Rest_OFF,
		Errors:      shapeOf(g.cfg.GetErrors(), like),
		GRPCGateway: like,
		Ignored:     g.set.Ignored,
		Unrouted:    g.set.Unrouted(l),
	}
}

// outlive counts a call that goes on when its request was answered.
func (g *Gateway) outlive(t *front.Table) (ended func()) {
	g.answering.Add(1)
	release := t.Hold()
	return func() {
		release()
		g.answering.Add(-1)
	}
}

// handler answers the HTTP requests of a listener.
func (g *Gateway) handler(l rpc.Listener) http.Handler {
	return transcoder.Handler(g.env(l), func() (*front.Table, func()) { return g.acquire(l) })
}

// refuse answers a request that may not pass, in its own protocol.
func (g *Gateway) refuse(l rpc.Listener) func(http.ResponseWriter, *http.Request, error) {
	return transcoder.Refuse(g.env(l))
}

// native returns the options of the internal listener's grpc.Server, which has no services registered: every method
// is looked up in the snapshot.
func (g *Gateway) native() []grpc.ServerOption {
	limits := native.Limits{
		StreamsMax:       g.cfg.GetLimits().GetStreamsMax(),
		HeaderBytesMax:   g.cfg.GetLimits().GetHeaderBytesMax(),
		HandshakeTimeout: g.cfg.GetLimits().GetHeaderTimeout().AsDuration(),
	}
	acquire := func() (*front.Table, func()) { return g.acquire(rpc.ListenerInternal) }
	return native.NewNative(g.env(rpc.ListenerInternal), limits, acquire).Options()
}
