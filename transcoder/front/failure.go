package front

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
)

// httpCodes is the HTTP status of each code, as google.rpc.Code says.
var httpCodes = [...]int{
	codes.OK:                 200,
	codes.Canceled:           499,
	codes.Unknown:            500,
	codes.InvalidArgument:    400,
	codes.DeadlineExceeded:   504,
	codes.NotFound:           404,
	codes.AlreadyExists:      409,
	codes.PermissionDenied:   403,
	codes.ResourceExhausted:  429,
	codes.FailedPrecondition: 400,
	codes.Aborted:            409,
	codes.OutOfRange:         400,
	codes.Unimplemented:      501,
	codes.Internal:           500,
	codes.Unavailable:        503,
	codes.DataLoss:           500,
	codes.Unauthenticated:    401,
}

// ReasonMediaType refuses a media type or a content coding. Its metadata may say what is taken; see Failure.SetHeaders.
const ReasonMediaType = "UNSUPPORTED_MEDIA_TYPE"

// reasonCodes overrides httpCodes for refusals that only HTTP knows. It holds for errors that this process made, never
// for a status that a backend sent, whatever its details say.
var reasonCodes = map[string]int{
	"ROUTE_NOT_FOUND":    404,
	"METHOD_UNKNOWN":     404,
	"METHOD_NOT_ALLOWED": 405,
	"NOT_ACCEPTABLE":     406,
	"BODY_TOO_LARGE":     413,
	ReasonMediaType:      415,
	"MISDIRECTED":        421,
	"HEADERS_TOO_LARGE":  431,
}

// Failure is an error as HTTP sees it.
type Failure struct {
	// HTTP is the response's status.
	HTTP int
	// Own says that the gateway made it, not a backend.
	Own bool
	// Status is never OK, and its code is one that gRPC defines.
	Status *status.Status
}

// FailureOf gives any error its form. A code that is not a failure, or that gRPC does not define, becomes UNKNOWN.
func FailureOf(err error) Failure {
	var own *rpc.Error
	f := Failure{Status: rpc.StatusOf(err), Own: errors.As(err, &own)}
	if c := f.Status.Code(); c == codes.OK || int(c) >= len(httpCodes) {
		p := f.Status.Proto() // a copy
		p.Code = int32(codes.Unknown)
		f.Status = status.FromProto(p)
	}
	f.HTTP = httpCodes[f.Status.Code()]
	if f.Own {
		if c, ok := reasonCodes[own.Reason()]; ok {
			f.HTTP = c
		}
	}
	return f
}

// SetHeaders sets what HTTP asks for beside a status. Their values are fixed or numbers of our own; no text of a message
// ever becomes a header.
func (f Failure) SetHeaders(h http.Header) {
	if f.HTTP == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="gatehouse"`)
	}
	if !f.Own {
		return
	}
	for _, detail := range f.Status.Details() {
		switch d := detail.(type) {
		case *errdetails.RetryInfo:
			seconds := (d.GetRetryDelay().AsDuration() + time.Second - 1) / time.Second
			h.Set("Retry-After", strconv.FormatInt(max(int64(seconds), 0), 10))
		case *errdetails.ErrorInfo:
			for name, key := range acceptHeaders {
				if v := d.GetMetadata()[key]; v != "" && d.GetReason() == ReasonMediaType {
					h.Set(name, v)
				}
			}
		}
	}
}

// acceptHeaders are the headers of a 415, by the key of the ErrorInfo's metadata that holds their value.
var acceptHeaders = map[string]string{
	"Accept-Post":     "accept_post",
	"Accept-Patch":    "accept_patch",
	"Accept-Encoding": "accept_encoding",
}

// DetailJSON writes one detail with its "@type". A type that nobody knows, and bytes that are not of their type, are
// shown as base64.
func DetailJSON(d *anypb.Any, types program.Resolver) json.RawMessage {
	return detailJSON(d, protojson.MarshalOptions{Resolver: detailTypes{types}})
}

func detailJSON(d *anypb.Any, o protojson.MarshalOptions) json.RawMessage {
	text, err := o.Marshal(d)
	if err == nil {
		return text
	}
	text, _ = json.Marshal(map[string]string{ // strings always encode
		"@type": d.GetTypeUrl(),
		"value": base64.StdEncoding.EncodeToString(d.GetValue()),
	})
	return text
}

// detailTypes looks a type up in the snapshot, then among the types that the gateway is linked with, which include
// google.rpc's details.
type detailTypes struct{ snapshot program.Resolver }

func (t detailTypes) FindMessageByName(name protoreflect.FullName) (protoreflect.MessageType, error) {
	if t.snapshot != nil {
		if mt, err := t.snapshot.FindMessageByName(name); err == nil {
			return mt, nil
		}
	}
	return protoregistry.GlobalTypes.FindMessageByName(name)
}

func (t detailTypes) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	name := url[strings.LastIndexByte(url, '/')+1:]
	return t.FindMessageByName(protoreflect.FullName(name))
}

func (t detailTypes) FindExtensionByName(name protoreflect.FullName) (protoreflect.ExtensionType, error) {
	if t.snapshot != nil {
		if xt, err := t.snapshot.FindExtensionByName(name); err == nil {
			return xt, nil
		}
	}
	return protoregistry.GlobalTypes.FindExtensionByName(name)
}

func (t detailTypes) FindExtensionByNumber(message protoreflect.FullName, n protoreflect.FieldNumber) (protoreflect.ExtensionType, error) {
	if t.snapshot != nil {
		if xt, err := t.snapshot.FindExtensionByNumber(message, n); err == nil {
			return xt, nil
		}
	}
	return protoregistry.GlobalTypes.FindExtensionByNumber(message, n)
}
