// Package service is the registry's API: gatehouse.registry.v1.Registry over a registry.Registry. Read [New] first.
package service

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	registryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/registry/v1"
	"github.com/gatehouse-gateway/gatehouse/registry"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// New returns the API of the registry that current returns, to be registered on a grpc.Server. A registry brings a
// snapshot live when it is made, and this API's methods stand in every snapshot; so the API comes first, and current is
// asked with each call. What the API lists is what serves.
func New(current func() *registry.Registry) registryv1.RegistryServer {
	return &service{registry: current}
}

type service struct {
	registryv1.UnimplementedRegistryServer
	registry func() *registry.Registry
}

func (s *service) PublishModule(ctx context.Context, req *registryv1.PublishModuleRequest) (*registryv1.PublishModuleResponse, error) {
	resp, err := s.registry().Publish(ctx, req)
	return resp, told(err)
}

func (s *service) ListModules(context.Context, *registryv1.ListModulesRequest) (*registryv1.ListModulesResponse, error) {
	revision := s.registry().Current()
	resp := &registryv1.ListModulesResponse{Revision: revision.GetNumber()}
	for _, m := range revision.GetModules() {
		resp.Modules = append(resp.Modules, &registryv1.Module{
			Module:      m.GetModule(),
			Backend:     m.GetBackend(),
			Digest:      m.GetDigest(),
			PublishTime: m.GetPublishTime(),
			FileCount:   m.GetFileCount(),
		})
	}
	return resp, nil
}

func (s *service) GetModule(_ context.Context, req *registryv1.GetModuleRequest) (*registryv1.Module, error) {
	for _, m := range s.registry().Current().GetModules() {
		if m.GetModule() == req.GetModule() {
			return proto.CloneOf(m), nil // whoever is put around the service may change replies
		}
	}
	return nil, registry.NotFound(req.GetModule())
}

func (s *service) DeleteModule(ctx context.Context, req *registryv1.DeleteModuleRequest) (*registryv1.DeleteModuleResponse, error) {
	resp, err := s.registry().Delete(ctx, req.GetModule())
	return resp, told(err)
}

// told returns err as a caller may see it: what is not meant for callers becomes the cause of an INTERNAL error.
func told(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if own, ok := errors.AsType[*rpc.Error](err); ok {
		return own
	}
	return rpc.Errorf(codes.Internal, "INTERNAL", "the registry failed; the gateway's log has the cause").Because(err)
}
