package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
)

// startEnvoy runs Envoy with two listeners: one with the transcoder, one that routes gRPC only.
func (f *field) startEnvoy() ([]*contender, error) {
	if f.options.envoy == "" {
		return nil, fmt.Errorf("it is not installed")
	}
	addresses, err := free(2)
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(f.envoyConfig(addresses[0], addresses[1]))
	if err != nil {
		return nil, err
	}
	file := filepath.Join(f.folder, "envoy.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return nil, err
	}
	p, err := f.start(addresses[0], f.options.envoy, "--config-path", file, "--concurrency", strconv.Itoa(runtime.GOMAXPROCS(0)),
		"--log-level", "error", "--disable-hot-restart")
	if err != nil {
		return nil, err
	}
	return []*contender{{name: "envoy", title: "Envoy, grpc_json_transcoder", rest: addresses[0], grpc: addresses[1], process: p}}, nil
}

type object = map[string]any

// bufferBytes lets the transcoder hold 1 MiB messages: it refuses what does not fit into these buffers.
const bufferBytes = 16 << 20

func (f *field) envoyConfig(rest, grpc string) object {
	transcoder := object{"name": "envoy.filters.http.grpc_json_transcoder", "typed_config": object{
		"@type":               "type.googleapis.com/envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
		"proto_descriptor":    f.bare,
		"services":            []string{"acme.library.v1.Library", "acme.orders.v1.Orders"},
		"convert_grpc_status": true,
		"print_options":       object{"stream_newline_delimited": true},
		"request_validation_options": object{
			"reject_unknown_method": true, "reject_unknown_query_parameters": true, "reject_binding_body_field_collisions": true,
		},
	}}
	return object{"static_resources": object{
		"listeners": []object{envoyListener("rest", rest, transcoder), envoyListener("grpc", grpc)},
		"clusters": []object{{
			"name": "backend", "type": "STATIC", "connect_timeout": "5s", "per_connection_buffer_limit_bytes": bufferBytes,
			"load_assignment": object{"cluster_name": "backend", "endpoints": []object{{"lb_endpoints": []object{{"endpoint": object{"address": socket(f.backend)}}}}}},
			"typed_extension_protocol_options": object{"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": object{
				"@type":                "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
				"explicit_http_config": object{"http2_protocol_options": object{}},
			}},
		}},
	}}
}

func envoyListener(name, address string, filters ...object) object {
	manager := object{
		"@type":       "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
		"stat_prefix": name,
		"route_config": object{"virtual_hosts": []object{{
			"name": "all", "domains": []string{"*"},
			"routes": []object{{"match": object{"prefix": "/"}, "route": object{"cluster": "backend", "timeout": "60s"}}},
		}}},
		"http_filters": append(filters, object{
			"name": "envoy.filters.http.router", "typed_config": object{"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
		}),
	}
	return object{
		"name": name, "address": socket(address), "per_connection_buffer_limit_bytes": bufferBytes,
		"filter_chains": []object{{"filters": []object{{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}}}},
	}
}

// socket is an address that free found.
func socket(address string) object {
	host, port, _ := net.SplitHostPort(address)
	number, _ := strconv.Atoi(port)
	return object{"socket_address": object{"address": host, "port_value": number}}
}
