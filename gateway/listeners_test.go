package gateway

import (
	"context"
	"net/http"
	"testing"
	"time"

	"google.golang.org/grpc"
)

// A call that a drain cuts off has an end like any other, which the access log gets before the gateway closes it.
func TestDrainAwaitsWhatItCutsOff(t *testing.T) {
	arrived, drained := make(chan struct{}), make(chan struct{})
	l := &listening{gateway: newFixed(t)}
	l.publicHTTP = l.http(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		select {
		case <-drained:
			t.Error("the drain was over before the call was")
		case <-time.After(100 * time.Millisecond): // what a call has to do before it ends
		}
	}), nil)
	l.adminHTTP, l.grpc = l.http(http.NotFoundHandler(), nil), grpc.NewServer()
	public := local(t)
	go func() { _ = serveHTTP(l.publicHTTP, public) }() // the drain ends it
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		if r, err := http.Get("http://" + public.Addr().String()); err == nil {
			_ = r.Body.Close() // it says nothing
			t.Errorf("a call that was cut off got %s", r.Status)
		}
	}()
	<-arrived
	over, cancel := context.WithCancel(t.Context())
	cancel()
	l.drain(over)
	close(drained)
	<-answered
	if n := l.gateway.answering.Load(); n != 0 {
		t.Errorf("%d requests are still being answered", n)
	}
}
