package rpc

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Method is one rpc of a snapshot. It is immutable and safe for concurrent use.
type Method struct {
	// Descriptor is the method as published.
	Descriptor protoreflect.MethodDescriptor
	// Path is the method's gRPC path, "/pkg.Service/Method".
	Path string
	// ClientStreams and ServerStreams are the method's true streaming kind.
	ClientStreams, ServerStreams bool
	// Input and Output are its message types.
	Input, Output *Type
	// Policy is its effective policy, options and configuration already merged.
	Policy Policy
}

// NewMethod describes a method. Types are shared between methods, so the caller makes them.
func NewMethod(md protoreflect.MethodDescriptor, input, output *Type, policy Policy) *Method {
	return &Method{
		Descriptor:    md,
		Path:          "/" + string(md.Parent().FullName()) + "/" + string(md.Name()),
		ClientStreams: md.IsStreamingClient(),
		ServerStreams: md.IsStreamingServer(),
		Input:         input,
		Output:        output,
		Policy:        policy,
	}
}

// Name returns the full name, "pkg.Service.Method".
func (m *Method) Name() string { return string(m.Descriptor.FullName()) }

// Service returns the full name of the service.
func (m *Method) Service() string { return string(m.Descriptor.Parent().FullName()) }

// Info returns what grpc-go tells a stream interceptor about the method.
func (m *Method) Info() *grpc.StreamServerInfo {
	return &grpc.StreamServerInfo{FullMethod: m.Path, IsClientStream: m.ClientStreams, IsServerStream: m.ServerStreams}
}

// Access says who may call a method.
type Access uint8

// The access levels, in the order of gatehouse.policy.v1.Access.
const (
	AccessUnspecified Access = iota
	Public
	Authenticated
	Internal
	Denied
)

// String returns the level's name in a .proto file.
func (a Access) String() string {
	return [...]string{"ACCESS_UNSPECIFIED", "PUBLIC", "AUTHENTICATED", "INTERNAL", "DENIED"}[a]
}

// Policy is what holds for one method after options in the .proto and the configuration were merged.
type Policy struct {
	// Access is never AccessUnspecified in a snapshot.
	Access Access
	// AccessRule names what decided the access level, for refusals: "option of acme.v1.Orders.Get", "default_access".
	AccessRule string
	// Scopes are required, all of them.
	Scopes []string
	// Quota is the method's budget; nil means none.
	Quota *Quota
	// Cost is what one call takes from the budget, at least 1.
	Cost int
	// Timeout is the longest time a call may take; 0 means no limit, as streams have it unless somebody sets one.
	Timeout time.Duration
	// Mask keeps the text of the backend's own failures from callers; nil lets it pass.
	Mask *Mask
}

// Mask says what still passes of a backend's INTERNAL, UNKNOWN or DATA_LOSS.
type Mask struct {
	// Details are the full names of the types of details that do.
	Details []string
}

// Quota is a token bucket's shape.
type Quota struct {
	// Name tells buckets apart: methods with the same name draw from the same bucket.
	Name string
	// Limit tokens are gained per Period; at most Burst are held. All are more than 0.
	Limit  int
	Period time.Duration
	Burst  int
	// Per says whose bucket it is.
	Per Per
}

// Per says by whom calls are counted.
type Per uint8

// The ways to count, in the order of gatehouse.policy.v1.Quota.Per.
const (
	PerPrincipal Per = iota
	PerAddress
	PerEverybody
)
