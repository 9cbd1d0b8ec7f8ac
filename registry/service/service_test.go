package service_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	registryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/registry/v1"
	"github.com/gatehouse-gateway/gatehouse/registry"
	"github.com/gatehouse-gateway/gatehouse/registry/service"
)

func TestService(t *testing.T) {
	store, err := registry.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	var refusal error
	r, err := registry.New(t.Context(), registry.Options{Store: store}, func(context.Context, *registry.Candidate) (registry.Verdict, error) {
		return registry.Verdict{}, refusal
	})
	if err != nil {
		t.Fatal(err)
	}
	s := service.New(func() *registry.Registry { return r })
	publish := func(ctx context.Context, name, text string) error {
		_, err := s.PublishModule(ctx, &registryv1.PublishModuleRequest{
			Module: name, Files: []*registryv1.File{{Path: name + ".proto", Content: "syntax = \"proto3\";" + text}}})
		return err
	}
	for _, name := range []string{"acme/b", "acme/a"} {
		if err := publish(t.Context(), name, ""); err != nil {
			t.Fatal(err)
		}
	}

	t.Run("ListsByNameWithoutSources", func(t *testing.T) {
		list, err := s.ListModules(t.Context(), &registryv1.ListModulesRequest{})
		if err != nil || list.GetRevision() != 2 || len(list.GetModules()) != 2 {
			t.Fatalf("got %v, %v", list, err)
		}
		if m := list.GetModules()[0]; m.GetModule() != "acme/a" || m.GetFileCount() != 1 || m.GetFiles() != nil || m.GetDigest() == "" {
			t.Errorf("got %v", m)
		}
	})
	t.Run("GetsAModuleThatIsTheCallers", func(t *testing.T) {
		get := func() *registryv1.Module {
			m, err := s.GetModule(t.Context(), &registryv1.GetModuleRequest{Module: "acme/a"})
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		m := get()
		if m.GetFiles()[0].GetContent() != "syntax = \"proto3\";" {
			t.Errorf("got %v", m)
		}
		m.Files[0].Content = "changed"
		if get().GetFiles()[0].GetContent() == "changed" {
			t.Error("a caller changed what is published")
		}
	})
	t.Run("NotFound", func(t *testing.T) {
		_, getErr := s.GetModule(t.Context(), &registryv1.GetModuleRequest{Module: "acme/c"})
		_, deleteErr := s.DeleteModule(t.Context(), &registryv1.DeleteModuleRequest{Module: "acme/c"})
		for _, err := range []error{getErr, deleteErr} {
			if status.Code(err) != codes.NotFound || !strings.Contains(err.Error(), `"acme/c"`) {
				t.Errorf("got %v", err)
			}
		}
	})
	t.Run("CausesStayWithTheOperator", func(t *testing.T) {
		refusal = errors.New("password 1234")
		defer func() { refusal = nil }()
		err := publish(t.Context(), "acme/c", "")
		st := status.Convert(err)
		if st.Code() != codes.Internal || strings.Contains(st.Proto().String(), "1234") || !errors.Is(err, refusal) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("EndedContext", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := publish(ctx, "acme/c", ""); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("Deletes", func(t *testing.T) {
		if resp, err := s.DeleteModule(t.Context(), &registryv1.DeleteModuleRequest{Module: "acme/a"}); err != nil || resp.GetRevision() != 3 {
			t.Errorf("got %v, %v", resp, err)
		}
	})
}
