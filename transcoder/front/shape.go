package front

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
)

// Shape is a form in which an error is written as JSON.
type Shape uint8

// The shapes, in the order of gatehouse.policy.v1.ErrorShape but for its first: AIP193 is the zero value here.
const (
	AIP193 Shape = iota
	RPCStatus
	Problem
	Connect
	GRPCGateway // is RPCStatus, with unset fields of details; no setting names it
)

// TypeProblem is the media type of Problem.
const TypeProblem = "application/problem+json"

// shapes has one writer for each.
var shapes = [...]struct {
	media string
	form  func(Failure, program.Resolver) any
	// enclosed says that the form is an object with the one key "error" already.
	enclosed bool
}{
	AIP193:      {"application/json", aip193, true},
	RPCStatus:   {"application/json", rpcStatus, false},
	Problem:     {TypeProblem, problem, false},
	Connect:     {"application/json", connectError, false},
	GRPCGateway: {"application/json", grpcGatewayStatus, false},
}

// MediaType returns what the shape's JSON is sent as.
func (s Shape) MediaType() string { return shapes[s].media }

// JSON writes a failure as the body of a response.
func (s Shape) JSON(f Failure, types program.Resolver) []byte {
	return encode(shapes[s].form(f, types))
}

// Write answers with a failure, whose decision has the id. HEAD gets no body.
func (s Shape) Write(w http.ResponseWriter, r *http.Request, f Failure, id string, types program.Resolver) {
	body := s.JSON(f, types)
	h := w.Header()
	f.SetHeaders(h)
	h.Set("Content-Type", s.MediaType())
	if !AnnouncesTrailers(h) {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Gatehouse-Decision-Id", id)
	w.WriteHeader(f.HTTP)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that is gone misses it
	}
}

// AnnouncesTrailers reports whether trailers will follow the body: HTTP/1.1 has them only without a Content-Length.
func AnnouncesTrailers(h http.Header) bool {
	for name := range h {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			return true
		}
	}
	return false
}

// LateJSON writes a failure that ends a stream of messages: an object whose one key is "error", whatever the shape, so that
// clients find it by that key.
func (s Shape) LateJSON(f Failure, types program.Resolver) []byte {
	form := shapes[s].form(f, types)
	if !shapes[s].enclosed {
		form = map[string]any{"error": form}
	}
	return encode(form)
}

// encode replaces what is not UTF-8, escapes line breaks, and compacts what protojson spaced.
func encode(form any) []byte {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(form) // strings, numbers and valid JSON always encode
	return bytes.TrimRight(buf.Bytes(), "\n")
}

// aip193 is the form of AIP-193. Its code is the response's HTTP status.
func aip193(f Failure, types program.Resolver) any {
	type body struct {
		Code    int               `json:"code"`
		Message string            `json:"message"`
		Status  string            `json:"status"`
		Details []json.RawMessage `json:"details,omitempty"`
	}
	p := f.Status.Proto()
	return struct {
		Error body `json:"error"`
	}{body{f.HTTP, p.GetMessage(), codeName(f), detailsJSON(f, types)}}
}

// rpcStatus is google.rpc.Status as JSON, with an empty list of details too, as grpc-gateway writes it.
func rpcStatus(f Failure, types program.Resolver) any {
	return statusJSON(f, detailsJSON(f, types))
}

// grpcGatewayStatus shows of details what is not set, too, as grpc-gateway's marshaler does of all messages.
func grpcGatewayStatus(f Failure, types program.Resolver) any {
	var details []json.RawMessage
	for _, d := range f.Status.Proto().GetDetails() {
		details = append(details, detailJSON(d, protojson.MarshalOptions{Resolver: detailTypes{types}, EmitUnpopulated: true}))
	}
	return statusJSON(f, details)
}

func statusJSON(f Failure, details []json.RawMessage) any {
	p := f.Status.Proto()
	if details == nil {
		details = []json.RawMessage{}
	}
	return struct {
		Code    int32             `json:"code"`
		Message string            `json:"message"`
		Details []json.RawMessage `json:"details"`
	}{p.GetCode(), p.GetMessage(), details}
}

// problem is RFC 9457. Its type is about:blank, so its title is the status's own phrase (section 4.2.1); what gRPC says beyond
// that are the extension members code and details.
func problem(f Failure, types program.Resolver) any {
	title := http.StatusText(f.HTTP)
	if title == "" {
		title = "Client Closed Request" // 499 is in no register
	}
	return struct {
		Type    string            `json:"type"`
		Title   string            `json:"title"`
		Status  int               `json:"status"`
		Detail  string            `json:"detail,omitempty"`
		Code    string            `json:"code"`
		Details []json.RawMessage `json:"details,omitempty"`
	}{"about:blank", title, f.HTTP, f.Status.Message(), codeName(f), detailsJSON(f, types)}
}

// connectError is the error of the Connect protocol. It shows details as bytes, so no type has to be known.
func connectError(f Failure, types program.Resolver) any {
	type detail struct {
		Type  string          `json:"type"`
		Value string          `json:"value"`
		Debug json.RawMessage `json:"debug,omitempty"`
	}
	name := strings.ToLower(codeName(f))
	if name == "cancelled" {
		name = "canceled" // Connect spells it as Go does
	}
	var details []detail
	for _, d := range f.Status.Proto().GetDetails() {
		details = append(details, detail{typeName(d), base64.RawStdEncoding.EncodeToString(d.GetValue()), DetailJSON(d, types)})
	}
	return struct {
		Code    string   `json:"code"`
		Message string   `json:"message,omitempty"`
		Details []detail `json:"details,omitempty"`
	}{name, f.Status.Message(), details}
}

func codeName(f Failure) string { return code.Code(f.Status.Code()).String() }

func typeName(d *anypb.Any) string {
	return d.GetTypeUrl()[strings.LastIndexByte(d.GetTypeUrl(), '/')+1:]
}

func detailsJSON(f Failure, types program.Resolver) (details []json.RawMessage) {
	for _, d := range f.Status.Proto().GetDetails() {
		details = append(details, DetailJSON(d, types))
	}
	return details
}
