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

// grpcGatewayMetadata is MetadataFromHeader with what grpc-gateway adds: Grpc-Metadata-NAME is NAME, and a permanent header is there
// as grpcgateway-NAME, too. No client can set by the one what it could not set without, nor the other by any name but its own.
func grpcGatewayMetadata(h http.Header) (md metadata.MD, dropped int) {
	plain, prefixed := make(http.Header, len(h)), http.Header{}
	for name, values := range h {
		key, ok := cutFold(name, grpcMetadataPrefix)
		switch {
		case ok:
			prefixed[key] = values
		case !reservedByGRPCGateway(name):
			plain[name] = values
		default:
			dropped += len(values)
		}
	}
	md, n := MetadataFromHeader(plain, HyphenNames)
	dropped += n
	for name, values := range prefixed {
		name = strings.ToLower(name)
		if keep, _ := admit(name, HyphenNames); !keep || reservedByGRPCGateway(name) || name == "authorization" { // credentials have one name
			dropped += len(values)
			continue
		}
		more, n := MetadataFromHeader(http.Header{name: values}, HyphenNames)
		dropped += n
		md[name] = append(md[name], more[name]...)
	}
	for _, name := range permanentHeaders {
		key := permanentPrefix + strings.ToLower(name)
		for _, v := range h[name] {
			dropped += add(md, key, v, Printable(v))
		}
	}
	return md, dropped
}

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
