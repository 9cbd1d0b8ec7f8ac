package transport

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit/leak"
)

// TestFault shows that a server which breaks HTTP/2 loses the connection, with the reason for the operator, and that the
// next call gets a new one.
func TestFault(t *testing.T) {
	frame := func(kind http2.FrameType, flags http2.Flags, id uint32, payload ...byte) func(*peer) {
		return func(p *peer) { p.WriteRawFrame(kind, flags, id, payload) }
	}
	setting := func(id http2.SettingID, value uint32) func(*peer) {
		return func(p *peer) { p.WriteSettings(http2.Setting{ID: id, Val: value}) }
	}
	for _, f := range []struct {
		name string
		do   func(*peer)
		says string
	}{
		{"FrameTooLarge", func(p *peer) { p.WriteRawFrame(http2.FrameData, 0, 1, make([]byte, frameBytesMax+1)) }, "too large"},
		{"PushPromise", frame(http2.FramePushPromise, http2.FlagPushPromiseEndHeaders, 1, 0, 0, 0, 2), "PUSH_PROMISE"},
		{"DataOnZero", frame(http2.FrameData, 0, 0), "DATA"},
		{"HeadersOnZero", frame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 0), "HEADERS"},
		{"HeadersTooShort", frame(http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersPriority, 1, 0, 0), "HEADERS"},
		{"ResetOnZero", frame(http2.FrameRSTStream, 0, 0, 0, 0, 0, 0), "RST_STREAM"},
		{"ResetTooShort", frame(http2.FrameRSTStream, 0, 1, 0, 0, 0), "RST_STREAM"},
		{"SettingsOnStream", frame(http2.FrameSettings, 0, 1), "SETTINGS"},
		{"SettingsOdd", frame(http2.FrameSettings, 0, 0, 0, 1, 0, 0, 0), "SETTINGS"},
		{"SettingsAckFull", frame(http2.FrameSettings, http2.FlagSettingsAck, 0, 0, 1, 0, 0, 0, 0), "SETTINGS"},
		{"FrameSizeTooSmall", setting(http2.SettingMaxFrameSize, 16<<10-1), "MAX_FRAME_SIZE"},
		{"FrameSizeTooLarge", setting(http2.SettingMaxFrameSize, 1<<24), "MAX_FRAME_SIZE"},
		{"WindowTooLarge", setting(http2.SettingInitialWindowSize, 1<<31), "INITIAL_WINDOW_SIZE"},
		{"WindowsTooLarge", func(p *peer) {
			p.WriteWindowUpdate(1, 1<<30)
			p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
		}, "INITIAL_WINDOW_SIZE"},
		{"PingTooShort", frame(http2.FramePing, 0, 0, 1, 2, 3, 4, 5, 6, 7), "PING"},
		{"GoAwayTooShort", frame(http2.FrameGoAway, 0, 0, 1, 2, 3, 4, 5, 6, 7), "GOAWAY"},
		{"WindowUpdateTooShort", frame(http2.FrameWindowUpdate, 0, 0, 0, 0, 1), "WINDOW_UPDATE"},
		{"WindowUpdateOfNothing", frame(http2.FrameWindowUpdate, 0, 0, 0, 0, 0, 0), "WINDOW_UPDATE"},
		{"WindowUpdateOverflow", func(p *peer) { p.WriteWindowUpdate(0, 1<<31-1) }, "WINDOW_UPDATE"},
		{"AllPadding", frame(http2.FrameData, http2.FlagDataPadded, 1, 1), "padding"},
		{"NoPadding", frame(http2.FrameHeaders, http2.FlagHeadersPadded, 1), "padding"},
		{"LoneContinuation", frame(http2.FrameContinuation, http2.FlagContinuationEndHeaders, 1), "CONTINUATION"},
		{"BlockInterrupted", func(p *peer) {
			p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1})
			p.WritePing(false, [8]byte{})
		}, "interrupted"},
		{"BlockOfAnother", func(p *peer) {
			p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1})
			p.WriteContinuation(3, true, nil)
		}, "interrupted"},
		{"BlockTooLarge", func(p *peer) {
			p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1})
			for range headerBytesMax / frameBytesMax {
				p.WriteContinuation(1, false, make([]byte, frameBytesMax))
			}
		}, "too large"},
		{"BlockWithoutEnd", func(p *peer) {
			p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1})
			for range headerBytesMax / frameHeadBytes {
				p.WriteContinuation(1, false, nil)
			}
		}, "too large"},
		{"BadHPACK", frame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 1, 0xff, 0xff, 0xff, 0xff, 0xff), ""},
		{"BadHPACKOfStranger", frame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 99, 0x80), ""},
		{"HPACKCutShort", frame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 1, 0x40), ""},
		{"TableTooLarge", frame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 1, 0x3f, 0xe2, 0x1f), ""}, // 4097 bytes
		{"CutShort", func(p *peer) {
			p.conn.Write([]byte{0, 0, 9, 0})
			p.conn.Close()
		}, "EOF"},
		{"PayloadCutShort", func(p *peer) {
			p.conn.Write([]byte{0, 0, 9, 0, 0, 0, 0, 0, 1, 'x'})
			p.conn.Close()
		}, "EOF"},
	} {
		t.Run(f.name, func(t *testing.T) {
			leak.Check(t)
			c := client(t, func(p *peer) {
				if !p.greet() {
					return
				}
				if p.number == 1 {
					if p.request() != 0 {
						f.do(p)
					}
					p.drain()
					return
				}
				p.serveOK()
			})
			err := c.Do(patient(t), newCall())
			if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), f.says) {
				t.Errorf("got %v", err)
			}
			if got := ours(c); got != fine {
				t.Errorf("the next call: got %+v", got)
			}
		})
	}
}

// patient is a context that ends only if a test hangs.
func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// TestAgain shows which calls are made once more: those that the server cannot have looked at.
func TestAgain(t *testing.T) {
	refuse := func(p *peer, id uint32) { p.WriteRSTStream(id, http2.ErrCodeRefusedStream) }
	leave := func(p *peer, _ uint32) { p.WriteGoAway(0, http2.ErrCodeNo, nil) }
	for _, c := range []struct {
		name  string
		do    []func(*peer, uint32) // to one call after the other; then the server is fine
		calls int32                 // that the server sees
		want  outcome
	}{
		{"Refused", []func(*peer, uint32){refuse}, 2, fine},
		{"RefusedTwice", []func(*peer, uint32){refuse, refuse, refuse}, 2, failed(codes.Unavailable)},
		{"GoAway", []func(*peer, uint32){leave}, 2, fine},
		{"GoAwayTwice", []func(*peer, uint32){leave, leave, leave}, 2, failed(codes.Unavailable)},
		{"GoAwayRefused", []func(*peer, uint32){leave, refuse, leave}, 2, failed(codes.Unavailable)},
		{"GoAwayAfterHeaders", []func(*peer, uint32){func(p *peer, id uint32) { p.head(id); leave(p, id) }}, 1, failed(codes.Unavailable)},
		{"GoAwayLooked", []func(*peer, uint32){func(p *peer, id uint32) {
			p.WriteGoAway(id, http2.ErrCodeNo, nil)
			p.conn.Close()
		}}, 1, failed(codes.Unavailable)},
		{"Gone", []func(*peer, uint32){func(p *peer, _ uint32) { p.conn.Close() }}, 1, failed(codes.Unavailable)},
	} {
		for way, call := range ways {
			t.Run(c.name+way, func(t *testing.T) {
				leak.Check(t)
				var calls atomic.Int32
				client := client(t, func(p *peer) {
					if !p.greet() {
						return
					}
					for id := p.request(); id != 0; id = p.request() {
						if n := int(calls.Add(1)); n <= len(c.do) {
							c.do[n-1](p, id)
						} else {
							p.ok(id)
						}
					}
				})
				if got := call(client); got != c.want {
					t.Errorf("got %+v, want %+v", got, c.want)
				}
				if got := calls.Load(); got != c.calls {
					t.Errorf("the server has seen %d calls, not %d", got, c.calls)
				}
			})
		}
	}
}
