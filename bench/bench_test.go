package main

import (
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-gateway/gatehouse/bench/scenario"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{5}, 5},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 1, 3, 2}, 2.5},
		{[]float64{1, 1, 1, 1000, 1000}, 1},
	} {
		before := len(c.values)
		if got := median(c.values); got != c.want || len(c.values) != before {
			t.Errorf("median of %v is %v, want %v", c.values, got, c.want)
		}
	}
}

func TestSpread(t *testing.T) {
	samples := []sample{{cpu: 3}, {cpu: 1}, {cpu: 2}}
	if least, most := spreadOf(samples, cpuOf); least != 1 || most != 3 {
		t.Errorf("got %v to %v, want 1 to 3", least, most)
	}
	if samples[0].cpu != 3 {
		t.Error("the samples were sorted in place")
	}
}

func TestRatio(t *testing.T) {
	ours, theirs := &contender{name: "gatehouse"}, &contender{name: "floor"}
	o := &outcome{
		scenario: &scenario.Scenario{Name: "get"},
		samples:  map[*contender][]sample{ours: {{cpu: 30}, {cpu: 33}, {cpu: 90}}, theirs: {{cpu: 31}, {cpu: 30}, {cpu: 30}}},
	}
	if got, ok := o.ratio(target{"get", "gatehouse", "floor", 1.15}); !ok || math.Abs(got-1.1) > 1e-9 {
		t.Errorf("got %v, %v; want 1.1", got, ok)
	}
	if got, ok := o.ratio(target{"get", "gatehouse", "envoy", 1}); ok {
		t.Errorf("envoy was not measured, got %v", got)
	}
	for target, want := range map[target]string{
		{"get", "gatehouse", "floor", 1.15}:      "1.15 | 1.10 | reached",
		{"get", "gatehouse", "floor", 1.05}:      "1.05 | 1.10 | **missed**",
		{"get", "gatehouse", "floor", noPromise}: "– | 1.10 | no target",
		{"get", "gatehouse", "envoy", 1}:         "1.00 | – | not measured",
	} {
		if got := target.verdict(o); got != want {
			t.Errorf("%v: got %q, want %q", target, got, want)
		}
	}
}

// What the table calls missed is profiled, and nothing else.
func TestMissed(t *testing.T) {
	ours, theirs := &contender{name: "gatehouse"}, &contender{name: "floor"}
	for cpu, want := range map[float64]bool{30: false, 40: true} {
		o := &outcome{scenario: &scenario.Scenario{Name: "get"}, samples: map[*contender][]sample{ours: {{cpu: cpu}}, theirs: {{cpu: 30}}}}
		if got := o.missed("gatehouse"); got != want {
			t.Errorf("at %v: missed is %v", cpu, got)
		}
		if o.missed("floor") {
			t.Error("a peer has no targets")
		}
	}
}

func TestChosen(t *testing.T) {
	for _, c := range []struct {
		names, name string
		want        bool
	}{{"", "get", true}, {"get,post", "post", true}, {"get,post", "list", false}, {"gatehouse-checks", "gatehouse", false}} {
		if got := chosen(c.names, c.name); got != c.want {
			t.Errorf("chosen(%q, %q) is %v", c.names, c.name, got)
		}
	}
}

func TestOptions(t *testing.T) {
	good := options{rounds: 9, seconds: 2, scenarios: "get,list", peers: "gatehouse,envoy"}
	if err := good.valid(); err != nil {
		t.Error(err)
	}
	for _, bad := range []options{
		{rounds: 0, seconds: 2}, {rounds: 9, seconds: 0},
		{rounds: 9, seconds: 2, scenarios: "gett"}, {rounds: 9, seconds: 2, peers: "gatehouse,apache"},
	} {
		if err := bad.valid(); err == nil {
			t.Errorf("%+v is valid", bad)
		}
	}
}

func TestSameJSON(t *testing.T) {
	var stream *scenario.Scenario
	for _, s := range scenario.All() {
		if s.Name == "stream" {
			stream = s
		}
	}
	replies := stream.Replies[:2]
	const event = `{ "book": {"pages":465, "genre":"GENRE_SCIENCE","authors":["Euclid"],"title":"The Elements",
		"name":"shelves/science/books/elements","publishTime":"2026-01-01T00:00:00Z"}, "kind":"KIND_PRESENT"}`
	for name, c := range map[string]struct{ body, want string }{
		"Lines":      {event + "\n" + event + "\n", ""},
		"Wrapped":    {`{"result":` + event + `}` + "\n" + `{"result":` + event + `}`, ""},
		"OneTooFew":  {event, "1 messages, want 2"},
		"AnotherOne": {event + strings.Replace(event, "465", "466", 1), "466"},
		"NoJSON":     {event + "upstream connect error", "not JSON"},
	} {
		err := sameJSON([]byte(c.body), replies, protojson.MarshalOptions{})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	err := sameJSON([]byte(event+event), replies, protojson.MarshalOptions{EmitDefaultValues: true})
	if err == nil || !strings.Contains(err.Error(), "archived:false") {
		t.Errorf("without zeros where they must be: %v", err)
	}
}

func TestSameBytes(t *testing.T) {
	replies := scenario.All()[0].Replies
	if err := sameBytes(scenario.Wire(replies[0]), replies); err != nil {
		t.Error(err)
	}
	if err := sameBytes([]byte("{}"), replies); err == nil {
		t.Error("JSON was taken for the encoded reply")
	}
}

func TestPage(t *testing.T) {
	ours, theirs := &contender{name: "gatehouse", title: "Gatehouse"}, &contender{name: "floor", title: "Floor"}
	s := &scenario.Scenario{Name: "get", Title: "Small GET", Verb: "GET", Target: "/v1/shelves", Connections: 16}
	r := results{contenders: []*contender{ours, theirs}, leftOut: []string{"envoy: it is not installed"}, outcomes: []*outcome{{
		scenario: s, samples: map[*contender][]sample{ours: {{cpu: 30, peak: 9, allocs: 61}}, theirs: {{cpu: 24, peak: 8, allocs: unknown}}},
		profiles: map[*contender]*profile{ours: {"kernel 50 %", []string{" 9.9%  memmove"}}},
	}}}
	var page strings.Builder
	r.intro(&page)
	r.targets(&page)
	r.outcome(&page, r.outcomes[0])
	for _, want := range []string{
		"Left out: envoy: it is not installed.", "| Small GET | gatehouse | floor | 1.15 | 1.25 | **missed** |",
		"| Floor | 24.0 | 24.0–24.0 | 1.25 |", "| 9 | 61 |", "| 8 | – |", "by package: kernel 50 %. By", "\n 9.9%  memmove\n", "`GET /v1/shelves`; wrk, 16 connections.",
	} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page has no %q:\n%s", want, page.String())
		}
	}
}

func TestSizes(t *testing.T) {
	for _, s := range scenario.All() {
		size := 0
		for _, m := range s.Replies {
			size += proto.Size(m)
		}
		switch s.Name {
		case "post":
			if n := len(s.Body); n < 350 || n > 450 {
				t.Errorf("the small POST has %d bytes", n)
			}
		case "batch":
			if n := len(s.Body); n < 1<<20 || n > 11<<17 {
				t.Errorf("the large POST has %d bytes", n)
			}
		case "get":
			if size > 200 {
				t.Errorf("the small GET's reply has %d bytes", size)
			}
		}
	}
}
