package openapi

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

// operation writes what a face does for one HTTP method.
func (d *document) operation(path apiPath, f numbered, verb string) *object {
	md := f.Method.Descriptor
	said := comment(md)
	summary := firstSentence(said)
	if said == summary+"." || said == summary {
		said = "" // there is no more of it
	}
	op := pairs("operationId", d.id(f, verb))
	op.set("tags", []string{f.Method.Service()})
	op.setText("summary", summary)
	op.setText("description", paragraphs(said, streamText(f.Method), accessText(&f.Method.Policy), quotaText(&f.Method.Policy)))
	if deprecated(md) {
		op.set("deprecated", true)
	}
	if parameters := d.parameters(path, &f.Face, verb); len(parameters) > 0 {
		op.set("parameters", parameters)
	}
	if body := d.body(&f.Face); body != nil {
		op.set("requestBody", body)
	}
	op.set("responses", d.responses(&f.Face))
	d.secure(op, &f.Method.Policy)
	extensions(op, f.Method)
	return op
}

// id is the method's full name, which no other method has whatever else is published, with a number for further faces and the
// HTTP method where a face takes any.
func (d *document) id(f numbered, verb string) string {
	id := f.Method.Name()
	if f.number > 1 {
		id += "_" + strconv.Itoa(f.number)
	}
	if f.Verb == route.Any && verb != anyMethods[0] {
		id += "_" + strings.ToLower(verb)
	}
	return unique(id, d.ids)
}

func streamText(m *rpc.Method) string {
	switch {
	case m.ClientStreams && m.ServerStreams:
		return "The client sends any number of messages, and gets any number of them."
	case m.ClientStreams:
		return "The client sends any number of messages."
	case m.ServerStreams:
		return "The client gets any number of messages."
	}
	return ""
}

// extensions say what OpenAPI has no word for.
func extensions(op *object, m *rpc.Method) {
	op.set("x-gatehouse-method", m.Name())
	op.set("x-gatehouse-access", m.Policy.Access.String())
	if len(m.Policy.Scopes) > 0 {
		op.set("x-gatehouse-scopes", m.Policy.Scopes)
	}
	if q := m.Policy.Quota; q != nil {
		op.set("x-gatehouse-quota", pairs("limit", q.Limit, "period", q.Period.String(), "burst", q.Burst, "cost", m.Policy.Cost,
			"per", [...]string{"PRINCIPAL", "ADDRESS", "EVERYBODY"}[q.Per]))
	}
	if m.Policy.Timeout > 0 {
		op.set("x-gatehouse-timeout", m.Policy.Timeout.String())
	}
}

const (
	typeJSON  = "application/json"
	typeLines = "application/x-ndjson"
	typeJSONL = "application/jsonl"
	typeSSE   = "text/event-stream"
	typeAny   = "*/*"
	httpBody  = "google.api.HttpBody"
)

// body describes what a request carries; nil if nothing.
func (d *document) body(f *Face) *object {
	if f.Body == "" {
		return nil
	}
	input, st := f.Method.Input.Descriptor, styleOf(f.JSON)
	within, needed, many := withinBody(f), false, f.Method.ClientStreams
	body := newObject()
	var schema *object
	if f.Body == "*" {
		if input.FullName() == httpBody {
			return rawBody()
		}
		if known := wellKnown(input); known != nil {
			schema = known()
		} else if len(within) == 0 {
			schema = d.schemas.message(input, st)
		} else {
			schema = d.schemas.object(input, st, within)
		}
		needed = slices.ContainsFunc(fieldsOf(input.Fields()), func(fd protoreflect.FieldDescriptor) bool {
			_, bound := narrow(within, string(fd.Name()))
			return must(fd) && !bound
		})
	} else {
		fd := fieldAt(input, f.Body)
		switch {
		case !fd.IsList() && fd.Message() != nil && fd.Message().FullName() == httpBody:
			return rawBody()
		case len(within) > 0 && fd.Message() != nil && !fd.IsList() && !fd.IsMap():
			schema = d.schemas.object(fd.Message(), st, within)
		default:
			schema = d.schemas.field(fd, st)
		}
		body.setText("description", paragraphs(comment(fd), bodyNote(within)))
		needed = must(fd)
	}
	if f.Body == "*" {
		body.setText("description", bodyNote(within))
	}
	content, how := requests(f, schema)
	if f.Forms {
		content.set("application/x-www-form-urlencoded", media(schema))
		content.set("multipart/form-data", media(schema))
		how = paragraphs(how, "A form names fields as a query does, nested ones with dots.")
	}
	body.setText("description", paragraphs(text(body.get("description")), how))
	body.set("content", content)
	if needed && !many {
		body.set("required", true)
	}
	return body
}

// requests describes the media types of requests, and says in words how many messages are written.
func requests(f *Face, schema *object) (content *object, how string) {
	switch {
	case !f.Method.ClientStreams:
		return pairs(typeJSON, media(schema)), ""
	case f.GRPCGateway:
		return pairs(typeJSON, media(schema)), "Any number of messages, one JSON value behind the other."
	case f.Elements:
		return pairs(typeJSON, media(pairs("type", "array", "items", schema)), typeLines, media(schema), typeJSONL, media(schema)),
			"Any number of messages: one JSON array, or a line of JSON for each."
	default:
		return pairs(typeJSON, media(schema), typeLines, media(schema), typeJSONL, media(schema)),
			"One message, or a line of JSON for each of many."
	}
}

func media(schema *object) *object { return pairs("schema", schema) }

func text(v any) string {
	s, _ := v.(string)
	return s
}

func rawBody() *object {
	return pairs("description", "Bytes of any content type, which the backend gets as they are.", "content", pairs(typeAny, newObject()))
}

// withinBody are the fields of the body that the path sets.
func withinBody(f *Face) (within []string) {
	for _, v := range f.Template.Vars {
		if f.Body == "*" {
			within = append(within, v.FieldPath)
		} else if rest, ok := strings.CutPrefix(v.FieldPath, f.Body+"."); ok {
			within = append(within, rest)
		}
	}
	return within
}

func bodyNote(within []string) string {
	if len(within) == 0 {
		return ""
	}
	return "Without what the path sets: " + strings.Join(within, ", ") + "."
}

// fieldAt follows a dotted path, which was judged when the route was compiled.
func fieldAt(md protoreflect.MessageDescriptor, path string) (fd protoreflect.FieldDescriptor) {
	for name := range strings.SplitSeq(path, ".") {
		if md == nil {
			return nil
		}
		fd = named(md, name)
		if fd == nil {
			return nil
		}
		md = fd.Message()
	}
	return fd
}

// named finds a field by any of its names.
func named(md protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if fd := md.Fields().ByTextName(name); fd != nil {
		return fd
	}
	if fd := md.Fields().ByName(protoreflect.Name(name)); fd != nil {
		return fd
	}
	return md.Fields().ByJSONName(name)
}

// responses describes the success, the refusals that the policy can give, and every other failure.
func (d *document) responses(f *Face) *object {
	responses := pairs(strconv.Itoa(cmp.Or(f.Success, 200)), d.success(f))
	policy := &f.Method.Policy
	if policy.Access == rpc.Authenticated || len(policy.Scopes) > 0 {
		responses.set("401", d.failure(f.Errors, "There is no credential, or it is not valid."))
	}
	if policy.Access == rpc.Denied || len(policy.Scopes) > 0 {
		responses.set("403", d.failure(f.Errors, "The caller may not do this."))
	}
	if policy.Quota != nil {
		responses.set("429", d.failure(f.Errors, "The budget is used up. Retry-After says when there is some again."))
	}
	responses.set("default", d.failure(f.Errors, ""))
	return responses
}

func (d *document) success(f *Face) *object {
	if f.Success == 204 {
		return pairs("description", "Success. There is no body.")
	}
	output, st := f.Method.Output.Descriptor, styleOf(f.JSON)
	raw := output.FullName() == httpBody
	schema, about := newObject(), comment(output)
	if f.ResponseBody != "" {
		fd := fieldAt(output, f.ResponseBody)
		raw = !fd.IsList() && fd.Message() != nil && fd.Message().FullName() == httpBody
		schema, about = d.schemas.field(fd, st), comment(fd)
	} else if !raw {
		schema = d.schemas.message(output, st)
	}
	response := pairs("description", cmp.Or(about, "Success."))
	switch {
	case raw:
		response.set("content", pairs(typeAny, newObject()))
	case f.Method.ServerStreams && f.GRPCGateway:
		response.set("description", paragraphs(about, "A stream: a line for each message, and one for a failure."))
		response.set("content", pairs(typeJSON, media(pairs("type", "object",
			"properties", pairs("result", schema, "error", d.errorSchema(f.Errors))))))
	case f.Method.ServerStreams:
		response.set("description", paragraphs(about, "A stream: lines of JSON, one JSON array, or events with JSON as their data. A failure after the first message is the last."))
		response.set("content", d.stream(schema, f.Errors))
	default:
		response.set("content", pairs(typeJSON, media(schema)))
	}
	return response
}

// stream describes a stream by each of its media types. OpenAPI 3.1 has no schema for the items of a sequence, so what the
// schema of lines and of events describes is one line, and the data of one event.
func (d *document) stream(schema *object, shape front.Shape) *object {
	item := pairs("anyOf", []any{schema, d.lateError(shape)})
	return pairs(
		typeLines, media(item),
		typeJSONL, media(item),
		typeJSON, media(pairs("type", "array", "items", item)),
		typeSSE, media(item),
	)
}
