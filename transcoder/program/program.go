// Package program turns the parts of an HTTP request into the wire bytes of one protobuf message, the wire bytes of a
// reply into JSON, and wire bytes into wire bytes with fewer fields.
//
// Everything that can be decided when a schema is published is decided then: a Compiler makes one Request per binding
// (a google.api.http rule: path variables, body, query) and one Response per reply shape, and reports what can never
// work. At request time a program only runs. Read request.go first, then response.go, then wiremask.go.
//
// Replies are written from their wire bytes by tables: table.go says what a table knows of a message type, run.go how a
// machine goes through a message with it. What a reply's JSON is, byte for byte, is what protojson would write without
// white space. They differ in two things: a number that a closed enum does not have is an unknown field, as in protobuf's
// other languages, and an Any in a field that is not shown need not have a known type.
//
// Requests are read by the same tables: decoder.go says how a machine goes through a body, tree.go how what path and query
// set gets into the same wire. They take what protojson takes and make the same message of it, with its fields in the
// order in which they came. Where the ProtoJSON guide leaves a choice, they decide as follows: duplicate keys, newlines
// inside base64, timestamps outside RFC 3339 and nesting beyond a limit are refused.
package program

import (
	"hash/maphash"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/gatehouse-gateway/gatehouse/internal/reach"
)

// Compiler makes programs. It is safe for concurrent use, and so is every program it makes. It keeps what it has
// compiled for as long as it lives; types are compiled when the first of their messages comes by.
type Compiler struct {
	types     Resolver
	tables    tables
	decoders  decoders
	seed      maphash.Seed // of hashes of what clients send
	scratches sync.Pool    // of *scratch, for the runs of all programs
	partials  partials
	secrets   *reach.Types // that have fields whose values are not repeated
}

// NewCompiler returns a compiler whose programs look up the types inside google.protobuf.Any and the extensions of
// messages in types. The programs keep types, which must not change afterwards. nil stands for the types that are
// compiled into this binary.
func NewCompiler(types Resolver) *Compiler {
	if types == nil {
		types = protoregistry.GlobalTypes
	}
	return &Compiler{types: types, seed: maphash.MakeSeed(), secrets: reach.Of(hasSecret)}
}

// Message makes the program for a whole message as JSON, with no path variables and no query: what
// POST /pkg.Service/Method takes.
func (c *Compiler) Message(md protoreflect.MessageDescriptor, o Options) (*Request, error) {
	return c.Request(md, RequestRule{HTTPMethod: "POST", Body: "*"}, o)
}

// Options say how a program reads and writes. The zero value is the strict default.
type Options struct {
	// ProtoNames writes field names as in the .proto file instead of as JSON names. Both are always read.
	ProtoNames bool
	// EmitDefaults also writes fields without presence that have their default value, and empty lists and maps.
	EmitDefaults bool
	// EmitUnset is EmitDefaults, and writes null for messages that are not set, and for scalars of proto2 and editions: what protojson
	// calls EmitUnpopulated. Members of oneofs are left out, those that stand for "optional" too.
	EmitUnset bool
	// EnumNumbers writes enum values as numbers.
	EnumNumbers bool

	// Unknown says what happens to names that the message does not have. Default: Reject.
	Unknown Unknown

	// BoolFlags lets the query parameter "b", without "=", mean true for a bool.
	BoolFlags bool
	// NumericBools lets 1 and 0 stand for true and false in path and query.
	NumericBools bool
	// EnumCaseInsensitive lets path and query name enum values in any case.
	EnumCaseInsensitive bool
	// SnakeCaseMasks lets field masks in path and query use the names of the .proto file as well.
	SnakeCaseMasks bool
	// PartialResponses takes a field mask for the reply from query or header: see Request.FieldMask and Response.Partial.
	PartialResponses bool
	// RepeatedCSV lets a path variable be a repeated scalar, its values separated by commas, as grpc-gateway does.
	RepeatedCSV bool

	// GRPCGateway reads the values in path and query as grpc-gateway does, and does not look at a query of which nothing can be bound.
	GRPCGateway bool

	// DepthMax is the deepest nesting of objects and arrays in a JSON body. A reply may nest its messages as deep as a
	// body of that depth can make them. 0 means 100.
	DepthMax int
	// QueryDepthMax is the highest number of names in a dotted query parameter. 0 means 32.
	QueryDepthMax int
}

// Unknown says what happens to fields and query parameters that a message does not have.
type Unknown uint8

const (
	// Reject refuses the request.
	Reject Unknown = iota
	// Ignore leaves them out and counts them. Query parameters for fields that the path or the body sets, body values
	// that differ from the path's, and unknown names of enum values in a body count as unknown too.
	Ignore
)

// Resolver finds the types that a descriptor does not name: those inside google.protobuf.Any, and extensions.
type Resolver interface {
	protoregistry.MessageTypeResolver
	protoregistry.ExtensionTypeResolver
}

const (
	depthMaxDefault      = 100
	queryDepthMaxDefault = 32
)

// withDefaults fills in the limits that are not set.
func (o Options) withDefaults() Options {
	if o.DepthMax <= 0 {
		o.DepthMax = depthMaxDefault
	}
	if o.QueryDepthMax <= 0 {
		o.QueryDepthMax = queryDepthMaxDefault
	}
	return o
}

// replyDepthMax is how deep messages may nest on the wire. One level of JSON makes at most three: google.protobuf.Value
// holds a Struct, which holds map entries.
func (o Options) replyDepthMax() int { return 3*o.DepthMax + 1 }

func (o Options) lenient() bool { return o.Unknown == Ignore }
