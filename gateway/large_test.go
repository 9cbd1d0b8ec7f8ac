package gateway

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	configv1 "github.com/gatehouse-gateway/gatehouse/internal/gen/gatehouse/config/v1"
	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
	"github.com/gatehouse-gateway/gatehouse/registry/check"
	"github.com/gatehouse-gateway/gatehouse/registry/compile"
	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
)

// largeSchema is 100 files of 100 messages of 10 fields, with 3 routed methods in each file. Messages hold each other, in
// the file and in those before it.
func largeSchema() compile.Sources {
	const files, messages = 100, 100
	sources := compile.Sources{}
	for f := range files {
		var b strings.Builder
		fmt.Fprintf(&b, "syntax = \"proto3\";\npackage large.f%d.v1;\nimport \"gatehouse/policy/v1/policy.proto\";\nimport \"google/api/annotations.proto\";\nimport \"google/protobuf/timestamp.proto\";\n", f)
		for _, before := range importsOf(f) {
			fmt.Fprintf(&b, "import \"large/f%d.proto\";\n", before)
		}
		for m := range messages {
			other := fmt.Sprintf("M%d", (m*7+1)%messages)
			foreign := other
			if before := importsOf(f); len(before) > 0 {
				foreign = fmt.Sprintf("large.f%d.v1.M%d", before[m%len(before)], (m*3+f)%messages)
			}
			fmt.Fprintf(&b, "message M%d {\n  string name = 1;\n  string display_name = 2;\n  int64 size_bytes = 3;\n  bool enabled = 4;\n"+
				"  double score = 5;\n  repeated string tags = 6;\n  map<string, string> labels = 7;\n  google.protobuf.Timestamp update_time = 8;\n"+
				"  %s child = 9;\n  repeated %s items = 10;\n}\n", m, other, foreign)
		}
		fmt.Fprintf(&b, "service S {\n  option (gatehouse.policy.v1.service) = {access: PUBLIC};\n")
		for r := range 3 {
			fmt.Fprintf(&b, "  rpc Get%d(M%d) returns (M%d) { option (google.api.http) = {get: \"/v1/f%d/%d/{name}\"}; }\n", r, r, r+3, f, r)
		}
		b.WriteString("}\n")
		sources[fmt.Sprintf("large/f%d.proto", f)] = []byte(b.String())
	}
	return sources
}

// importsOf are the files whose messages those of file f hold.
func importsOf(f int) []int {
	if f < 10 {
		return nil
	}
	return []int{f - 1, f - 10}
}

// TestLargeSchema: 10,000 message types can be served, and what the snapshot adds to compiling them is little, although
// every method reaches most of the types. A walk through them for each method would take several times as long.
func TestLargeSchema(t *testing.T) {
	if testkit.Race() {
		t.Skip("under the race detector it takes a minute, and there is no concurrency in it")
	}
	g := newGateway(t, testkit.Compile(t, compile.Sources{"a.proto": []byte(`syntax = "proto3";`)}), &configv1.Config{})
	start := time.Now()
	files := testkit.Compile(t, largeSchema())
	compiling := time.Since(start)
	start = time.Now()
	s, err := g.compile(Schema{Files: files, Revision: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.release()
	if snapshot := time.Since(start); snapshot > compiling {
		t.Errorf("the snapshot took %v, compiling %v", snapshot, compiling)
	}
	if n := len(s.Table(rpc.ListenerPublic).Methods); n < 300 {
		t.Errorf("%d methods are served", n)
	}
}

// BenchmarkLargeSchema measures what 10,000 message types cost: docs/ARCHITECTURE.md has the figures. The heap is what a
// stage leaves behind.
func BenchmarkLargeSchema(b *testing.B) {
	sources := largeSchema()
	g := newGateway(b, testkit.Compile(b, compile.Sources{"a.proto": []byte(`syntax = "proto3";`)}), &configv1.Config{})
	for b.Loop() {
		start := newStage()
		files := testkit.Compile(b, sources)
		start = start.end(b, "compile")
		if _, err := check.Check(b.Context(), files); err != nil {
			b.Fatal(err)
		}
		start = start.end(b, "check")
		s, err := g.compile(Schema{Files: files, Revision: 1})
		if err != nil {
			b.Fatal(err)
		}
		start = start.end(b, "snapshot")
		programs := everyProgram(b, files)
		start.end(b, "all-programs")
		var text []byte
		for _, p := range programs {
			if text, err = p.AppendJSON(text[:0], nil); err != nil {
				b.Fatal(err)
			}
		}
		runtime.KeepAlive(programs)
		runtime.KeepAlive(files)
		s.release()
	}
}

// everyProgram compiles what the snapshot compiles of each type when its first message comes by.
func everyProgram(b *testing.B, files *compile.Files) (all []*program.Response) {
	c := program.NewCompiler(resolver{files})
	files.Registry().RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		for i := range fd.Messages().Len() {
			if !strings.HasPrefix(fd.Path(), "large/") {
				break
			}
			p, err := c.Response(fd.Messages().Get(i), "", program.Options{})
			if err != nil {
				b.Fatal(err)
			}
			all = append(all, p)
		}
		return true
	})
	if len(all) != 10_000 {
		b.Fatalf("there are %d messages", len(all))
	}
	return all
}

// stage is where the clock and the heap stood when something began.
type stage struct {
	at   time.Time
	heap uint64
}

func newStage() stage {
	runtime.GC()
	runtime.GC() // what finalizers and pools let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return stage{time.Now(), m.HeapAlloc}
}

func (s stage) end(b *testing.B, name string) stage {
	took := time.Since(s.at)
	now := newStage()
	b.ReportMetric(float64(took.Milliseconds()), "ms-"+name)
	b.ReportMetric(float64(int64(now.heap)-int64(s.heap))/(1<<20), "MiB-"+name)
	return now
}
