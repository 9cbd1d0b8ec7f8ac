package load

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
)

func TestParseWrk(t *testing.T) {
	const before = "Running 2s test @ http://127.0.0.1:8080/v1/shelves\n  1 threads and 16 connections\n"
	got, err := parseWrk(before + "measured requests 41234 microseconds 2000123 p50 345 p99 1234 connect 0 read 0 write 0 status 0 timeout 0\n")
	want := Result{41234, 2000123 * time.Microsecond, 345 * time.Microsecond, 1234 * time.Microsecond}
	if err != nil || got != want {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	for name, c := range map[string]struct{ line, want string }{
		"StatusFails":  {"measured requests 9 microseconds 1 p50 1 p99 1 connect 0 read 0 write 0 status 7 timeout 0", "status 7"},
		"TimeoutFails": {"measured requests 9 microseconds 1 p50 1 p99 1 connect 0 read 0 write 0 status 0 timeout 3", "timeout 3"},
		"NothingFails": {"measured requests 0 microseconds 1 p50 0 p99 0 connect 0 read 0 write 0 status 0 timeout 0", "no call"},
		"NoFigures":    {"Requests/sec: 12.3", "no figures"},
		"HalfALine":    {"measured requests 9 microseconds 1", "no figures"},
	} {
		if _, err := parseWrk(before + c.line); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

func TestParseH2load(t *testing.T) {
	got, err := parseH2load("1000000\t200\t400\n1000100\t200\t200\n1000200\t200\t900\n")
	want := Result{3, 1100 * time.Microsecond, 400 * time.Microsecond, 900 * time.Microsecond}
	if err != nil || got != want {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	for log, want := range map[string]string{
		"":                    "no call",
		"1000000\t503\t400\n": "status 503",
		"1000000\t200\n":      "line",
	} {
		if _, err := parseH2load(log); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", log, err, want)
		}
	}
}

func TestPercentile(t *testing.T) {
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = i + 1
	}
	for _, c := range []struct {
		sorted []int
		p      int
		want   int
	}{{hundred, 50, 50}, {hundred, 99, 99}, {[]int{7}, 99, 7}, {[]int{7}, 50, 7}, {[]int{1, 9}, 50, 1}, {[]int{1, 9}, 99, 9}} {
		if got := percentile(c.sorted, c.p); got != time.Duration(c.want)*time.Microsecond {
			t.Errorf("percentile %d of %d numbers is %v, want %dµs", c.p, len(c.sorted), got, c.want)
		}
	}
}

func TestFrame(t *testing.T) {
	if got, want := frame([]byte("abc")), []byte{0, 0, 0, 0, 3, 'a', 'b', 'c'}; !bytes.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestWrkScript(t *testing.T) {
	path, err := wrkScript(Call{Verb: "POST", Body: []byte("{}"), Headers: [][2]string{{"x-api-key", `a"b`}, {"Content-Type", "application/json"}}, Folder: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`wrk.method = "POST"`, `wrk.headers["x-api-key"] = "a\"b"`, `application/json`, "wrk.body = "} {
		if !strings.Contains(string(script), want) {
			t.Errorf("no %s in\n%s", want, script)
		}
	}
}
