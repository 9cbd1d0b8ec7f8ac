// Package transcoder translates HTTP requests into calls. Its one table of fronts is below; what a front is, is said in
// package front, and how paths and JSON become messages in packages route and program.
package transcoder

import (
	"net/http"
	"slices"

	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/connect"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/grpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/grpcweb"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/rest"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/websocket"
)

// Fronts returns the fronts of an HTTP listener in the order in which they are asked; the first that detects a request
// answers it. To add a front, write its folder and add one line here.
func Fronts(env front.Env) []front.Front {
	return []front.Front{
		websocket.New(env), // a handshake, whatever else the request says
		grpc.New(env),      // by content type, as the next two
		grpcweb.New(env),
		connect.New(env),
		rest.New(env), // takes whatever is left, so it stays last
	}
}

// Refuse returns what answers a request with an error, in the request's own protocol, instead of a Handler.
func Refuse(env front.Env) func(w http.ResponseWriter, r *http.Request, err error) {
	fronts := Fronts(env)
	return func(w http.ResponseWriter, r *http.Request, err error) { detect(fronts, r).Refuse(w, r, err) }
}

// Handler serves each request by the front whose protocol it is in. acquire returns what the listener serves at that
// moment; the table is released when the request has been answered. The handler is safe for concurrent use if acquire
// is.
func Handler(env front.Env, acquire func() (t *front.Table, release func())) http.Handler {
	fronts := Fronts(env)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, release := acquire()
		defer release()
		if crossOrigin(&env, fronts, w, r, t) {
			return
		}
		detect(fronts, r).ServeHTTP(w, r, t)
	})
}

// detect returns the front of a request. The last one takes any.
func detect(fronts []front.Front, r *http.Request) front.Front {
	i := slices.IndexFunc(fronts, func(f front.Front) bool { return f.Detect(r) })
	return fronts[i]
}
