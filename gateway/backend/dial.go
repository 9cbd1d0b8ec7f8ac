package backend

import (
	"fmt"

	"google.golang.org/grpc"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
)

// Dial returns an ordinary connection to the backend that spec names, for questions of the gateway's own such as
// server reflection. It is not shared; the caller closes it. Like grpc.NewClient it connects on first use.
func Dial(spec *configv1.Backend) (*grpc.ClientConn, error) {
	target, err := ParseTarget(spec.GetTarget())
	if err != nil {
		return nil, err
	}
	creds, _, err := credentialsOf(target, spec.GetTls())
	if err != nil {
		return nil, fmt.Errorf("backend %s: %w", target, err)
	}
	return grpc.NewClient(target.dial(), grpc.WithTransportCredentials(creds), grpc.WithNoProxy(), grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(replyBytesMax))) // reflection sends a file with all that it imports
}
