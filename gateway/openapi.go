package gateway

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/gateway/openapi"
	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

// openapiPath is where listeners have their OpenAPI document.
const openapiPath = "/openapi.json"

// documents puts the OpenAPI documents into the tables that show them. Each is written when somebody asks for it first, and
// stays as long as the snapshot.
func (c *compiler) documents(s *Snapshot) {
	cfg := c.cfg // the compiler itself is not kept
	for _, l := range [...]rpc.Listener{rpc.ListenerPublic, rpc.ListenerAdmin} {
		s.openapi[l] = sync.OnceValues(func() (described, error) { return describe(cfg, l, s) })
	}
	s.tables[rpc.ListenerAdmin].Documents = map[string]front.Document{openapiPath: s.document}
	public := s.tables[rpc.ListenerPublic]
	if (c.cfg.GetOpenapi().GetPublic() || c.cfg.GetDev()) && !publishes(public.Routes, openapiPath) {
		public.Documents = map[string]front.Document{openapiPath: s.publicDocument}
	}
}

// publishes reports whether a route has exactly this path.
func publishes(routes *route.Router[*front.Route], path string) bool {
	for _, rule := range routes.Rules() {
		if rule.Template.Shape() == path {
			return true
		}
	}
	return false
}

// described is a document with its ETag.
type described struct {
	text []byte
	etag string
}

// document answers on the admin listener, for the listener that the query names.
func (s *Snapshot) document(query url.Values) (text []byte, media, etag string, err error) {
	d, err := s.OpenAPI(cmp.Or(query.Get("listener"), rpc.ListenerPublic.String()))
	return d.text, "application/json", d.etag, err
}

// publicDocument answers on the public listener, which knows of no other.
func (s *Snapshot) publicDocument(url.Values) (text []byte, media, etag string, err error) {
	d, err := s.openapi[rpc.ListenerPublic]()
	return d.text, "application/json", d.etag, err
}

// OpenAPI returns the document of what a listener serves by REST.
func (s *Snapshot) OpenAPI(listener string) (described, error) {
	for _, l := range listeners {
		if l.String() == listener && s.openapi[l] != nil {
			return s.openapi[l]()
		}
	}
	return described{}, rpc.Errorf(codes.InvalidArgument, "UNKNOWN_LISTENER", "there is no REST on a listener %q; say public or admin", listener)
}

// OpenAPI returns the OpenAPI document of what a listener serves by REST: "public" or "admin". It opens no listener.
func (g *Gateway) OpenAPI(listener string) ([]byte, error) {
	d, err := g.current.Load().OpenAPI(listener)
	return d.text, err
}

// describe writes the document of a listener, from what is in its table.
func describe(cfg *configv1.Config, l rpc.Listener, s *Snapshot) (described, error) {
	api := openapi.API{
		Title:   cmp.Or(cfg.GetOpenapi().GetTitle(), "Gatehouse"),
		Version: strconv.FormatInt(s.Revision, 10),
		Keys:    len(cfg.GetAuthn().GetApiKeys()) > 0,
		Tokens:  len(cfg.GetAuthn().GetJwt()) > 0,
	}
	if l == rpc.ListenerAdmin {
		api.Title += " administration"
		api.AdminKey = cfg.GetAdmin().GetKeySha256() != ""
	}
	for _, rule := range s.tables[l].Routes.Rules() {
		if m := rule.Value.Method; !everywhere(m) {
			api.Faces = append(api.Faces, openapi.Face{
				Method: m, Verb: rule.Method, Template: rule.Template, Body: rule.Value.Body, ResponseBody: rule.Value.ResponseBody,
				JSON: rule.Value.JSON, Errors: rule.Value.Errors, Success: rule.Value.Success,
				Elements: rule.Value.Elements, Forms: rule.Value.Form != nil, GRPCGateway: rule.Value.GRPCGateway,
			})
		}
	}
	text, err := openapi.Write(api)
	if err != nil {
		return described{}, err
	}
	sum := sha256.Sum256(text)
	return described{text, `"` + hex.EncodeToString(sum[:16]) + `"`}, nil
}

// everywhere reports whether a method is of the services that every listener has for gRPC: reflection and health.
func everywhere(m *rpc.Method) bool {
	return strings.HasPrefix(m.Service(), "grpc.reflection.") || strings.HasPrefix(m.Service(), "grpc.health.")
}
