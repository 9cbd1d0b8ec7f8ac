package front

import (
	"net/http"
	"testing"
	"time"
)

// paced counts the deadlines that are set.
type paced struct {
	http.ResponseWriter
	set int
}

func (p *paced) SetReadDeadline(time.Time) error { p.set++; return nil }

func TestPace_LeavesTheResponseAloneAfterTheCall(t *testing.T) {
	w, p := &paced{}, &Pace{}
	p.Set(w, time.Time{})
	p.Stop()
	p.Set(w, time.Time{}) // by the goroutine that reads the request, which may be late
	if w.set != 1 {
		t.Errorf("%d deadlines were set, want the one of the running call", w.set)
	}
}
