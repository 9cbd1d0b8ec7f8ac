package gateway

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	policyv1 "github.com/gatehouse-gateway/gatehouse/proto/gatehouse/policy/v1"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

// routes compiles the REST faces of every method, also of those that no listener shows: a rule that cannot be bound
// is refused when it is published, not on the day when it is made public.
func (c *compiler) routes(units []unit, endpoints []*front.Endpoint) [][]route.Rule[*front.Route] {
	all := make([][]route.Rule[*front.Route], len(units))
	told := map[protoreflect.FullName]bool{}
	for i, u := range units {
		rules, err := rulesOf(c.cfg, u.method.Descriptor)
		if err != nil {
			c.fault(u.method.Descriptor, err)
			continue
		}
		if own := written(rules, u.method.Descriptor); len(own) > 0 && likeGRPCGateway(c.cfg, u.method.Descriptor) {
			rules = own // a method with an annotation has no other address there
		}
		warnings := lint(u.method.Descriptor, written(rules, u.method.Descriptor))
		for _, w := range append(warnings, lintNames(u.method.Descriptor, told)...) {
			c.warnings = append(c.warnings, remark(u.method.Descriptor, compile.Warning, w))
		}
		success, err := successOf(u.method.Descriptor)
		if err != nil {
			c.fault(u.method.Descriptor, err) // once, however many faces the method has
		}
		var endpoint *front.Endpoint
		if endpoints != nil {
			endpoint = endpoints[i]
		}
		for _, r := range rules {
			compiled, err := c.route(u, endpoint, r)
			if err != nil {
				c.fault(u.method.Descriptor, fmt.Errorf("%s %s: %w", r.verb, r.path, err))
				continue
			}
			compiled.Value.Success = success
			all[i] = append(all[i], compiled)
		}
	}
	return all
}

// route compiles one REST face: its template, and the programs of its request and reply.
func (c *compiler) route(u unit, endpoint *front.Endpoint, r rule) (compiled route.Rule[*front.Route], err error) {
	template, err := route.Parse(r.path)
	if err != nil {
		return compiled, err
	}
	vars := make([]string, len(template.Vars))
	for i, v := range template.Vars {
		vars[i] = v.FieldPath
	}
	like := likeGRPCGateway(c.cfg, u.method.Descriptor)
	options := programOptions(jsonOf(c.cfg, u.method.Descriptor), c.cfg.GetLimits())
	if like {
		options = grpcGatewayOptions(options, jsonOf(c.cfg, u.method.Descriptor))
	}
	request, err := c.programs.Request(u.method.Input.Descriptor,
		program.RequestRule{HTTPMethod: r.verb, Vars: vars, Body: r.body}, options)
	if err != nil {
		return compiled, err
	}
	form, err := c.form(u.method.Descriptor, r, vars, options)
	if err != nil {
		return compiled, err
	}
	response, err := c.response(u.method.Output.Descriptor, r.responseBody, options)
	if err != nil {
		return compiled, err
	}
	for _, w := range request.Warnings() {
		c.warnings = append(c.warnings, remark(u.method.Descriptor, compile.Warning, fmt.Sprintf("%s: %s %s: %s", u.method.Name(), r.verb, r.path, w)))
	}
	rawRequest := rawBody(u.method.Input.Descriptor, r.body, "*")
	if like {
		rawRequest = nil // grpc-gateway reads the JSON of a google.api.HttpBody, and writes only replies as they are
	}
	return route.Rule[*front.Route]{
		Method:   r.verb,
		Template: template,
		Owner:    u.method.Name(),
		Decode:   pathDecode(c.cfg.GetRest()),
		Value: &front.Route{
			Endpoint: endpoint, Request: request, Response: response, Body: r.body, ResponseBody: r.responseBody, JSON: options,
			RawRequest: rawRequest, RawReply: rawBody(u.method.Output.Descriptor, r.responseBody, ""),
			Form:     form,
			Elements: u.method.ClientStreams && !like && !takesArray(u.method.Input.Descriptor, r.body),
			Errors:   errorsOf(c.cfg, u.method.Descriptor), GRPCGateway: like,
		},
	}, nil
}

// takesArray reports whether the JSON of a body may be an array: that of a repeated field, or of a type that any JSON fits.
func takesArray(md protoreflect.MessageDescriptor, selector string) bool {
	anyJSON := func(md protoreflect.MessageDescriptor) bool {
		return md != nil && (md.FullName() == "google.protobuf.ListValue" || md.FullName() == "google.protobuf.Value")
	}
	fd := md.Fields().ByName(protoreflect.Name(selector))
	if fd == nil {
		return anyJSON(md)
	}
	return fd.IsList() || anyJSON(fd.Message())
}

// rawBody finds the google.api.HttpBody that a selector means; nil if it means something else.
func rawBody(md protoreflect.MessageDescriptor, selector, whole string) *front.RawBody {
	const name = "google.api.HttpBody"
	if selector == whole {
		if md.FullName() == name {
			return &front.RawBody{}
		}
		return nil
	}
	fd := md.Fields().ByName(protoreflect.Name(selector))
	if fd == nil || fd.Message() == nil || fd.IsList() || fd.Kind() == protoreflect.GroupKind || fd.Message().FullName() != name {
		return nil
	}
	return &front.RawBody{Field: fd.Number()}
}

// response returns the program for a reply. Methods that reply alike share it.
func (c *compiler) response(md protoreflect.MessageDescriptor, body string, options program.Options) (*program.Response, error) {
	key := reply{md, body, options}
	if p := c.replies[key]; p != nil {
		return p, nil
	}
	p, err := c.programs.Response(md, body, options)
	if err == nil {
		c.replies[key] = p
	}
	return p, err
}

func programOptions(json *policyv1.JsonOptions, limits *configv1.Limits) program.Options {
	o := program.Options{
		ProtoNames:          json.GetProtoNames(),
		EmitDefaults:        json.GetEmitDefaults(),
		EnumNumbers:         json.GetEnumNumbers(),
		BoolFlags:           json.GetBoolFlags(),
		NumericBools:        json.GetNumericBools(),
		EnumCaseInsensitive: json.GetEnumIgnoreCase(),
		SnakeCaseMasks:      json.GetSnakeCaseMasks(),
		RepeatedCSV:         json.GetRepeatedPathVariables(),
		PartialResponses:    json.GetPartialResponses(),
		DepthMax:            int(limits.GetJsonDepthMax()),
	}
	if json.GetUnknown() == policyv1.JsonOptions_IGNORE {
		o.Unknown = program.Ignore
	}
	return o
}

// grpcGatewayOptions are those of grpc-gateway with its default settings. What is left out of replies a service's json options say, if
// it has some.
func grpcGatewayOptions(o program.Options, json *policyv1.JsonOptions) program.Options {
	o.EmitUnset = json == nil || json.GetEmitDefaults()
	o.Unknown = program.Ignore
	o.RepeatedCSV, o.GRPCGateway = true, true
	return o
}

func routeOptions(rest *configv1.Rest) (o route.Options) {
	if rest.GetTrailingSlash() == configv1.Rest_STRIP {
		o.TrailingSlash = route.Strip
	}
	return o
}

func pathDecode(rest *configv1.Rest) route.Decode {
	switch rest.GetPathDecode() {
	case configv1.Rest_KEEP_RESERVED:
		return route.KeepReserved
	case configv1.Rest_DECODE_ALL:
		return route.All
	default:
		return route.KeepSlash
	}
}

// resolver finds the types inside Any and extensions: the schema's first, then what is linked into the program, such
// as the details of errors.
type resolver struct{ files *compile.Files }

func (r resolver) FindMessageByName(name protoreflect.FullName) (protoreflect.MessageType, error) {
	if r.files != nil {
		if t, err := r.files.Types().FindMessageByName(name); err == nil {
			return t, nil
		}
	}
	return protoregistry.GlobalTypes.FindMessageByName(name)
}

func (r resolver) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	if r.files != nil {
		if t, err := r.files.Types().FindMessageByURL(url); err == nil {
			return t, nil
		}
	}
	return protoregistry.GlobalTypes.FindMessageByURL(url)
}

func (r resolver) FindExtensionByName(name protoreflect.FullName) (protoreflect.ExtensionType, error) {
	if r.files == nil {
		return nil, protoregistry.NotFound
	}
	return r.files.Types().FindExtensionByName(name)
}

func (r resolver) FindExtensionByNumber(message protoreflect.FullName, number protoreflect.FieldNumber) (protoreflect.ExtensionType, error) {
	if r.files == nil {
		return nil, protoregistry.NotFound
	}
	return r.files.Types().FindExtensionByNumber(message, number)
}
