package program

import (
	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// Reasons of the errors that programs return. All are INVALID_ARGUMENT but ReasonBadReply, which is INTERNAL, and what
// Options.GRPCGateway says otherwise.
const (
	ReasonMalformedQuery    = "MALFORMED_QUERY"     // a pair of the query is not key=value with valid percent escapes
	ReasonUnknownParameter  = "UNKNOWN_PARAMETER"   // a query parameter names no field
	ReasonDuplicateParam    = "DUPLICATE_PARAMETER" // a query parameter of a singular field came twice
	ReasonInvalidParameter  = "INVALID_PARAMETER"   // the text of a path variable or parameter does not fit its field
	ReasonParameterConflict = "PARAMETER_CONFLICT"  // two of path, query and body set one field, or one oneof
	ReasonMalformedBody     = "MALFORMED_BODY"      // the body is not the JSON of its message
	ReasonUnknownField      = "UNKNOWN_FIELD"       // the body names a field that its message does not have
	ReasonBodyTooDeep       = "BODY_TOO_DEEP"       // the body nests deeper than Options.DepthMax
	ReasonUnexpectedBody    = "UNEXPECTED_BODY"     // the binding takes no body
	ReasonMissingField      = "MISSING_FIELD"       // a required field (proto2) is set by none of path, query and body
	ReasonInvalidFieldMask  = "INVALID_FIELD_MASK"  // the field mask for the reply names what the reply does not have
	ReasonBadReply          = "BAD_REPLY"           // the reply's bytes are not a message that JSON can show
)

// invalid is an error about one thing that the client sent, named by field.
func invalid(reason, field, description string) error {
	return rpc.Invalid(reason, &errdetails.BadRequest_FieldViolation{
		Field: clip(field, 128), Description: description, Reason: reason,
	})
}

// bodyTextMax bounds the text of an error: a client's own names are in it.
const bodyTextMax = 512
