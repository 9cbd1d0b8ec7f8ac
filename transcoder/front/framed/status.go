package framed

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// DecisionIDKey is the trailer of every call that failed.
const DecisionIDKey = "gatehouse-decision-id"

// zero is the grpc-status of most calls, which nobody changes in place.
var zero = []string{"0"}

// WriteStatus adds how a call ended to trailers, or, with an empty prefix, to headers, as gRPC has it. The decision id goes
// with a failure.
func WriteStatus(h http.Header, prefix, id string, st *status.Status) {
	if st.Code() == 0 {
		h[prefix+"Grpc-Status"] = zero
		return
	}
	h[prefix+"Grpc-Status"] = []string{strconv.Itoa(int(st.Code()))}
	h[prefix+http.CanonicalHeaderKey(DecisionIDKey)] = []string{id}
	if m := st.Message(); m != "" {
		h[prefix+"Grpc-Message"] = []string{encodeMessage(m)}
	}
	if p := st.Proto(); len(p.GetDetails()) > 0 {
		if details, ok := encodeDetails(p); ok {
			h[prefix+"Grpc-Status-Details-Bin"] = []string{details}
		}
	}
}

// encodeDetails returns the status as grpc-status-details-bin: unpadded base64 of its encoding.
func encodeDetails(p *spb.Status) (string, bool) {
	wire, err := proto.Marshal(p)
	return base64.RawStdEncoding.EncodeToString(wire), err == nil // it fails on text that is not UTF-8
}

// encodeMessage percent-encodes a message: everything outside 0x20 to 0x7E, and "%" (gRPC over HTTP/2,
// "Status-Message"). What is not UTF-8 is replaced by U+FFFD.
func encodeMessage(m string) string {
	m = strings.ToValidUTF8(m, string(utf8.RuneError))
	plain := func(c byte) bool { return c >= ' ' && c <= '~' && c != '%' }
	var b strings.Builder
	for i := range len(m) {
		if plain(m[i]) {
			b.WriteByte(m[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", m[i])
		}
	}
	return b.String()
}
