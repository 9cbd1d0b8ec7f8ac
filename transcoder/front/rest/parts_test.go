package rest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

// serveUnary serves one unary method by REST and returns its address.
func serveUnary(t *testing.T, serve func(ss grpc.ServerStream, output *rpc.Type) error) string {
	t.Helper()
	md := testpb.File_grpc_testing_test_proto.Services().ByName("TestService").Methods().ByName("UnaryCall")
	input, output := rpc.NewType(md.Input(), nil), rpc.NewType(md.Output(), nil)
	face := &front.Route{Body: "*", Endpoint: &front.Endpoint{
		Method: rpc.NewMethod(md, input, output, rpc.Policy{Access: rpc.Public}),
		Serve:  func(_ *rpc.Call, ss grpc.ServerStream) error { return serve(ss, output) },
	}}
	compiler := program.NewCompiler(nil)
	var err error
	if face.Request, err = compiler.Message(md.Input(), program.Options{}); err != nil {
		t.Fatal(err)
	}
	if face.Response, err = compiler.Response(md.Output(), "", program.Options{}); err != nil {
		t.Fatal(err)
	}
	template, err := route.Parse("/call")
	if err != nil {
		t.Fatal(err)
	}
	table := &front.Table{}
	rules := []route.Rule[*front.Route]{{Method: "POST", Template: template, Owner: "UnaryCall", Value: face}}
	if table.Routes, err = route.Build(rules, route.Options{}); err != nil {
		t.Fatal(err)
	}
	f := New(front.Env{
		Client:       func(peer netip.Addr, _ http.Header) netip.Addr { return peer },
		BodyBytesMax: 1 << 20,
		Ignored:      func(string, int) {},
		Unrouted:     func(string, string, int, *http.Request) {},
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.ServeHTTP(w, r, table) }))
	t.Cleanup(server.Close)
	return server.URL + "/call"
}

// sendPayload sends a reply of size bytes.
func sendPayload(ss grpc.ServerStream, output *rpc.Type, size int) error {
	wire, err := proto.Marshal(&testpb.SimpleResponse{Payload: &testpb.Payload{Body: bytes.Repeat([]byte("abc"), size/3)}})
	if err != nil {
		return err
	}
	f := rpc.FrameOf(output, wire)
	defer f.Free()
	return ss.SendMsg(f)
}

// Whoever stands around a call may fail it when its reply was sent. A small reply gives way to the error, a large one is
// broken off.
func TestFailureBehindTheReply(t *testing.T) {
	for size, broken := range map[int]bool{100 << 10: false, 6 << 20: true} {
		url := serveUnary(t, func(ss grpc.ServerStream, output *rpc.Type) error {
			if err := sendPayload(ss, output, size); err != nil {
				t.Error(err)
			}
			return status.Error(codes.DataLoss, "after all")
		})
		resp, err := http.Post(url, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
		if broken && (resp.StatusCode != 200 || err != io.ErrUnexpectedEOF) || !broken && (resp.StatusCode != 500 || err != nil) {
			t.Errorf("%d bytes: %d, then %v", size, resp.StatusCode, err)
		}
	}
}

// A client that goes away in the middle of a large reply ends the call.
func TestClientGoneDuringTheReply(t *testing.T) {
	sent := make(chan error, 1)
	url := serveUnary(t, func(ss grpc.ServerStream, output *rpc.Type) error {
		err := sendPayload(ss, output, 60<<20) // more than sockets hold
		sent <- err
		return err
	})
	resp, err := http.Post(url, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	var gone *rpc.Error
	if err := <-sent; !errors.As(err, &gone) || gone.Reason() != "CLIENT_GONE" {
		t.Errorf("sending the rest: %v", err)
	}
}
