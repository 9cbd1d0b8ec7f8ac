package main

import (
	"math"
	"strings"
	"testing"
)

const benchmarkOutput = `goos: linux
BenchmarkWireToJSON/small/program-2                 100  %s ns/op  65.24 MB/s  0 B/op  0 allocs/op
BenchmarkWireToJSON/small/generated+protojson-2     100  1000 ns/op  9.39 MB/s  1808 B/op  45 allocs/op
BenchmarkWireToJSON/maps/program-2                  100  400 ns/op  65.24 MB/s  0 B/op  0 allocs/op
BenchmarkWireToJSON/maps/generated+protojson-2      100  1000 ns/op  9.39 MB/s  1808 B/op  45 allocs/op
BenchmarkRouter/10-2                                100  85.5 ns/op  0 B/op  2 allocs/op
PASS
`

func threeRounds() *inProcess {
	p := &inProcess{figures: map[string][]figure{}}
	for _, small := range []string{"100", "900", "90"} {
		p.add(strings.Replace(benchmarkOutput, "%s", small, 1))
	}
	return p
}

func TestBenchmarkOutput(t *testing.T) {
	p := threeRounds()
	if got := p.nanos("WireToJSON/small/program"); got != 100 {
		t.Errorf("the median is %v, want 100", got)
	}
	if got := p.allocs("Router/10"); got != 2 {
		t.Errorf("%v allocations, want 2", got)
	}
	if got, whose := p.worst("WireToJSON", "generated+protojson"); got != 0.4 || whose != "maps" {
		t.Errorf("the worst is %v, %s; want 0.4, maps", got, whose)
	}
	if got := p.mean("WireToJSON", "generated+protojson"); math.Abs(got-0.2) > 1e-9 {
		t.Errorf("the geometric mean is %v, want 0.2", got)
	}
}

func TestCodecPage(t *testing.T) {
	var page strings.Builder
	(&results{inProcess: threeRounds()}).codecs(&page)
	for _, want := range []string{
		"| small | 100 | 90.0–900 | 0 | 0.100 |", "| **worst** | | | | 0.400, maps |", "| **geometric mean** | | | | 0.200 |",
		"| 10 | 85.5 | 85.5–85.5 | 2 |",
	} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page has no %q:\n%s", want, page.String())
		}
	}
	if strings.Contains(page.String(), "JSON to wire") {
		t.Error("a table without a measurement")
	}
}
