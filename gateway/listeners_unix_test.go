//go:build unix

package gateway

import (
	"net"
	"reflect"
	"syscall"
	"testing"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
)

// One lost probe does not end an idle connection of the internal listener: grpc-go's PINGs look after those.
func TestListenersProbes(t *testing.T) {
	const anywhere = "127.0.0.1:0"
	l, err := newGateway(t, testkit.Compile(t, compile.Sources{"a.proto": []byte(`syntax = "proto3"; message M {}`)}), &configv1.Config{Listen: anywhere, ListenGrpc: anywhere, ListenAdmin: anywhere}).listen()
	if err != nil {
		t.Fatal(err)
	}
	defer l.closeListeners()
	limited := reflect.ValueOf(l.internal).Elem().FieldByName("Listener").Interface().(net.Listener)
	if admin, internal := probed(t, l.admin), probed(t, limited); !admin || internal {
		t.Errorf("admin %v, want true; internal %v, want false", admin, internal)
	}
}

// probed reports whether TCP probes the connections that a listener accepts.
func probed(t *testing.T, listener net.Listener) bool {
	t.Helper()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	file, err := accepted.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	on := 0
	if err := file.Control(func(fd uintptr) { on, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_KEEPALIVE) }); err != nil {
		t.Fatal(err)
	}
	return on != 0
}
