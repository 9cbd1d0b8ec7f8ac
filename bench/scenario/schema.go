package scenario

import (
	"fmt"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	libraryv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/library/v1"
	ordersv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/acme/orders/v1"
	policyv1 "github.com/gatehouse-gateway/gatehouse/proto/gatehouse/policy/v1"
)

// Schema is the demo's schema without its policies, its validation rules, and the response_body that Envoy does not
// know: what every contender serves.
func Schema() *descriptorpb.FileDescriptorSet {
	set := &descriptorpb.FileDescriptorSet{}
	seen := map[string]bool{}
	for _, file := range []protoreflect.FileDescriptor{libraryv1.File_acme_library_v1_library_proto, ordersv1.File_acme_orders_v1_orders_proto} {
		addFile(set, seen, file)
	}
	for _, file := range set.GetFile() {
		if ours(file) {
			strip(file)
		}
	}
	return set
}

// PlainSchema is Schema for a gateway that knows only variables of one segment and no verbs: the calls that are measured
// have routes of that kind. What is bound is the same.
func PlainSchema() *descriptorpb.FileDescriptorSet {
	set := Schema()
	routes := map[string]*annotations.HttpRule{
		"ListBooks":  {Pattern: &annotations.HttpRule_Get{Get: "/v1/books/{parent}"}},
		"CreateBook": {Pattern: &annotations.HttpRule_Post{Post: "/v1/books/{parent}"}, Body: "book"},
		"WatchShelf": {Pattern: &annotations.HttpRule_Get{Get: "/v1/watch/{name}"}},
	}
	for _, file := range set.GetFile() {
		for _, service := range file.GetService() {
			for _, method := range service.GetMethod() {
				if rule := routes[method.GetName()]; rule != nil && ours(file) {
					proto.SetExtension(method.Options, annotations.E_Http, rule)
				}
			}
		}
	}
	return set
}

// CheckedSchema is Schema with five validation rules for each request that is measured.
func CheckedSchema() *descriptorpb.FileDescriptorSet {
	set := Schema()
	for field, rules := range fiveRules() {
		setRules(set, field, rules)
	}
	return set
}

// ours tells the demo's files from those that they import.
func ours(file *descriptorpb.FileDescriptorProto) bool {
	return strings.HasPrefix(file.GetPackage(), "acme.")
}

// fiveRules are those of the demo's schema where it has enough, and their like where it has not.
func fiveRules() map[string]*validate.FieldRules {
	return map[string]*validate.FieldRules{
		// Lists, small and large: five rules on four fields.
		"ListBooksRequest.parent":     text(&validate.StringRules{MinLen: proto.Uint64(1)}),
		"ListBooksRequest.page_size":  number(0, 1000),
		"ListBooksRequest.page_token": text(&validate.StringRules{MaxLen: proto.Uint64(100)}),
		"ListBooksRequest.genre":      {Type: &validate.FieldRules_Enum{Enum: &validate.EnumRules{DefinedOnly: proto.Bool(true)}}},
		// The small POST, and the unary gRPC call.
		"CreateBookRequest.parent":  text(&validate.StringRules{MinLen: proto.Uint64(1)}),
		"CreateBookRequest.book_id": text(&validate.StringRules{Pattern: proto.String("^[a-z0-9-]{1,60}$")}),
		"CreateBookRequest.book":    {Required: proto.Bool(true)},
		"Book.title":                text(&validate.StringRules{MaxLen: proto.Uint64(200)}),
		"Book.authors":              list(&validate.RepeatedRules{MaxItems: proto.Uint64(20)}),
		// The batch: two of the five are on each of its items.
		"CreateOrderRequest.customer": text(&validate.StringRules{Pattern: proto.String("^[a-z0-9-]{1,40}$")}),
		"CreateOrderRequest.email":    text(&validate.StringRules{WellKnown: &validate.StringRules_Email{Email: true}}),
		"CreateOrderRequest.items":    list(&validate.RepeatedRules{MinItems: proto.Uint64(1)}),
		"Item.quantity":               number(1, 100),
		// The streams.
		"WatchShelfRequest.name": text(&validate.StringRules{
			MinLen: proto.Uint64(1), MaxLen: proto.Uint64(100), Pattern: proto.String("^shelves/[a-z0-9-]+$"),
		}),
		"WatchShelfRequest.limit": number(0, 10_000),
	}
}

func text(r *validate.StringRules) *validate.FieldRules {
	return &validate.FieldRules{Type: &validate.FieldRules_String_{String_: r}}
}

func list(r *validate.RepeatedRules) *validate.FieldRules {
	return &validate.FieldRules{Type: &validate.FieldRules_Repeated{Repeated: r}}
}

// number is two rules.
func number(least, most int32) *validate.FieldRules {
	return &validate.FieldRules{Type: &validate.FieldRules_Int32{Int32: &validate.Int32Rules{
		GreaterThan: &validate.Int32Rules_Gte{Gte: least}, LessThan: &validate.Int32Rules_Lte{Lte: most},
	}}}
}

func addFile(set *descriptorpb.FileDescriptorSet, seen map[string]bool, file protoreflect.FileDescriptor) {
	if seen[file.Path()] {
		return
	}
	seen[file.Path()] = true
	for i := range file.Imports().Len() {
		addFile(set, seen, file.Imports().Get(i).FileDescriptor)
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
}

// strip takes options out of a file that ToFileDescriptorProto made. The options in it are shared with the generated
// code, so what changes is cloned.
func strip(file *descriptorpb.FileDescriptorProto) {
	for _, service := range file.GetService() {
		service.Options = nil
		for _, method := range service.GetMethod() {
			if method.Options == nil {
				continue
			}
			options := proto.CloneOf(method.Options)
			proto.ClearExtension(options, policyv1.E_Method)
			if rule, ok := proto.GetExtension(options, annotations.E_Http).(*annotations.HttpRule); ok && rule != nil {
				rule.ResponseBody = ""
			}
			method.Options = options
		}
	}
	for _, message := range file.GetMessageType() {
		stripMessage(message)
	}
}

func stripMessage(message *descriptorpb.DescriptorProto) {
	if !message.GetOptions().GetMapEntry() {
		message.Options = nil
	}
	for _, field := range message.GetField() {
		field.Options = nil
	}
	for _, nested := range message.GetNestedType() {
		stripMessage(nested)
	}
}

// setRules gives a field, named Message.field, validation rules.
func setRules(set *descriptorpb.FileDescriptorSet, name string, rules *validate.FieldRules) {
	for _, file := range set.GetFile() {
		if !ours(file) {
			continue
		}
		for _, message := range file.GetMessageType() {
			for _, field := range message.GetField() {
				if message.GetName()+"."+field.GetName() == name {
					field.Options = &descriptorpb.FieldOptions{}
					proto.SetExtension(field.Options, validate.E_Field, rules)
					return
				}
			}
		}
	}
	panic(fmt.Sprintf("the schema has no field %s", name)) // the names are constants
}
