// Package demo is two small gRPC backends for trying Gatehouse out, a library and a shop for its books, with the
// sources of their schemas. They are ordinary grpc-go servers that know nothing of the gateway. Everything they keep
// is in memory, bounded, and gone when they stop.
package demo

import (
	"embed"
	"io/fs"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	libraryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/library/v1"
	ordersv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/orders/v1"
)

// itemsMax bounds the books, and the orders, that a backend keeps.
const itemsMax = 10_000

//go:embed proto
var sources embed.FS

// Module is one backend of the demo with what is published for it.
type Module struct {
	// Name is the module's, owner/name.
	Name string
	// Sources are its .proto files, by the path that others import.
	Sources map[string]string
	// Server is the backend, ready to serve.
	Server *grpc.Server
}

// Modules returns the demo's two backends, filled with the same few things every time.
func Modules() []Module {
	library, orders := newServer(), newServer()
	libraryv1.RegisterLibraryServer(library, NewLibrary())
	ordersv1.RegisterOrdersServer(orders, NewOrders())
	return []Module{
		{Name: "acme/library", Sources: folder("proto/acme/library"), Server: library},
		{Name: "acme/orders", Sources: folder("proto/acme/orders"), Server: orders},
	}
}

func newServer() *grpc.Server {
	s := grpc.NewServer()
	healthv1.RegisterHealthServer(s, health.NewServer())
	reflection.Register(s)
	return s
}

// folder reads one module's files.
func folder(below string) map[string]string {
	files := map[string]string{}
	err := fs.WalkDir(sources, below, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := sources.ReadFile(path)
		files[path[len("proto/"):]] = string(text)
		return err
	})
	if err != nil {
		panic(err) // the files are part of the program
	}
	return files
}
