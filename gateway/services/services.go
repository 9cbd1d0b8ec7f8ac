// Package services runs Gatehouse's own gRPC services (registry, admin, reflection, health) on an ordinary
// grpc.Server that listens in memory. To the gateway each is one more backend: its methods stand in the snapshot like
// anyone's and pass the same checks. Read this file first, then view.go for what reflection shows to whom.
package services

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"buf.build/go/protovalidate"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	validate "github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/protovalidate"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/selector"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// messageBytesMax bounds a message to or from our own services: a published module with all its sources.
const messageBytesMax = 64 << 20

// Server is one listener's own services. It is safe for concurrent use.
type Server struct {
	server *grpc.Server
	pipe   *bufconn.Listener
	health *health.Server
	view   viewPointer
	own    []protoreflect.ServiceDescriptor
}

// New makes a listener's services: reflection and health of what the listener serves, and what register adds. They
// answer while Run runs.
func New(log *slog.Logger, register func(grpc.ServiceRegistrar)) (*Server, error) {
	validator, err := protovalidate.New()
	if err != nil {
		return nil, fmt.Errorf("own services: %w", err)
	}
	s := &Server{pipe: bufconn.Listen(1 << 20), health: health.NewServer()}
	s.server = grpc.NewServer(append(middleware(log, validator), grpc.MaxRecvMsgSize(messageBytesMax))...)
	s.register(register)
	return s, nil
}

// middleware is what stands around our own services: a panic is an answer, a failure of ours is logged, a message
// that breaks its rules is refused even if it did not come through a snapshot.
func middleware(log *slog.Logger, validator protovalidate.Validator) []grpc.ServerOption {
	recovered := recovery.WithRecoveryHandlerContext(func(_ context.Context, p any) error {
		return rpc.Errorf(codes.Internal, "INTERNAL", "the gateway failed; its log has the cause").Because(fmt.Errorf("panic: %v", p))
	})
	logger := logging.LoggerFunc(func(ctx context.Context, level logging.Level, message string, fields ...any) {
		log.Log(ctx, slog.Level(level), message, fields...)
	})
	onFailure := logging.WithLevels(func(code codes.Code) logging.Level {
		switch code {
		case codes.Internal, codes.Unknown, codes.DataLoss, codes.Unavailable: // the last is a store that fails
			return logging.LevelError
		}
		return logging.LevelDebug
	})
	finished := logging.WithLogOnEvents(logging.FinishCall)
	watched := selector.MatchFunc(func(_ context.Context, c interceptors.CallMeta) bool {
		return c.Service != healthv1.Health_ServiceDesc.ServiceName // asked every few seconds, by machines
	})
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(
			selector.UnaryServerInterceptor(logging.UnaryServerInterceptor(logger, onFailure, finished), watched),
			recovery.UnaryServerInterceptor(recovered),
			validate.UnaryServerInterceptor(validator)),
		grpc.ChainStreamInterceptor(
			selector.StreamServerInterceptor(logging.StreamServerInterceptor(logger, onFailure, finished), watched),
			recovery.StreamServerInterceptor(recovered),
			validate.StreamServerInterceptor(validator)),
	}
}

// register puts the services on the server and remembers their descriptors for the snapshot.
func (s *Server) register(more func(grpc.ServiceRegistrar)) {
	options := reflection.ServerOptions{Services: &s.view, DescriptorResolver: &s.view, ExtensionResolver: &s.view}
	reflectionv1.RegisterServerReflectionServer(s.server, reflection.NewServerV1(options))
	reflectionv1alpha.RegisterServerReflectionServer(s.server, reflection.NewServer(options))
	healthv1.RegisterHealthServer(s.server, s.health)
	s.own = []protoreflect.ServiceDescriptor{
		reflectionv1.File_grpc_reflection_v1_reflection_proto.Services().Get(0),
		reflectionv1alpha.File_grpc_reflection_v1alpha_reflection_proto.Services().Get(0),
		healthv1.File_grpc_health_v1_health_proto.Services().Get(0),
	}
	if more != nil {
		more(registrar{s})
	}
}

// Services returns the descriptors of the services that run here.
func (s *Server) Services() []protoreflect.ServiceDescriptor { return s.own }

// Dial connects to the services in memory.
func (s *Server) Dial(ctx context.Context) (net.Conn, error) { return s.pipe.DialContext(ctx) }

// Show makes reflection and health speak of a view from now on.
func (s *Server) Show(v *View) {
	old := s.view.Swap(v)
	for name := range old.services() {
		if !v.has(name) {
			s.health.SetServingStatus(name, healthv1.HealthCheckResponse_SERVICE_UNKNOWN)
		}
	}
	for name := range v.services() {
		s.health.SetServingStatus(name, healthv1.HealthCheckResponse_SERVING)
	}
}

// Drain makes health answer NOT_SERVING for everything.
func (s *Server) Drain() { s.health.Shutdown() }

// Run answers calls until ctx ends; then it ends those that are left.
func (s *Server) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, s.server.Stop)()
	if err := s.server.Serve(s.pipe); !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil // ctx ended before it was served
}

// registrar notes the descriptors of what is registered through it.
type registrar struct{ *Server }

func (r registrar) RegisterService(desc *grpc.ServiceDesc, impl any) {
	r.server.RegisterService(desc, impl)
	r.own = append(r.own, descriptorOf(desc.ServiceName))
}
