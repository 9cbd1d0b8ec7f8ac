package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// structuredProxyConfig is its README's, with what is optional left out; its metrics are on, as they come. It does not
// start with templates such as /v1/{parent=shelves/*}/books, so it gets plain ones, and of the methods that are called.
const structuredProxyConfig = `listen: {http: "{listen}"}
upstream: {default: "http://{backend}"}
descriptors: [{file: "{descriptors}"}]
service: {name: bench}
transcode:
  only:
    - acme.library.v1.Library/ListBooks
    - acme.library.v1.Library/CreateBook
    - acme.library.v1.Library/WatchShelf
    - acme.orders.v1.Orders/CreateOrder
runtime: {worker_threads: {workers}}
`

// startStructuredProxy serves REST and gRPC at one address.
func (f *field) startStructuredProxy() ([]*contender, error) {
	if f.options.structuredProxy == "" {
		return nil, fmt.Errorf("it is not installed; it wants Rust's cargo")
	}
	addresses, err := free(1)
	if err != nil {
		return nil, err
	}
	filled := strings.NewReplacer("{workers}", fmt.Sprint(runtime.GOMAXPROCS(0)), "{listen}", addresses[0],
		"{backend}", f.backend, "{descriptors}", f.plain).Replace(structuredProxyConfig)
	file := filepath.Join(f.folder, "structured-proxy.yaml")
	if err := os.WriteFile(file, []byte(filled), 0o600); err != nil {
		return nil, err
	}
	p, err := f.start(addresses[0], f.options.structuredProxy, "--config", file)
	return []*contender{{
		name: "structured-proxy", title: "structured-proxy, with plain routes", plain: true, zeros: true, rest: addresses[0], grpc: addresses[0], process: p,
	}}, err
}
