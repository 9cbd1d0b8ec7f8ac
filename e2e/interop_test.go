package e2e

import (
	"net"
	"os/exec"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/interop"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

// interopCases are the test cases of gRPC's interoperability suite that say something about a gateway. The others are
// about credentials of one cloud and about balancing over several servers. The cases for compressed messages compare what
// one hop does (compression is a matter of each), and grpc-go's client and server have none of them.
var interopCases = []string{
	"empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream",
	"timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response", "status_code_and_message",
	"special_status_message", "custom_metadata", "unimplemented_method", "unimplemented_service", "rpc_soak", "channel_soak",
}

// TestInterop runs gRPC's own interop client against its own test server, with the gateway in between.
func TestInterop(t *testing.T) {
	t.Parallel()
	path, err := exec.Command("go", "tool", "-n", "google.golang.org/grpc/interop/client").Output()
	if err != nil {
		t.Fatal(err)
	}
	client := strings.TrimSpace(string(path))
	g := testkit.Serve(t, "--dev", "--descriptors", interopSchema(t), "--backend", interopServer(t))
	for name, address := range map[string]string{"Public": g.Public, "Internal": g.GRPC} {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range interopCases {
			t.Run(name+"/"+c, func(t *testing.T) {
				t.Parallel()
				run := exec.CommandContext(bounded(t), client, "-server_host", host, "-server_port", port, "-test_case", c)
				run.Env = append(run.Environ(), "GRPC_GO_LOG_SEVERITY_LEVEL=info")
				// It logs that a case is done, and ends with 1 when it fails.
				if said, err := run.CombinedOutput(); err != nil || !strings.Contains(strings.ToLower(string(said)), "done") {
					t.Errorf("%v\n%s", err, said)
				}
			})
		}
	}
}

// interopServer serves the suite's test service and returns its address.
func interopServer(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	grpc_testing.RegisterTestServiceServer(server, interop.NewTestServer())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-ended; err != nil {
			t.Errorf("interop server: %v", err)
		}
	})
	return listener.Addr().String()
}

// interopSchema writes the suite's schema to a file.
func interopSchema(t *testing.T) string {
	t.Helper()
	set := &descriptorpb.FileDescriptorSet{}
	var add func(fd protoreflect.FileDescriptor)
	add = func(fd protoreflect.FileDescriptor) {
		for i := range fd.Imports().Len() {
			add(fd.Imports().Get(i))
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(fd))
	}
	add(grpc_testing.File_grpc_testing_test_proto)
	files, err := compile.Link(set)
	if err != nil {
		t.Fatal(err)
	}
	return testkit.Descriptors(t, files)
}
