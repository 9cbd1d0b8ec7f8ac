package rpc

import (
	"errors"
	"fmt"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// Domain is the ErrorInfo domain of every error that the gateway itself makes (AIP-193).
const Domain = "gatehouse"

// Error is a failure made by the gateway, as opposed to a status that a backend sent. It carries a code, a stable
// reason and a sentence for the caller, and a cause for the operator that never leaves the process.
//
// Fronts map a reason to a protocol's own form only for this type, so no backend can trigger such a mapping by
// naming our domain in its details.
//
// An Error is immutable once returned; With, Meta and Because change and return the receiver and belong to its
// construction.
type Error struct {
	code    codes.Code
	message string
	info    *errdetails.ErrorInfo
	details []proto.Message
	cause   error
}

// Errorf makes an error from a code, an UPPER_SNAKE reason of at most 63 characters, and a sentence that says what was
// wrong, where, and what to do.
func Errorf(code codes.Code, reason, format string, args ...any) *Error {
	return &Error{
		code:    code,
		message: fmt.Sprintf(format, args...),
		info:    &errdetails.ErrorInfo{Reason: reason, Domain: Domain},
	}
}

// Invalid makes an INVALID_ARGUMENT error whose message is the first violation's and whose details list them all.
func Invalid(reason string, violations ...*errdetails.BadRequest_FieldViolation) *Error {
	message := "the request is not valid"
	if len(violations) > 0 {
		v := violations[0]
		message = v.GetDescription()
		if v.GetField() != "" {
			message = v.GetField() + ": " + message
		}
	}
	if more := len(violations) - 1; more > 0 {
		message = fmt.Sprintf("%s (and %d more)", message, more)
	}
	return Errorf(codes.InvalidArgument, reason, "%s", message).
		With(&errdetails.BadRequest{FieldViolations: violations})
}

// With adds details for the caller. An Any is a detail that was packed already.
func (e *Error) With(details ...proto.Message) *Error {
	e.details = append(e.details, details...)
	return e
}

// Meta adds an entry to the ErrorInfo's metadata, for the caller.
func (e *Error) Meta(key, value string) *Error {
	if e.info.Metadata == nil {
		e.info.Metadata = map[string]string{}
	}
	e.info.Metadata[key] = value
	return e
}

// In says in which of many things, counted from 1, something is wrong. It changes the error, and returns it.
func (e *Error) In(what string, n int) *Error {
	e.message = fmt.Sprintf("%s %d: %s", what, n, e.message)
	return e
}

// Because keeps the cause for the operator's log. Callers never see it.
func (e *Error) Because(cause error) *Error {
	e.cause = cause
	return e
}

// Error returns the operator's text: the message and its cause.
func (e *Error) Error() string {
	if e.cause != nil {
		return e.message + ": " + e.cause.Error()
	}
	return e.message
}

// Unwrap returns the cause, nil if there is none.
func (e *Error) Unwrap() error { return e.cause }

// Code returns the status code.
func (e *Error) Code() codes.Code { return e.code }

// Reason returns the ErrorInfo's reason.
func (e *Error) Reason() string { return e.info.GetReason() }

// Message returns the sentence for the caller.
func (e *Error) Message() string { return e.message }

// GRPCStatus returns what the caller sees: code, message, ErrorInfo and details, without the cause.
func (e *Error) GRPCStatus() *status.Status {
	p := &spb.Status{Code: int32(e.code), Message: e.message}
	if e.code == codes.OK { // which is not a failure
		p.Code = int32(codes.Internal)
	}
	for _, d := range append([]proto.Message{e.info}, e.details...) {
		packed, ok := d.(*anypb.Any)
		if !ok {
			packed, _ = anypb.New(d) // it fails only on text that is not UTF-8: nothing is left to tell
		}
		if packed != nil {
			p.Details = append(p.Details, packed)
		}
	}
	return status.FromProto(p)
}

// Bare returns what GRPCStatus does without details: code and message only.
func (e *Error) Bare() *status.Status {
	return status.New(e.GRPCStatus().Code(), e.message)
}

// okStatus is immutable, as every status is.
var okStatus = status.New(codes.OK, "")

// StatusOf returns the status of any error: nil is OK, an Error or a status error is itself, an ended context is
// CANCELED or DEADLINE_EXCEEDED, and anything else is INTERNAL with a fixed text, because its own text is for the
// operator.
func StatusOf(err error) *status.Status {
	if err == nil {
		return okStatus
	}
	var own *Error
	if errors.As(err, &own) {
		return own.GRPCStatus()
	}
	var foreign interface{ GRPCStatus() *status.Status }
	if errors.As(err, &foreign) {
		if st := foreign.GRPCStatus(); st != nil {
			return st
		}
	}
	if st := status.FromContextError(err); st.Code() != codes.Unknown {
		return status.New(st.Code(), st.Message())
	}
	return Errorf(codes.Internal, "INTERNAL", "the gateway failed; its log has the cause under this call's decision id").
		GRPCStatus()
}
