// Package checktest makes methods, calls and frames for the tests of interceptors.
package checktest

import (
	"context"
	"net/netip"
	"testing"
	"time"

	_ "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate" // its file must be known to be imported
	"github.com/bufbuild/protocompile"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	_ "github.com/gatehouse-gateway/gatehouse/proto/gatehouse/policy/v1" // and this
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// Orders is a small schema for tests that need none of their own.
const Orders = `
syntax = "proto3";
package acme.v1;
message Order { string id = 1; int32 count = 2; }
service Orders {
  rpc Get(Order) returns (Order);
  rpc List(Order) returns (stream Order);
  rpc Put(stream Order) returns (Order);
  rpc Sync(stream Order) returns (stream Order);
}
`

// Methods compiles a .proto and returns the methods of its first service by name, each with the given policy. Options
// are readable with generated types, as in a snapshot.
func Methods(t testing.TB, source string, policy rpc.Policy) map[string]*rpc.Method {
	t.Helper()
	file := Compile(t, source)
	types := map[protoreflect.FullName]*rpc.Type{}
	typeOf := func(md protoreflect.MessageDescriptor) *rpc.Type {
		if types[md.FullName()] == nil {
			types[md.FullName()] = rpc.NewType(md, nil)
		}
		return types[md.FullName()]
	}
	methods := map[string]*rpc.Method{}
	service := file.Services().Get(0)
	for i := range service.Methods().Len() {
		md := service.Methods().Get(i)
		methods[string(md.Name())] = rpc.NewMethod(md, typeOf(md.Input()), typeOf(md.Output()), policy)
	}
	return methods
}

// Method is the one method of Orders with the given policy.
func Method(t testing.TB, policy rpc.Policy) *rpc.Method {
	t.Helper()
	return Methods(t, Orders, policy)["Get"]
}

// Compile compiles one .proto file and links it anew, so that its options are of generated types.
func Compile(t testing.TB, source string) protoreflect.FileDescriptor {
	t.Helper()
	compiler := protocompile.Compiler{Resolver: protocompile.CompositeResolver{
		&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{"test.proto": source})},
		protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
			fd, err := protoregistry.GlobalFiles.FindFileByPath(path)
			return protocompile.SearchResult{Desc: fd}, err
		}),
	}}
	compiled, err := compiler.Compile(context.Background(), "test.proto")
	require.NoError(t, err)
	wire, err := proto.Marshal(protodesc.ToFileDescriptorProto(compiled[0]))
	require.NoError(t, err)
	fdp := &descriptorpb.FileDescriptorProto{}
	require.NoError(t, proto.Unmarshal(wire, fdp))
	fd, err := protodesc.NewFile(fdp, protoregistry.GlobalFiles)
	require.NoError(t, err)
	return fd
}

// Call starts a call of m at 192.0.2.7 with metadata given as keys and values in turn.
func Call(m *rpc.Method, pairs ...string) *rpc.Call {
	c := rpc.NewCall(m)
	c.Protocol, c.Listener, c.Client = "rest", rpc.ListenerPublic, netip.MustParseAddr("192.0.2.7")
	c.Metadata = metadata.Pairs(pairs...)
	c.WithContext(context.Background())
	return c
}

// Frame encodes a message written as JSON.
func Frame(t testing.TB, typ *rpc.Type, json string) *rpc.Frame {
	t.Helper()
	m := dynamicpb.NewMessage(typ.Descriptor)
	require.NoError(t, protojson.Unmarshal([]byte(json), m))
	wire, err := proto.Marshal(m)
	require.NoError(t, err)
	return rpc.FrameOf(typ, wire)
}

// Error asserts that err is one of the gateway's own with the given reason, and returns it.
func Error(t testing.TB, err error, reason string) *rpc.Error {
	t.Helper()
	var own *rpc.Error
	require.ErrorAs(t, err, &own)
	require.Equal(t, reason, own.Reason(), own.Error())
	return own
}

// Clock is a clock that tests set by hand; it is not safe for concurrent use.
type Clock struct{ T time.Time }

// NewClock starts at a fixed time.
func NewClock() *Clock { return &Clock{time.Unix(1_700_000_000, 0)} }

// Now returns the time.
func (c *Clock) Now() time.Time { return c.T }

// Add moves the clock.
func (c *Clock) Add(d time.Duration) { c.T = c.T.Add(d) }
