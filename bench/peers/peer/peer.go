// Package peer is what the gateways that are compared have in common: the flags, the connection to the backend, and
// net/http as it comes.
package peer

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"runtime"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Flags say where a peer listens and what it serves. Each is started with all of them, and uses what it needs.
type Flags struct {
	Listen      string // REST
	ListenGRPC  string
	ListenStats string
	Backend     string
	Descriptors string
}

// ParseFlags reads the command line.
func ParseFlags() Flags {
	var f Flags
	flag.StringVar(&f.Listen, "listen", "", "HOST:PORT for REST")
	flag.StringVar(&f.ListenGRPC, "listen-grpc", "", "HOST:PORT for gRPC, where the peer speaks it")
	flag.StringVar(&f.ListenStats, "listen-stats", "", "HOST:PORT that tells how many allocations there were")
	flag.StringVar(&f.Backend, "backend", "", "HOST:PORT of the backend")
	flag.StringVar(&f.Descriptors, "descriptors", "", "FILE with a FileDescriptorSet")
	flag.Parse()
	return f
}

// Dial connects to the backend, in cleartext.
func (f Flags) Dial(options ...grpc.DialOption) (*grpc.ClientConn, error) {
	return grpc.NewClient(f.Backend, append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
}

// Services reads the descriptors and returns the services of the demo.
func (f Flags) Services() ([]protoreflect.ServiceDescriptor, error) {
	data, err := os.ReadFile(f.Descriptors)
	if err != nil {
		return nil, err
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Descriptors, err)
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Descriptors, err)
	}
	var services []protoreflect.ServiceDescriptor
	for _, name := range []protoreflect.FullName{"acme.library.v1.Library", "acme.orders.v1.Orders"} {
		found, err := files.FindDescriptorByName(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		services = append(services, found.(protoreflect.ServiceDescriptor))
	}
	return services, nil
}

// Run serves what handler makes, until the process is killed.
func Run(handler func(Flags) (http.Handler, error)) {
	f := ParseFlags()
	h, err := handler(f)
	if err == nil {
		go func() { fail(http.ListenAndServe(f.ListenStats, http.HandlerFunc(stats))) }()
		err = http.ListenAndServe(f.Listen, h)
	}
	fail(err)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// stats writes one line of what Gatehouse's /metrics has, under the same name.
func stats(w http.ResponseWriter, _ *http.Request) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Fprintf(w, "go_memstats_mallocs_total %d\n", m.Mallocs)
}
