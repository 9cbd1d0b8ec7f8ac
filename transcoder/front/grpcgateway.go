package front

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

const (
	grpcMetadataPrefix = "Grpc-Metadata-" // of request headers that are metadata, and of metadata that become response headers
	grpcTrailerPrefix  = "Grpc-Trailer-"
	permanentPrefix    = "grpcgateway-" // of permanent request headers as metadata
)

// permanentHeaders are those that grpc-gateway gives backends by that name (its isPermanentHTTPHeader).
var permanentHeaders = [...]string{
	"Accept", "Accept-Charset", "Accept-Language", "Accept-Ranges", "Authorization", "Cache-Control", "Content-Type", "Cookie", "Date", "Expect",
	"From", "Host", "If-Match", "If-Modified-Since", "If-None-Match", "If-Schedule-Tag-Match", "If-Unmodified-Since", "Max-Forwards", "Origin",
	"Pragma", "Referer", "User-Agent", "Via", "Warning",
}

// keptNames are the headers that are metadata by their own names: credentials, which authn looks at, and a trace's context. A backend
// behind grpc-gateway never saw others, and may trust their names.
var keptNames = map[string]bool{"Authorization": true, "X-Api-Key": true, "Traceparent": true, "Tracestate": true, "User-Agent": true, "Connection": true}

// grpcGatewayMetadata is MetadataFromHeader as grpc-gateway has it: Grpc-Metadata-NAME is NAME, and a permanent header is there as
// grpcgateway-NAME. No client can set by a prefix what it could not set by gRPC without, nor a credential by any name but its own.
func grpcGatewayMetadata(h http.Header) (md metadata.MD, dropped int) {
	plain, prefixed := make(http.Header, len(keptNames)), http.Header{}
	for name, values := range h {
		if key, ok := cutFold(name, grpcMetadataPrefix); ok {
			prefixed[key] = values
		} else if keptNames[name] {
			plain[name] = values
		} else if _, counted := admit(strings.ToLower(name), HyphenNames); counted || reservedByGRPCGateway(name) {
			dropped += len(values)
		}
	}
	md, n := MetadataFromHeader(plain, HyphenNames)
	dropped += n
	for name, values := range prefixed {
		name = strings.ToLower(name)
		if keep, _ := admit(name, AllNames); !keep || reservedByGRPCGateway(dashes(name)) || credentialNames[dashes(name)] {
			dropped += len(values)
			continue
		}
		more, n := MetadataFromHeader(http.Header{name: values}, AllNames)
		dropped += n
		if len(more) > 0 {
			md[name] = append(md[name], more[name]...)
		}
	}
	for _, name := range permanentHeaders {
		key := permanentPrefix + strings.ToLower(name)
		for _, v := range h[name] {
			dropped += add(md, key, v, Printable(v))
		}
	}
	return md, dropped
}

// credentialNames are of headers that no prefix may stand before.
var credentialNames = map[string]bool{"authorization": true, "x-api-key": true}

func reservedByGRPCGateway(name string) bool {
	_, ok := cutFold(name, permanentPrefix)
	return ok
}

// cutFold is strings.CutPrefix in any case.
func cutFold(name, prefix string) (rest string, ok bool) {
	if len(name) <= len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) {
		return name, false
	}
	return name[len(prefix):], true
}

// WriteGRPCGatewayMetadata adds a reply's metadata to HTTP headers as grpc-gateway names them. Any name is all right behind its
// prefix. Values that no header can carry are left out and counted.
func (e *Env) WriteGRPCGatewayMetadata(dst http.Header, md metadata.MD, trailers bool) {
	dropped := 0
	prefix := grpcMetadataPrefix
	if trailers {
		prefix = http.TrailerPrefix + grpcTrailerPrefix
	}
	for key, values := range md {
		if key = strings.ToLower(key); strings.HasPrefix(key, "gatehouse-") {
			continue // the gateway says it by its own name
		}
		for _, v := range values {
			if text, ok := headerValue(key, v); ok {
				dst.Add(prefix+key, text)
			} else {
				dropped++
			}
		}
	}
	e.ignoredHeaders(dropped)
}

// GRPCGatewayTimeout is Timeout as grpc-gateway reads it: only Grpc-Timeout, of which the first counts, with any number of digits, and
// 0 is none.
func GRPCGatewayTimeout(h http.Header) (d time.Duration, ok bool, err error) {
	v := h.Get("Grpc-Timeout")
	if v == "" {
		return 0, false, nil
	}
	number, unit := v[:len(v)-1], timeoutUnits[v[len(v)-1]]
	n, bad := strconv.ParseUint(number, 10, 64)
	if bad != nil || unit == 0 {
		return 0, false, rpc.Errorf(codes.InvalidArgument, "MALFORMED_TIMEOUT", "invalid grpc-timeout: %s", v)
	}
	return times(int64(min(n, math.MaxInt64)), unit), n != 0, nil
}
