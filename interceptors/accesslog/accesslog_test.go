package accesslog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/interceptors/checktest"
	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// lines runs the log until everything that record put there is written, and returns the lines.
func lines(t *testing.T, record func(l *Log, clock *checktest.Clock)) []map[string]any {
	t.Helper()
	var out bytes.Buffer
	clock := checktest.NewClock()
	l := New(&out, clock.Now)
	record(l, clock)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, l.Run(ctx))
	var parsed []map[string]any
	for line := range strings.Lines(out.String()) {
		m := map[string]any{}
		require.NoError(t, json.Unmarshal([]byte(line), &m), line)
		parsed = append(parsed, m)
	}
	return parsed
}

func TestLog_Success(t *testing.T) {
	m := checktest.Method(t, rpc.Policy{})
	var id string
	got := lines(t, func(l *Log, clock *checktest.Clock) {
		c := checktest.Call(m, "authorization", "Bearer secret-canary", "x-custom", "value-canary")
		c.Started, id = clock.Now(), c.ID
		c.Principal = &rpc.Principal{Name: "acme-web", Issuer: "api-key"}
		clock.Add(1234567 * time.Nanosecond)
		l.Check(m).Done(c, rpc.StatusOf(nil))
	})
	require.Equal(t, []map[string]any{{
		"time": "2023-11-14T22:13:20.001234Z", "method": "acme.v1.Orders.Get", "code": "OK", "protocol": "rest",
		"listener": "public", "principal": "acme-web", "issuer": "api-key", "client": "192.0.2.7", "latency_ms": 1.234,
		"decision_id": id,
	}}, got)
}

func TestLog_WhyACallFailed(t *testing.T) {
	own := rpc.Errorf(codes.PermissionDenied, "SCOPE_MISSING", "no scope").Meta("rule", "option of Get").Because(errors.New("the cause"))
	for _, test := range []struct {
		name string
		err  error
		want map[string]any
	}{
		{"Ours", own, map[string]any{"code": "PERMISSION_DENIED", "reason": "SCOPE_MISSING", "rule": "option of Get", "message": "no scope", "cause": "the cause"}},
		{"WrongFields", rpc.Invalid("VALIDATION_FAILED",
			&errdetails.BadRequest_FieldViolation{Field: "pin", Description: `"4711" is too short`, Reason: "string.min_len"},
			&errdetails.BadRequest_FieldViolation{Field: "to[0]", Description: "no address", Reason: "string.email"},
		), map[string]any{"code": "INVALID_ARGUMENT", "reason": "VALIDATION_FAILED", "message": "pin: string.min_len, to[0]: string.email"}},
		{"Backends", status.Error(codes.NotFound, "no such order"), map[string]any{"code": "NOT_FOUND", "message": "no such order"}},
		{"Foreign", errors.New("disk on fire"), map[string]any{"code": "INTERNAL", "cause": "disk on fire"}},
		{"UnknownCode", status.Error(codes.Code(999), "odd"), map[string]any{"code": "999", "message": "odd"}},
		{"PanicOfARecord", errors.Join(status.Error(codes.NotFound, "no"), errors.New("panic: boom")),
			map[string]any{"code": "NOT_FOUND", "cause": "rpc error: code = NotFound desc = no\npanic: boom"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := lines(t, func(l *Log, _ *checktest.Clock) {
				c := checktest.Call(checktest.Method(t, rpc.Policy{}))
				c.Err = test.err
				l.Check(c.Method).Done(c, rpc.StatusOf(test.err))
			})
			require.Len(t, got, 1)
			for key, want := range test.want {
				require.Equal(t, want, got[0][key], key)
			}
			for _, key := range []string{"reason", "rule", "cause"} {
				if _, want := test.want[key]; !want && test.name != "Foreign" && test.name != "PanicOfARecord" {
					require.NotContains(t, got[0], key)
				}
			}
		})
	}
}

func TestLog_Unrouted(t *testing.T) {
	got := lines(t, func(l *Log, _ *checktest.Clock) {
		r := httptest.NewRequest("GET", "/no/such?key=query-canary", nil)
		l.Unrouted(rpc.ListenerPublic, netip.MustParseAddr("192.0.2.9"), "rest", "abc", 404, r)
	})
	require.Equal(t, []map[string]any{{"time": "2023-11-14T22:13:20.000000Z", "verb": "GET", "path": "/no/such",
		"http": 404.0, "protocol": "rest", "listener": "public", "client": "192.0.2.9", "decision_id": "abc"}}, got)
}

func TestQuote_CannotBreakTheLine(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"Plain", `a "b" \c`, `"a \"b\" \\c"`},
		{"Newlines", "a\r\nb", `"a\u000d\nb"`},
		{"Terminal", "\x1b[31mred\x9b", "\"\\u001b[31mred\\ufffd\""},
		{"C1Control", "\u009b31m", `"\u009b31m"`},
		{"Delete", "\x7f", `"\u007f"`},
		{"InvalidUTF8", "a\xffb", "\"a\\ufffdb\""},
		{"BidiOverride", "a\u202eb", `"a\u202eb"`},
		{"LineSeparator", "a\u2028b", `"a\u2028b"`},
		{"Letters", "Grüße 世界 🎉", `"Grüße 世界 🎉"`},
		{"HiddenTag", "\U000E0041", `"\udb40\udc41"`},
		{"Empty", "", `""`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := string(quote(nil, test.in, 100))
			// U+FFFD itself is printable and stands as it is.
			require.Equal(t, strings.ReplaceAll(test.want, `\ufffd`, "\ufffd"), got)
			var back string
			require.NoError(t, json.Unmarshal([]byte(got), &back))
			require.Equal(t, strings.ToValidUTF8(test.in, "\ufffd"), back)
		})
	}
}

func TestQuote_CutsLongText(t *testing.T) {
	got := string(quote(nil, strings.Repeat("世", 1000), 100))
	require.True(t, utf8.ValidString(got))
	require.LessOrEqual(t, len(got), 102)
	require.True(t, strings.HasSuffix(got, "…\""))
}

func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "a\r\n", "\x1b[0m", "\xff\xfe", "\u202e", "🎉", `"\`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := quote(nil, s, 64)
		if !json.Valid(got) {
			t.Fatalf("not JSON: %q", got)
		}
		for _, r := range string(got) {
			if !unicode.IsPrint(r) {
				t.Fatalf("%U got through in %q", r, got)
			}
		}
	})
}

// writer passes each write on, and can be made to wait or fail.
type writer struct {
	mu     sync.Mutex
	writes []string
	hold   chan struct{}
	fail   error
}

func (w *writer) Write(p []byte) (int, error) {
	if w.hold != nil {
		<-w.hold
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes = append(w.writes, string(p))
	return len(p), w.fail
}

func (w *writer) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.writes)
}

func TestRun_FirstLineAtOnceThenBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &writer{}
		l := New(w, time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		var ended error
		var running sync.WaitGroup
		running.Go(func() { ended = l.Run(ctx) })
		synctest.Wait()

		l.put(record{id: "1"})
		synctest.Wait()
		require.Equal(t, 1, w.count(), "a lone line is written without delay")
		for range 100 {
			l.put(record{id: "2"})
		}
		synctest.Wait()
		require.Equal(t, 1, w.count(), "the next ones are gathered")
		time.Sleep(interval) // virtual time
		synctest.Wait()
		require.Equal(t, 2, w.count())
		require.Equal(t, 100, strings.Count(w.writes[1], "\n"))

		l.put(record{id: "3"})
		cancel()
		running.Wait()
		require.NoError(t, ended)
		require.Contains(t, w.writes[len(w.writes)-1], `"3"`, "the end writes what is left")
	})
}

func TestRun_HalfFullQueueDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &writer{}
		l := New(w, time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go l.Run(ctx)
		l.put(record{})
		synctest.Wait()
		for range queueMax/2 + 1 {
			l.put(record{})
		}
		synctest.Wait()
		require.Equal(t, 2, w.count())
	})
}

func TestLog_DropsAreCountedAndTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &writer{hold: make(chan struct{})}
		l := New(w, time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = l.Run(ctx) })
		l.put(record{})
		synctest.Wait() // the writer hangs now
		for range queueMax + 7 {
			l.put(record{})
		}
		require.EqualValues(t, 7, l.Dropped(), "calls never wait for the writer")
		close(w.hold)
		cancel()
		running.Wait()
		all := strings.Join(w.writes, "")
		require.Contains(t, all, `"dropped":7}`)
		require.Equal(t, 1+queueMax+1, strings.Count(all, "\n"))
	})
}

func TestLog_WriterThatFailsCountsAsDropped(t *testing.T) {
	w := &writer{fail: io.ErrClosedPipe}
	l := New(w, time.Now)
	l.put(record{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, l.Run(ctx), io.ErrClosedPipe)
	require.EqualValues(t, 1, l.Dropped())
}

func TestLog_DoneAllocatesNothing(t *testing.T) {
	l := New(io.Discard, time.Now)
	m := checktest.Method(t, rpc.Policy{})
	c, ok := checktest.Call(m), status.New(codes.OK, "")
	done := l.Check(m).Done
	l.queue = make([]record, 0, queueMax)
	require.Zero(t, testing.AllocsPerRun(1000, func() { done(c, ok) }))
}

func BenchmarkLog(b *testing.B) {
	l := New(io.Discard, time.Now)
	m := checktest.Method(b, rpc.Policy{})
	c, ok := checktest.Call(m), status.New(codes.OK, "")
	done := l.Check(m).Done
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go l.Run(ctx)
	b.ReportAllocs()
	for b.Loop() {
		done(c, ok)
	}
	b.ReportMetric(float64(l.Dropped())/float64(b.N), "dropped/op")
}

func BenchmarkLine(b *testing.B) {
	r := record{at: time.Now(), method: "acme.v1.Orders.Get", protocol: "rest", id: rpc.NewID(),
		principal: &rpc.Principal{Name: "acme-web", Issuer: "api-key"}, client: netip.MustParseAddr("192.0.2.7")}
	var buffer []byte
	b.ReportAllocs()
	for b.Loop() {
		buffer = r.append(buffer[:0])
	}
}
