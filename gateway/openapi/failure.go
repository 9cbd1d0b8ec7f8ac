package openapi

import (
	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

// shapeNames name the components of error shapes. No protobuf name has a hyphen, so no message can be called the same.
var shapeNames = [...]string{front.AIP193: "error-aip193", front.RPCStatus: "error-rpc-status", front.Problem: "error-problem", front.Connect: "error-connect",
	front.GRPCGateway: "error-grpc-gateway"}

// failure refers to the response of a failure; text replaces the words of it.
func (d *document) failure(shape front.Shape, text string) *object {
	d.shapes[shape] = true
	if shape != front.GRPCGateway {
		d.shapes[front.Problem] = true // for who accepts it
	}
	ref := pairs("$ref", "#/components/responses/"+shapeNames[shape])
	ref.setText("description", text)
	return ref
}

// lateError is the schema of a failure after the first message of a stream: the shape as the one member "error".
func (d *document) lateError(shape front.Shape) *object {
	ref := d.errorSchema(shape)
	if shape == front.AIP193 { // has that form
		return ref
	}
	return pairs("type", "object", "properties", pairs("error", ref), "required", []string{"error"})
}

func (d *document) errorSchema(shape front.Shape) *object {
	d.shapes[shape] = true
	return pairs("$ref", "#/components/schemas/"+shapeNames[shape])
}

// components are what operations refer to.
func (d *document) components() *object {
	schemas, responses := d.schemas.sorted(), newObject()
	for shape, used := range d.shapes {
		if used {
			schemas.set(shapeNames[shape], errorSchemas[shape]())
			responses.set(shapeNames[shape], errorResponse(front.Shape(shape)))
		}
	}
	all := pairs("schemas", schemas, "responses", responses)
	if schemes := d.schemes(); len(schemes.keys) > 0 {
		all.set("securitySchemes", schemes)
	}
	return all
}

func errorResponse(shape front.Shape) *object {
	content := pairs(shape.MediaType(), media(pairs("$ref", "#/components/schemas/"+shapeNames[shape])))
	if shape != front.GRPCGateway {
		content.set(front.TypeProblem, media(pairs("$ref", "#/components/schemas/"+shapeNames[front.Problem])))
	}
	return pairs(
		"description", "A failure.",
		"headers", pairs("Gatehouse-Decision-Id", pairs("description", "By which operators find the call in their log.", "schema", pairs("type", "string"))),
		"content", content)
}

// errorSchemas are the forms that package front writes.
var errorSchemas = [...]func() *object{
	front.AIP193: func() *object {
		return pairs("type", "object", "description", "A failure in the form of AIP-193.", "required", []string{"error"},
			"properties", pairs("error", pairs("type", "object", "required", []string{"code", "message", "status"},
				"properties", pairs(
					"code", pairs("type", "integer", "description", "The HTTP status."),
					"message", pairs("type", "string"),
					"status", pairs("type", "string", "description", "The gRPC code, such as NOT_FOUND."),
					"details", details()))))
	},
	front.RPCStatus:   rpcStatus,
	front.GRPCGateway: rpcStatus,
	front.Problem: func() *object {
		return pairs("type", "object", "description", "A failure in the form of RFC 9457.", "required", []string{"type", "title", "status", "code"},
			"properties", pairs(
				"type", pairs("type", "string", "format", "uri-reference"),
				"title", pairs("type", "string"),
				"status", pairs("type", "integer", "description", "The HTTP status."),
				"detail", pairs("type", "string"),
				"code", pairs("type", "string", "description", "The gRPC code, such as NOT_FOUND."),
				"details", details()))
	},
	front.Connect: func() *object {
		return pairs("type", "object", "description", "A failure as the Connect protocol has it.", "required", []string{"code"},
			"properties", pairs(
				"code", pairs("type", "string", "description", "The gRPC code, such as not_found."),
				"message", pairs("type", "string"),
				"details", pairs("type", "array", "items", pairs("type", "object", "required", []string{"type", "value"},
					"properties", pairs(
						"type", pairs("type", "string", "description", "Full name of the detail's message."),
						"value", pairs("type", "string", "contentEncoding", "base64"),
						"debug", newObject())))))
	},
}

func rpcStatus() *object {
	return pairs("type", "object", "description", "A failure as google.rpc.Status.", "required", []string{"code", "message", "details"},
		"properties", pairs(
			"code", pairs("type", "integer", "description", "The gRPC code."),
			"message", pairs("type", "string"),
			"details", details()))
}

func details() *object {
	return pairs("type", "array", "items", pairs("type", "object",
		"properties", pairs("@type", pairs("type", "string", "description", "URL of the detail's message.")), "additionalProperties", true))
}

const (
	schemeKey    = "apiKey"
	schemeBearer = "bearer"
	schemeAdmin  = "adminKey"
)

// secure says which credentials an operation takes. Those that need none say so.
func (d *document) secure(op *object, p *rpc.Policy) {
	if d.api.AdminKey {
		return // the document's own says it
	}
	if p.Access != rpc.Authenticated && len(p.Scopes) == 0 {
		op.set("security", []any{})
		return
	}
	d.secured = true
	scopes := append([]string{}, p.Scopes...)
	var either []any
	if d.keys() {
		either = append(either, pairs(schemeKey, scopes))
	}
	op.set("security", append(either, pairs(schemeBearer, scopes)))
}

// keys reports whether callers can have API keys; where nothing is configured yet, they could.
func (d *document) keys() bool { return d.api.Keys || !d.api.Tokens }

func (d *document) schemes() *object {
	schemes := newObject()
	if d.api.AdminKey {
		schemes.set(schemeAdmin, pairs("type", "http", "scheme", "bearer", "description", "The gateway's admin key."))
	}
	if !d.secured {
		return schemes
	}
	if d.keys() {
		schemes.set(schemeKey, pairs("type", "apiKey", "in", "header", "name", "x-api-key", "description", "An API key."))
	}
	bearer := pairs("type", "http", "scheme", "bearer", "description", "An API key.")
	switch {
	case d.api.Tokens && d.api.Keys:
		bearer.set("description", "A JSON Web Token, or an API key.")
	case d.api.Tokens:
		bearer.set("bearerFormat", "JWT")
		bearer.set("description", "A JSON Web Token.")
	}
	schemes.set(schemeBearer, bearer)
	return schemes
}
