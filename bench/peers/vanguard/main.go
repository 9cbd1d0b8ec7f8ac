// Command vanguard is connectrpc.com/vanguard with the schema from descriptors, in front of a reverse proxy to the
// backend, as its README describes for gRPC backends.
package main

import (
	"net/http"
	"net/http/httputil"
	"net/url"

	"connectrpc.com/vanguard"

	"github.com/gatehouse-gateway/gatehouse/bench/peers/peer"
)

func main() { peer.Run(handler) }

func handler(f peer.Flags) (http.Handler, error) {
	descriptors, err := f.Services()
	if err != nil {
		return nil, err
	}
	proxy := proxyTo(f.Backend)
	var services []*vanguard.Service
	for _, d := range descriptors {
		services = append(services, vanguard.NewServiceWithSchema(d, proxy,
			vanguard.WithTargetProtocols(vanguard.ProtocolGRPC), vanguard.WithTargetCodecs(vanguard.CodecProto)))
	}
	return vanguard.NewTranscoder(services, vanguard.WithCodec(codec))
}

// codec differs from the default in one setting: fields that are not set are left out, as ProtoJSON says and all others
// do. That is less to write.
func codec(resolver vanguard.TypeResolver) vanguard.Codec {
	json := vanguard.NewJSONCodec(resolver)
	json.MarshalOptions.EmitUnpopulated = false
	return json
}

// proxyTo forwards over HTTP/2 in cleartext, and flushes at once, which gRPC wants.
func proxyTo(backend string) http.Handler {
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	target := &url.URL{Scheme: "http", Host: backend}
	return &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     transport,
		FlushInterval: -1,
	}
}
