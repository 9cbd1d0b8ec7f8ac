package main

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What the asking costs is not counted: here it costs 100, and the work 7.
func TestAllocations(t *testing.T) {
	mallocs := 1_000_000
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "# TYPE go_memstats_mallocs_total counter\ngo_memstats_mallocs_total %e\n", float64(mallocs))
		mallocs += 100
	}))
	defer server.Close()
	n := counter{address: strings.TrimPrefix(server.URL, "http://")}
	if err := n.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	mallocs += 7
	if got, err := n.since(t.Context()); err != nil || got != 7 {
		t.Errorf("got %v, %v; want 7", got, err)
	}
}

func TestNoAllocations(t *testing.T) {
	var mute counter
	if err := mute.start(t.Context()); err != nil {
		t.Error(err)
	}
	if got, err := mute.since(t.Context()); err != nil || !math.IsNaN(got) {
		t.Errorf("got %v, %v", got, err)
	}
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	if got, err := mallocs(t.Context(), strings.TrimPrefix(server.URL, "http://")); err == nil {
		t.Errorf("got %v from a page without the figure", got)
	}
}
