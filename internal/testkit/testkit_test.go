package testkit_test

import (
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

func TestBackend(t *testing.T) {
	files := testkit.Schema(t, "semantics")
	b := testkit.NewBackend(t, files)
	conn, err := grpc.NewClient(b.Target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	call := func() *dynamicpb.Message {
		mt, err := files.Types().FindMessageByName("semantics.v1.Name")
		if err != nil {
			t.Fatal(err)
		}
		in, out := dynamicpb.NewMessage(mt.Descriptor()), dynamicpb.NewMessage(mt.Descriptor())
		if err := protojson.Unmarshal([]byte(`{"n":"hello"}`), in); err != nil {
			t.Fatal(err)
		}
		if err := conn.Invoke(t.Context(), "/semantics.v1.Paths/Segment", in, out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	out := call()
	calls := b.Take()
	if len(calls) != 1 || calls[0].Method.Name() != "Segment" || len(calls[0].Requests) != 1 || !proto.Equal(calls[0].Requests[0], out) {
		t.Errorf("echo: got %v for %+v", out, calls)
	}
	b.Answer(func(_ *testkit.Received, s *testkit.Replies) error { return s.Send(s.New()) })
	if out := call(); proto.Size(out) != 0 {
		t.Errorf("script: got %v", out)
	}
	if calls := b.Take(); len(calls) != 1 {
		t.Errorf("%d calls were kept, want the one since Take", len(calls))
	}
}
