package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// first is how a client asks for sending its credential as the first message.
func first(more ...string) *websocket.DialOptions {
	return &websocket.DialOptions{Subprotocols: append(more, "gatehouse.auth-first.v1")}
}

func authorization(token string) string { return `{"authorization":"Bearer ` + token + `"}` }

// TestWebSocket_CredentialFirst shows that a credential in the first message counts like one in a header, and goes nowhere
// else.
func TestWebSocket_CredentialFirst(t *testing.T) {
	s := newSiege(t)
	key, f := keyOf("reader"), newForge(t)
	g := s.serve(t, "default_access: PUBLIC", keysYAML()+"  jwt:\n"+fmt.Sprintf("    - {issuer: %q, jwks_file: %q}", forgeIssuer, f.file))
	t.Run("Chosen", func(t *testing.T) {
		for want, more := range map[string][]string{"gatehouse.auth-first.v1": nil, "gatehouse.json.v1": {"gatehouse.json.v1"}, "gatehouse.proto.v1": {"gatehouse.proto.v1"}} {
			c := openSocket(t, g, "/attack.v1.Attack/Mine", first(more...))
			if got := c.Subprotocol(); got != want {
				t.Errorf("subprotocol %q, want %q", got, want)
			}
			c.say(authorization(key))
			kind, message := websocket.MessageText, `{"text":"a"}`
			if want == "gatehouse.proto.v1" {
				kind, message = websocket.MessageBinary, "\x0a\x01a"
			}
			if err := c.Write(c.ctx, kind, []byte(message)); err != nil {
				t.Fatal(err)
			}
			c.hear(message)
			c.end(websocket.StatusNormalClosure)
			for _, call := range s.backend.Take() {
				if call.Metadata.Get("authorization") != nil {
					t.Error("the backend got the credential")
				}
			}
		}
	})
	t.Run("Route", func(t *testing.T) { // path and query are the message, which waits for the credential
		c := openSocket(t, g, "/mine/a", first())
		s.untouched(t, "no credential yet")
		c.say(authorization(key))
		c.hear(`{"text":"a"}`)
		c.end(websocket.StatusNormalClosure)
		s.backend.Take()
	})
	t.Run("Expires", func(t *testing.T) {
		s.backend.Answer(func(_ *testkit.Received, r *testkit.Replies) error {
			<-r.Context().Done()
			return r.Context().Err()
		})
		defer s.backend.Answer(nil)
		c := openSocket(t, g, "/mine-for-long", first())
		c.say(authorization(f.token(t, map[string]any{"exp": time.Now().Add(-58 * time.Second).Unix()})))
		c.hear("CREDENTIAL_EXPIRED")
		c.end(4016)
		s.backend.Take()
	})
	t.Run("Judged", func(t *testing.T) {
		for path, want := range map[string]websocket.StatusCode{"/shut/a": 4007, "/mine/a": 4016, "/echo/a": 4016} {
			token := key
			if want == 4016 {
				token = "reader.CANARY"
			}
			c := openSocket(t, g, path, first())
			c.say(authorization(token))
			c.hear(`{"error":`)
			c.end(want)
			s.untouched(t, path)
		}
	})
	g.Stop(t)
	for _, secret := range []string{"reader-secret", "CANARY"} {
		if strings.Contains(g.Stdout(), secret) || strings.Contains(g.Stderr(), secret) {
			t.Errorf("the log has %s", secret)
		}
	}
}

// TestWebSocket_CredentialRefused shows what becomes of first messages that are no credential.
func TestWebSocket_CredentialRefused(t *testing.T) {
	s := newSiege(t)
	g := s.serve(t, "default_access: PUBLIC", keysYAML(), "websocket: {credential_wait: 0.5s}")
	token := authorization(keyOf("reader"))
	for name, test := range map[string]struct {
		kind websocket.MessageType
		text string
		want websocket.StatusCode
	}{
		"NotJSON":    {websocket.MessageText, keyOf("reader"), 4016},
		"Two":        {websocket.MessageText, token + token, 4016},
		"TwoNames":   {websocket.MessageText, strings.TrimSuffix(token, "}") + "," + token[1:], 4016},
		"Capital":    {websocket.MessageText, strings.Replace(token, "a", "A", 1), 4016},
		"Header":     {websocket.MessageText, `{"authorization":"Bearer a\r\nx-user-id: root"}`, 4016},
		"Message":    {websocket.MessageText, `{"text":"a"}`, 4016},
		"Empty":      {websocket.MessageText, "", 4016},
		"Binary":     {websocket.MessageBinary, token, websocket.StatusUnsupportedData},
		"NotUTF8":    {websocket.MessageText, "\xff", websocket.StatusInvalidFramePayloadData},
		"Huge":       {websocket.MessageText, token + strings.Repeat(" ", 17<<10), websocket.StatusMessageTooBig},
		"HugeBinary": {websocket.MessageBinary, strings.Repeat(" ", 1<<20), websocket.StatusMessageTooBig},
	} {
		t.Run(name, func(t *testing.T) {
			c := openSocket(t, g, "/attack.v1.Attack/Upload", first())
			if err := c.Write(c.ctx, test.kind, []byte(test.text)); err != nil {
				t.Fatal(err)
			}
			c.hear(`{"error":`)
			c.end(test.want)
			s.untouched(t, name)
		})
	}
	const mask = "\x00\x00\x00\x00"
	for name, said := range map[string]string{
		"Nothing":       "",
		"HalfAFrame":    "\x81\xfe\x01\x00" + mask + token,
		"HalfAMessage":  "\x01\x80" + mask,
		"PingsAlone":    strings.Repeat("\x89\x80"+mask, 100),
		"EndlessLength": "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff" + mask + token,
	} {
		t.Run(name, func(t *testing.T) {
			started := time.Now()
			conn, r := rawSocketFor(t, g.Public, "/attack.v1.Attack/Upload", "Sec-WebSocket-Protocol: gatehouse.auth-first.v1\r\n")
			if _, err := io.WriteString(conn, said); err != nil {
				t.Fatal(err)
			}
			heard, err := r.ReadString('\xb0') // 4016 is 0x0fb0
			if err != nil || !strings.Contains(heard, "CREDENTIAL_EXPECTED") {
				t.Errorf("heard %q, %v", heard, err)
			}
			if took := time.Since(started); took < 500*time.Millisecond {
				t.Errorf("it took %v", took)
			}
			s.untouched(t, name)
		})
	}
	t.Run("TwoPlaces", func(t *testing.T) { // is told before the upgrade
		for name, o := range map[string]*websocket.DialOptions{
			"subprotocol": first("gatehouse.bearer." + keyOf("reader")),
			"header":      {Subprotocols: []string{"gatehouse.auth-first.v1"}, HTTPHeader: http.Header{"Authorization": {"Bearer " + keyOf("reader")}}},
		} {
			_, r, err := websocket.Dial(t.Context(), "ws://"+g.Public+"/mine/a", o)
			if err == nil || r == nil || r.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("OnlyWhereAskedFor", func(t *testing.T) { // else it is a message like any other
		c := openSocket(t, g, "/attack.v1.Attack/Echo", &websocket.DialOptions{Subprotocols: []string{"gatehouse.json.v1", "gatehouse.bearer." + keyOf("reader")}})
		c.say(token)
		c.hear(`UNKNOWN_FIELD`)
		c.end(4003)
		c = openSocket(t, g, "/attack.v1.Attack/Echo", first())
		c.say(token)
		c.say(token)
		c.hear(`UNKNOWN_FIELD`)
		c.end(4003)
		s.untouched(t, "a credential as a message")
	})
	until(t, "the access log has a refused one", func() bool {
		return strings.Contains(g.Stdout(), `"http":401,"protocol":"websocket"`)
	})
	alive(t, g)
}
