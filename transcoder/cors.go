package transcoder

import (
	"net/http"
	"slices"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/cors"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/rest"
	"github.com/gatehouse-gateway/gatehouse/transcoder/route"
)

// varyOrigin is of all responses of a listener that some page may read: a cache must not give the response to one origin to
// another. Nobody changes it in place.
var varyOrigin = []string{"Origin"}

// crossOrigin adds what lets a web page read the response, before any front writes one, so that errors can be read, too. It answers
// a preflight, and reports that it did: that is no call, so no check and no backend hears of it.
func crossOrigin(env *front.Env, fronts []front.Front, w http.ResponseWriter, r *http.Request, t *front.Table) (answered bool) {
	if !t.CrossOrigin {
		return false
	}
	h := w.Header()
	h["Vary"] = varyOrigin
	origins := r.Header["Origin"]
	if len(origins) != 1 {
		return false
	}
	path, _ := front.Target(r)
	asked := r.Header["Access-Control-Request-Method"]
	if r.Method != http.MethodOptions || len(asked) != 1 {
		policyAt(t, fronts, r, path).Allow(h, origins[0])
		return false
	}
	call := *r // which the page would make
	call.Method = asked[0]
	policy := policyAt(t, fronts, &call, path)
	if policy == nil {
		return false // then it is an ordinary OPTIONS
	}
	h["Vary"] = []string{"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}
	policy.AllowPreflight(h, origins[0], methodsAt(t, path), r.Header["Access-Control-Request-Headers"])
	w.WriteHeader(http.StatusNoContent)
	env.Unrouted("cors", rpc.NewID(), http.StatusNoContent, r)
	return true
}

// policyAt is the policy of the method that a request calls: by REST that of its route, or else of its gRPC path; by other protocols
// that of its gRPC path alone, whoever has a route there. What nobody serves has that of the listener: it may be known to a page
// that could call the rest.
func policyAt(t *front.Table, fronts []front.Front, r *http.Request, path string) *cors.Policy {
	var b route.Binding[*front.Route]
	e := t.Methods[path]
	switch isREST := detect(fronts, r) == fronts[len(fronts)-1]; {
	case e != nil && !isREST:
		return e.CORS
	case rest.Match(r, t, path, &b) == nil:
		return b.Rule.Value.CORS
	case e != nil:
		return e.CORS
	}
	return t.CORS
}

// methodsAt are the HTTP methods that a path has.
func methodsAt(t *front.Table, path string) []string {
	methods := slices.DeleteFunc(slices.Clone(t.Routes.Allowed(path)), func(m string) bool { return m == http.MethodOptions })
	if t.Methods[path] != nil {
		for _, m := range []string{http.MethodGet, http.MethodPost} { // Connect has both
			if !slices.Contains(methods, m) {
				methods = append(methods, m)
			}
		}
	}
	return methods
}
