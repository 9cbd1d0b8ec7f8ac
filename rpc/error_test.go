package rpc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

func TestErrorTwoReaders(t *testing.T) {
	cause := errors.New("dial 10.0.0.7: refused")
	err := Errorf(codes.Unavailable, "BACKEND_UNAVAILABLE", "%s is not available", "acme.Orders").
		Meta("k", "v").With(&errdetails.RetryInfo{}).Because(cause)
	if err.Error() != "acme.Orders is not available: dial 10.0.0.7: refused" || !errors.Is(err, cause) || err.Message() != "acme.Orders is not available" {
		t.Errorf("the operator reads %q", err)
	}
	if err.Code() != codes.Unavailable || err.Reason() != "BACKEND_UNAVAILABLE" {
		t.Errorf("code %v, reason %s", err.Code(), err.Reason())
	}
	st := err.GRPCStatus()
	if strings.Contains(st.String(), "10.0.0.7") || st.Code() != codes.Unavailable || st.Message() != err.Message() {
		t.Errorf("the caller reads %v", st)
	}
	details := st.Details()
	if len(details) != 2 {
		t.Fatalf("details %v", details)
	}
	want := &errdetails.ErrorInfo{Reason: "BACKEND_UNAVAILABLE", Domain: Domain, Metadata: map[string]string{"k": "v"}}
	if !proto.Equal(details[0].(proto.Message), want) {
		t.Errorf("got %v, want %v", details[0], want)
	}
	if _, ok := details[1].(*errdetails.RetryInfo); !ok {
		t.Errorf("got %v", details[1])
	}
}

func TestErrorOfOK(t *testing.T) {
	if st := Errorf(codes.OK, "X", "no").GRPCStatus(); st.Code() != codes.Internal {
		t.Errorf("an error with code OK is %v", st)
	}
}

func TestInvalid(t *testing.T) {
	violation := func(field, text string) *errdetails.BadRequest_FieldViolation {
		return &errdetails.BadRequest_FieldViolation{Field: field, Description: text}
	}
	for _, c := range []struct {
		violations []*errdetails.BadRequest_FieldViolation
		want       string
	}{
		{nil, "the request is not valid"},
		{[]*errdetails.BadRequest_FieldViolation{violation("", "is empty")}, "is empty"},
		{[]*errdetails.BadRequest_FieldViolation{violation("a.b", "is empty")}, "a.b: is empty"},
		{[]*errdetails.BadRequest_FieldViolation{violation("a", "is 100% wrong"), violation("b", "too"), violation("c", "too")}, "a: is 100% wrong (and 2 more)"},
	} {
		err := Invalid("BAD", c.violations...)
		if err.Code() != codes.InvalidArgument || err.Message() != c.want {
			t.Errorf("got %q, want %q", err.Message(), c.want)
		}
		bad, ok := err.GRPCStatus().Details()[1].(*errdetails.BadRequest)
		if !ok || len(bad.GetFieldViolations()) != len(c.violations) {
			t.Errorf("details %v", err.GRPCStatus().Details())
		}
	}
}

func TestStatusOf(t *testing.T) {
	own := Errorf(codes.NotFound, "X", "no such thing")
	foreign := status.Error(codes.Aborted, "theirs")
	for _, c := range []struct {
		err  error
		code codes.Code
		text string
	}{
		{nil, codes.OK, ""},
		{own, codes.NotFound, "no such thing"},
		{fmt.Errorf("step: %w", own), codes.NotFound, "no such thing"},
		{foreign, codes.Aborted, "theirs"},
		{fmt.Errorf("step: %w", foreign), codes.Aborted, "theirs"},
		{context.Canceled, codes.Canceled, "context canceled"},
		{fmt.Errorf("step: %w", context.DeadlineExceeded), codes.DeadlineExceeded, "context deadline exceeded"},
		{errors.New("secret path /etc"), codes.Internal, ""},
	} {
		st := StatusOf(c.err)
		if st.Code() != c.code || c.text != "" && !strings.Contains(st.Message(), c.text) || strings.Contains(st.Message(), "secret") {
			t.Errorf("%v: %v", c.err, st)
		}
	}
	if st := StatusOf(errors.New("x")); len(st.Details()) != 1 {
		t.Errorf("INTERNAL without ErrorInfo: %v", st)
	}
}
