package gateway

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/gatehouse-gateway/gatehouse/gateway/services"
	"github.com/gatehouse-gateway/gatehouse/interceptors"
	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

// listeners are all there are, in the order of their constants.
var listeners = [...]rpc.Listener{rpc.ListenerPublic, rpc.ListenerInternal, rpc.ListenerAdmin}

// Schema is what a snapshot is made of.
type Schema struct {
	// Files is the linked schema; nil means that nothing is published yet.
	Files *compile.Files
	// Revision is the registry's number of it, 0 for a fixed schema.
	Revision int64
	// Backends are the targets that publishers named, by service.
	Backends map[protoreflect.FullName]string
}

// Snapshot is one schema compiled for one configuration: for each listener the methods that exist there, each with
// its checks, its backend and its REST faces. It is immutable, built whole, and lives until its last call ends.
type Snapshot struct {
	Revision int64
	// Warnings is what the publisher should know although it hinders nothing.
	Warnings []compile.Diagnostic

	tables   [len(listeners)]*front.Table
	views    [len(listeners)]*services.View
	openapi  [len(listeners)]func() (described, error)
	targets  map[protoreflect.FullName]string
	backends *backends
	users    atomic.Int64
	letGo    func() // release, made once and not for each call
}

// Table returns what a listener serves.
func (s *Snapshot) Table(l rpc.Listener) *front.Table { return s.tables[l] }

// acquire counts a user of the snapshot, and reports false if its last one has gone already.
func (s *Snapshot) acquire() bool {
	for {
		n := s.users.Load()
		if n == 0 {
			return false
		}
		if s.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// hold is acquire for whoever uses the snapshot already.
func (s *Snapshot) hold() (release func()) {
	if !s.acquire() {
		return func() {} // the gateway was closed
	}
	return s.letGo
}

// release takes a user away; with the last one the connections to backends go.
func (s *Snapshot) release() {
	if s.users.Add(-1) == 0 {
		s.backends.release()
	}
}

// compiler builds one snapshot.
type compiler struct {
	cfg      *configv1.Config
	cors     crossOrigin
	set      *interceptors.Set
	own      [len(listeners)]own
	schema   Schema
	backends *backends
	programs *program.Compiler
	types    map[protoreflect.MessageDescriptor]*rpc.Type
	replies  map[reply]*program.Response
	warnings []compile.Diagnostic
	faults   []compile.Diagnostic
}

// reply tells reply programs apart.
type reply struct {
	message protoreflect.MessageDescriptor
	body    string
	options program.Options
}

// unit is one method of the snapshot with what serves it.
type unit struct {
	method  *rpc.Method
	backend rpc.Backend
	on      []rpc.Listener
}

// compile builds the snapshot, or returns everything that is wrong with the schema. It is the same function that
// judges a publish and that loads what was published.
func (c *compiler) compile() (*Snapshot, error) {
	c.types, c.replies = map[protoreflect.MessageDescriptor]*rpc.Type{}, map[reply]*program.Response{}
	s := &Snapshot{Revision: c.schema.Revision, backends: c.backends, targets: map[protoreflect.FullName]string{}}
	c.programs = program.NewCompiler(resolver{c.schema.Files})
	units := c.units(s)
	endpoints, err := c.endpoints(units)
	if err != nil {
		c.faults = append(c.faults, compile.Diagnostic{Message: err.Error()})
	}
	routes := c.routes(units, endpoints)
	for _, l := range listeners {
		s.tables[l] = c.table(l, units, endpoints, routes)
		s.tables[l].Hold = s.hold
		s.views[l] = services.NewView(methodsOn(l, units))
	}
	if err := c.failure(); err != nil {
		c.backends.release()
		return nil, err
	}
	c.documents(s)
	s.Warnings = c.warnings
	s.users.Store(1)
	s.letGo = s.release
	return s, nil
}

// units lists the methods of the snapshot: what is published, and each listener's own services. A service of ours
// that somebody publishes too (reflection, health: many backends have them) is answered by ours.
func (c *compiler) units(s *Snapshot) []unit {
	var units []unit
	ours := map[protoreflect.FullName]bool{}
	for _, l := range listeners {
		for _, sd := range c.own[l].server.Services() {
			ours[sd.FullName()] = true
			for md := range methodsOf(sd) {
				units = append(units, unit{c.method(md, ownPolicy(c.cfg, l, md)), c.own[l].backend, []rpc.Listener{l}})
			}
		}
	}
	if c.schema.Files == nil {
		return units
	}
	for _, sd := range c.schema.Files.Services() {
		if ours[sd.FullName()] {
			c.warnings = append(c.warnings, compile.Diagnostic{
				File: sd.ParentFile().Path(), Severity: compile.Warning,
				Message: fmt.Sprintf("%s is answered by the gateway itself; calls to it do not go to the backend", sd.FullName()),
			})
			continue
		}
		b, target, err := c.backends.of(sd, c.schema.Backends[sd.FullName()])
		if err != nil {
			c.faults = append(c.faults, compile.Diagnostic{File: sd.ParentFile().Path(), Message: fmt.Sprintf("%s: %v", sd.FullName(), err)})
			continue
		}
		s.targets[sd.FullName()] = target
		denied := 0
		for md := range methodsOf(sd) {
			policy := policyOf(c.cfg, md)
			if policy.Access == rpc.Denied && policy.AccessRule == defaultAccess {
				denied++
			}
			on := []rpc.Listener{rpc.ListenerPublic, rpc.ListenerInternal}
			if policy.Access == rpc.Internal {
				on = on[1:]
			}
			units = append(units, unit{c.method(md, policy), b, on})
		}
		if denied > 0 {
			c.warnings = append(c.warnings, compile.Diagnostic{
				File: sd.ParentFile().Path(), Severity: compile.Warning,
				Message: fmt.Sprintf("%s: %d of its methods are DENIED, because neither the .proto nor the configuration says who may call them; say it with option (gatehouse.policy.v1.service) = {access: …}", sd.FullName(), denied),
			})
		}
	}
	return units
}

func methodsOf(sd protoreflect.ServiceDescriptor) iter.Seq[protoreflect.MethodDescriptor] {
	return func(yield func(protoreflect.MethodDescriptor) bool) {
		for i := range sd.Methods().Len() {
			if !yield(sd.Methods().Get(i)) {
				return
			}
		}
	}
}

func methodsOn(l rpc.Listener, units []unit) iter.Seq[protoreflect.MethodDescriptor] {
	return func(yield func(protoreflect.MethodDescriptor) bool) {
		for _, u := range units {
			if slices.Contains(u.on, l) && !yield(u.method.Descriptor) {
				return
			}
		}
	}
}

func (c *compiler) method(md protoreflect.MethodDescriptor, policy rpc.Policy) *rpc.Method {
	return rpc.NewMethod(md, c.typeOf(md.Input()), c.typeOf(md.Output()), policy)
}

func (c *compiler) typeOf(md protoreflect.MessageDescriptor) *rpc.Type {
	t := c.types[md]
	if t == nil {
		t = rpc.NewType(md, c.registry())
		c.types[md] = t
	}
	return t
}

// registry is where a message's extensions are looked for.
func (c *compiler) registry() *protoregistry.Files {
	if c.schema.Files == nil {
		return nil
	}
	return c.schema.Files.Registry()
}

// endpoints binds each method's checks and its backend.
func (c *compiler) endpoints(units []unit) ([]*front.Endpoint, error) {
	methods := make([]*rpc.Method, len(units))
	for i, u := range units {
		methods[i] = u.method
	}
	list, err := c.set.List(methods, resolver{c.schema.Files})
	if err != nil {
		return nil, err
	}
	endpoints := make([]*front.Endpoint, len(units))
	for i, u := range units {
		if endpoints[i], err = c.endpoint(u, interceptors.Bind(u.method, list)); err != nil {
			return nil, fmt.Errorf("%s: %w", u.method.Name(), err)
		}
	}
	return endpoints, nil
}

func (c *compiler) endpoint(u unit, chain *interceptors.Chain) (e *front.Endpoint, err error) {
	e = &front.Endpoint{Method: u.method, CORS: c.cors.of(u.method.Descriptor), Serve: func(call *rpc.Call, ss grpc.ServerStream) error {
		return drive(call, ss, chain, u.backend)
	}}
	options := programOptions(jsonOf(c.cfg, u.method.Descriptor), c.cfg.GetLimits())
	if e.FromJSON, err = c.programs.Message(u.method.Input.Descriptor, options); err != nil {
		return nil, err
	}
	e.ToJSON, err = c.response(u.method.Output.Descriptor, "", options)
	return e, err
}

// table is what one listener serves. The internal listener speaks gRPC only and has no routes.
func (c *compiler) table(l rpc.Listener, units []unit, endpoints []*front.Endpoint, routes [][]route.Rule[*front.Route]) *front.Table {
	t := &front.Table{Methods: map[string]*front.Endpoint{}, Types: resolver{c.schema.Files}}
	if l == rpc.ListenerPublic {
		t.CrossOrigin, t.CORS = c.cors.some, c.cors.standard
	}
	var rules []route.Rule[*front.Route]
	for i, u := range units {
		if !slices.Contains(u.on, l) {
			continue
		}
		if endpoints != nil { // else the snapshot fails anyway, but its conflicts are worth telling
			t.Methods[u.method.Path] = endpoints[i]
		}
		rules = append(rules, routes[i]...)
		t.GRPCGateway = t.GRPCGateway || len(routes[i]) > 0 && routes[i][0].Value.GRPCGateway
	}
	if l == rpc.ListenerInternal {
		rules = nil
	}
	router, err := route.Build(rules, routeOptions(c.cfg.GetRest()))
	if err != nil {
		c.conflicts(units, err)
	}
	t.Routes = router
	return t
}

// sortedMethods returns a table's methods by path.
func sortedMethods(t *front.Table) []*front.Endpoint {
	var sorted []*front.Endpoint
	for _, path := range slices.Sorted(maps.Keys(t.Methods)) {
		sorted = append(sorted, t.Methods[path])
	}
	return sorted
}
