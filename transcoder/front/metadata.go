package front

import (
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strings"

	"google.golang.org/grpc/metadata"
)

// Names says which header names a front lets through as metadata keys.
type Names uint8

const (
	// HyphenNames drops names with "_" or ".", for protocols where a server behind may read X_User_Id as X-User-Id.
	HyphenNames Names = iota
	// GRPCGatewayNames is for clients of grpc-gateway: see grpcGatewayMetadata.
	GRPCGatewayNames
	// AllNames keeps "_" and ".", which gRPC allows, unless the name reads as a reserved one with "-" instead.
	AllNames
)

// MetadataFromHeader returns what a client's headers become as a call's metadata, and how many headers were left out
// because they were malformed or pretended to be ours. What every request has and no backend needs (the connection's
// own headers and those that its Connection header names, content-*, accept, host) is left out uncounted.
//
// No client can set grpc-*, connect-*, gatehouse-*, the addresses that proxies report (forwarded, x-forwarded-*,
// x-real-ip), a timeout that was already taken into account, or a method override. Cookie is left out too: a browser
// sends it by itself, and no check looked at it. User-Agent is kept for checks and logs, as grpc-go's server keeps it;
// its client sends its own. Authorization is kept: authn decides whether it was for the gateway.
//
// Values of names that end in "-bin" are base64, padded or not, several of them joined by commas; the metadata has the
// decoded bytes, and all others have only bytes from 0x20 to 0x7E. The result may share its values with h: neither may be
// changed in place.
func MetadataFromHeader(h http.Header, names Names) (md metadata.MD, dropped int) {
	if names == GRPCGatewayNames {
		return grpcGatewayMetadata(h)
	}
	md = metadata.MD{}
	nominated := connectionNames(h)
	for name, values := range h {
		n, ok := common[name]
		if !ok {
			n.key = strings.ToLower(name)
			n.keep, n.counted = admit(n.key, names)
		}
		key := n.key
		switch {
		case !n.keep && n.counted:
			dropped += len(values)
			continue
		case !n.keep || nominated[key]:
			continue
		case md[key] == nil && !strings.HasSuffix(key, "-bin") && !slices.ContainsFunc(values, unprintable):
			md[key] = values[:len(values):len(values)]
			continue
		}
		for _, v := range values {
			if !strings.HasSuffix(key, "-bin") {
				dropped += add(md, key, v, Printable(v))
				continue
			}
			for part := range strings.SplitSeq(v, ",") {
				raw, ok := decodeBinary(strings.Trim(part, " \t"))
				dropped += add(md, key, raw, ok)
			}
		}
	}
	return md, dropped
}

// MetadataFromGRPC does for metadata that grpc-go's server received, binary values decoded, what MetadataFromHeader
// does for headers, with AllNames. The caller owns the result; in is not changed.
func MetadataFromGRPC(in metadata.MD) (md metadata.MD, dropped int) {
	md = make(metadata.MD, len(in))
	for name, values := range in {
		key := strings.ToLower(name)
		switch keep, counted := admit(key, AllNames); {
		case !keep && counted:
			dropped += len(values)
			continue
		case !keep:
			continue
		}
		for _, v := range values {
			dropped += add(md, key, v, strings.HasSuffix(key, "-bin") || Printable(v))
		}
	}
	return md, dropped
}

// WriteMetadata adds a reply's metadata to HTTP headers, each name after prefix. Values that no header can carry are left out and
// counted. Binary values are written as base64 without padding. Names that belong to the
// connection, the protocol or the gateway are left out: what is written about the message, the caller's credentials,
// cross-origin access or a decision id is the gateway's to say.
func (e *Env) WriteMetadata(dst http.Header, md metadata.MD, prefix string) {
	dropped := 0
	for key, values := range md {
		key = strings.ToLower(key)
		if !validKey(key) {
			dropped += len(values)
			continue
		}
		if ours(dashes(key)) || replyOnly[dashes(key)] || strings.HasPrefix(key, "access-control-") {
			continue
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

// Tellable returns a reply's metadata without values that no header can carry, which it counts. md is not changed.
func (e *Env) Tellable(md metadata.MD) metadata.MD {
	out, dropped := md, 0
	for key, values := range md {
		bad := func(v string) bool { return !tellable(strings.ToLower(key), v) }
		if !slices.ContainsFunc(values, bad) {
			continue
		}
		if dropped == 0 {
			out = maps.Clone(md)
		}
		kept := slices.DeleteFunc(slices.Clone(values), bad)
		dropped += len(values) - len(kept)
		if out[key] = kept; len(kept) == 0 {
			delete(out, key)
		}
	}
	e.ignoredHeaders(dropped)
	return out
}

func (e *Env) ignoredHeaders(n int) {
	if n > 0 {
		e.Ignored("header", n)
	}
}

// headerValue is a metadata value as a header has it, binary ones in base64 without padding.
func headerValue(key, v string) (text string, ok bool) {
	if strings.HasSuffix(key, "-bin") {
		v = base64.RawStdEncoding.EncodeToString([]byte(v))
	}
	return v, tellable(key, v)
}

func tellable(key, v string) bool {
	return validKey(key) && (strings.HasSuffix(key, "-bin") || Printable(v))
}

// NoTransform reports whether a reply's header metadata forbids others to compress it (RFC 9111, section 5.2.2.6).
func NoTransform(md metadata.MD) bool {
	return slices.ContainsFunc(md["cache-control"], func(v string) bool { return strings.Contains(strings.ToLower(v), "no-transform") })
}

// common are the names that most requests have, with what is decided about them: most calls change no name to lower case.
var common = func() map[string]headerName {
	names := map[string]headerName{}
	for _, name := range [...]string{
		"Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control", "Connection", "Content-Length", "Content-Type", "Cookie",
		"Grpc-Accept-Encoding", "Grpc-Timeout", "Origin", "Referer", "Te", "Traceparent", "Tracestate", "User-Agent", "X-Api-Key", "X-Forwarded-For",
		"X-Forwarded-Host", "X-Forwarded-Proto", "X-Request-Id",
	} {
		n := headerName{key: strings.ToLower(name)}
		n.keep, n.counted = admit(n.key, HyphenNames) // none has what the other rule is about
		names[name] = n
	}
	return names
}()

// headerName is a header's name as metadata has it, and what admit says about it.
type headerName struct {
	key           string
	keep, counted bool
}

// connectionNames returns the header names that only concern the connection because its Connection header says so
// (RFC 9110, section 7.6.1), in lower case; nil if there are none.
func connectionNames(h http.Header) map[string]bool {
	var names map[string]bool
	for _, v := range h["Connection"] {
		for name := range strings.SplitSeq(v, ",") {
			if names == nil {
				names = make(map[string]bool)
			}
			names[strings.ToLower(strings.Trim(name, " \t"))] = true
		}
	}
	return names
}

// admit decides about a name in lower case: whether a client may set it, and if not, whether that is worth counting.
func admit(key string, names Names) (keep, counted bool) {
	if strings.HasPrefix(key, ":") { // HTTP/2's own, as grpc-go's server passes them
		return false, false
	}
	plain := dashes(key)
	if !validKey(key) || plain != key && (names == HyphenNames || ours(plain) || requestOnly[plain]) {
		return false, true
	}
	if ours(plain) {
		return false, strings.HasPrefix(plain, "gatehouse-") || strings.HasPrefix(plain, "grpc-metadata-")
	}
	return !requestOnly[plain], false
}

// add appends a value that is ok, and returns 1 if it is not.
func add(md metadata.MD, key, value string, ok bool) int {
	if !ok {
		return 1
	}
	md[key] = append(md[key], value)
	return 0
}

// validKey reports whether key, in lower case, can be a metadata key.
func validKey(key string) bool {
	for i := range len(key) {
		c := key[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return key != ""
}

func unprintable(v string) bool { return !Printable(v) }

// Printable reports whether a value can be an ASCII metadata value.
func Printable(v string) bool {
	for i := range len(v) {
		if v[i] < 0x20 || v[i] > 0x7E {
			return false
		}
	}
	return true
}

// decodeBinary decodes base64 with or without padding.
func decodeBinary(v string) (string, bool) {
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(v, "="))
	if err != nil || strings.HasSuffix(v, "=") && len(v)%4 != 0 {
		return "", false
	}
	return string(raw), true
}

// dashes returns the name as a server reads it that takes "_" and "." for "-".
func dashes(key string) string {
	if !strings.ContainsAny(key, "_.") {
		return key
	}
	return strings.ReplaceAll(strings.ReplaceAll(key, "_", "-"), ".", "-")
}

// ours reports whether a name is reserved in both directions: the connection's (RFC 9110, section 7.6.1), the
// message's, a protocol's, or the gateway's.
func ours(name string) bool {
	switch name {
	case "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
		"transfer-encoding", "upgrade", "http2-settings", "host", "date":
		return true
	}
	for _, prefix := range [...]string{"content-", "grpc-", "connect-", "gatehouse-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return strings.HasPrefix(name, "x-forwarded-")
}

// requestOnly are further names that a client cannot set as metadata; MetadataFromHeader says why.
var requestOnly = map[string]bool{
	"accept": true, "accept-encoding": true, "cookie": true, "expect": true,
	"forwarded": true, "x-real-ip": true,
	"x-server-timeout": true,
	"x-http-method":    true, "x-http-method-override": true, "x-method-override": true,
}

// replyOnly are further names that a backend cannot set as HTTP headers; WriteMetadata says why.
var replyOnly = map[string]bool{
	"allow": true, "server": true, "set-cookie": true, "user-agent": true,
	"www-authenticate": true, "x-content-type-options": true,
}
