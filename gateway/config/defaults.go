package config

import (
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	policyv1 "github.com/gatehouse-gateway/gatehouse/proto/gatehouse/policy/v1"
)

// Defaults returns the configuration of a gateway for which nothing was set. The caller owns it.
func Defaults() *configv1.Config {
	return WithDefaults(&configv1.Config{})
}

// WithDefaults returns a copy of a configuration in which every setting that was left out has the default that its
// comment in proto/gatehouse/config/v1 promises. The caller owns the copy; cfg stays as it is.
func WithDefaults(cfg *configv1.Config) *configv1.Config {
	cfg = proto.CloneOf(cfg)
	fill(&cfg.Listen, "127.0.0.1:8080")
	fill(&cfg.ListenGrpc, "127.0.0.1:9090")
	fill(&cfg.ListenAdmin, "127.0.0.1:9901")
	if len(cfg.AllowedBackends) == 0 {
		cfg.AllowedBackends = []string{"127.0.0.1:*", "localhost:*", "[::1]:*"}
	}
	if cfg.Dev {
		fill(&cfg.DefaultAccess, policyv1.Access_PUBLIC)
	}
	fill(&cfg.DefaultAccess, policyv1.Access_DENIED)
	fill(&cfg.AccessLog, configv1.AccessLog_ON)
	if cfg.Limits == nil {
		cfg.Limits = &configv1.Limits{}
	}
	fillLimits(cfg.Limits)
	if cfg.Rest == nil {
		cfg.Rest = &configv1.Rest{}
	}
	if cfg.Rest.Heartbeat == nil { // 0s is none
		cfg.Rest.Heartbeat = durationpb.New(15 * time.Second)
	}
	if cfg.Websocket == nil {
		cfg.Websocket = &configv1.Websocket{}
	}
	fillWebsocket(cfg.Websocket, cfg.Limits)
	for _, jwt := range cfg.GetAuthn().GetJwt() {
		if len(jwt.Algorithms) == 0 {
			jwt.Algorithms = []string{"RS256", "ES256", "EdDSA"}
		}
		fill(&jwt.ScopesClaim, "scope")
	}
	return cfg
}

func fillLimits(l *configv1.Limits) {
	fill(&l.BodyBytesMax, 4<<20)
	fill(&l.HeaderBytesMax, 64<<10)
	fill(&l.ReplyBytesMax, 64<<20)
	fillDuration(&l.Timeout, time.Minute)
	fillDuration(&l.Drain, 15*time.Second)
	fill(&l.ConnectionsMax, 10000)
	fill(&l.StreamsMax, 100)
	fillDuration(&l.HeaderTimeout, 10*time.Second)
	fill(&l.JsonDepthMax, 100)
	fill(&l.ConnectionsPerAddressMax, 1000)
	fillDuration(&l.StallTimeout, 30*time.Second)
}

func fillWebsocket(w *configv1.Websocket, l *configv1.Limits) {
	fill(&w.MessageBytesMax, l.BodyBytesMax)
	fillDuration(&w.PingInterval, 30*time.Second)
	fillDuration(&w.PingTimeout, 20*time.Second)
	fillDuration(&w.CredentialWait, 5*time.Second)
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func fillDuration(field **durationpb.Duration, value time.Duration) {
	if (*field).AsDuration() == 0 {
		*field = durationpb.New(value)
	}
}
