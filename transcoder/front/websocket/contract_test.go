package websocket_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"google.golang.org/genproto/googleapis/rpc/code"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit/leak"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/fronttest"
	front_websocket "github.com/gatehouse-gateway/gatehouse/transcoder/front/websocket"
)

func TestContract(t *testing.T) {
	traits := fronttest.Traits{Protocol: front_websocket.Protocol, NoReplyMetadata: true}
	makeFront := func(env front.Env) front.Front { return front_websocket.New(env) }
	for _, subprotocol := range []string{"", "gatehouse.json.v1", "gatehouse.proto.v1", "gatehouse.auth-first.v1"} {
		t.Run("subprotocol="+subprotocol, func(t *testing.T) {
			leak.Check(t)
			fronttest.Run(t, traits, makeFront, func(t *testing.T, h http.Handler) fronttest.Client {
				server := httptest.NewUnstartedServer(h)
				server.Config.ErrorLog = log.New(io.Discard, "", 0)
				server.Start()
				t.Cleanup(server.Close)
				return client{server.URL, subprotocol}
			})
		})
	}
}

// client calls by a connection to the gRPC path, on which it says that it has sent everything.
type client struct{ url, subprotocol string }

func (c client) proto() bool { return c.subprotocol == "gatehouse.proto.v1" }

func (c client) authFirst() bool { return c.subprotocol == "gatehouse.auth-first.v1" }

func (c client) dial(ctx context.Context, r fronttest.Request) (*websocket.Conn, *http.Response, error) {
	h := http.Header{}
	if r.Timeout > 0 {
		h.Set("X-Server-Timeout", strconv.FormatFloat(r.Timeout.Seconds(), 'f', -1, 64))
	}
	for key, values := range r.Metadata {
		if key == "authorization" && c.authFirst() {
			continue
		}
		for _, v := range values {
			if strings.HasSuffix(key, "-bin") {
				v = base64.StdEncoding.EncodeToString([]byte(v))
			}
			h[key] = append(h[key], v)
		}
	}
	o := &websocket.DialOptions{HTTPHeader: h}
	if c.subprotocol != "" {
		o.Subprotocols = []string{c.subprotocol}
	}
	return websocket.Dial(ctx, c.url+r.Path, o)
}

func (c client) Call(ctx context.Context, r fronttest.Request) (*fronttest.Answer, error) {
	a := &fronttest.Answer{}
	conn, response, err := c.dial(ctx, r)
	if err != nil {
		if response == nil {
			return nil, err
		}
		text, _ := io.ReadAll(response.Body)
		a.Status, err = statusOf(text)
		return a, err
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(1 << 20)
	if c.subprotocol != conn.Subprotocol() {
		return nil, errors.New("another subprotocol was chosen")
	}
	if c.authFirst() {
		credential := append(r.Metadata.Get("authorization"), "Bearer token")[0]
		if err := conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"authorization": %q}`, credential)); err != nil {
			return nil, err
		}
	}
	for _, text := range r.Messages {
		if err := c.send(ctx, conn, text); err != nil {
			return nil, err
		}
	}
	if err := conn.Write(ctx, websocket.MessageText, nil); err != nil {
		return nil, err
	}
	for {
		kind, data, err := conn.Read(ctx)
		if websocket.CloseStatus(err) == websocket.StatusNormalClosure {
			a.Status = status.New(codes.OK, "")
			return a, nil
		}
		if closed := websocket.CloseStatus(err); a.Status != nil && closed == websocket.StatusCode(4000+a.Status.Code()) {
			return a, nil
		}
		if err != nil {
			return nil, err
		}
		if kind == websocket.MessageText && strings.HasPrefix(string(data), `{"error"`) {
			if a.Status, err = statusOf(data); err != nil {
				return nil, err
			}
			continue
		}
		text, err := c.text(data)
		if err != nil {
			return nil, err
		}
		if a.Messages = append(a.Messages, text); r.Seen != nil {
			r.Seen(text)
		}
	}
}

func (c client) send(ctx context.Context, conn *websocket.Conn, text string) error {
	if c.proto() {
		return conn.Write(ctx, websocket.MessageBinary, fronttest.MarshalNote(text))
	}
	data, err := json.Marshal(map[string]string{"text": text})
	if err != nil {
		return err
	}
	return conn.Write(ctx, websocket.MessageText, data)
}

func (c client) text(data []byte) (string, error) {
	if c.proto() {
		return fronttest.UnmarshalNote(data)
	}
	var note struct{ Text string }
	err := json.Unmarshal(data, &note)
	return note.Text, err
}

func statusOf(text []byte) (*status.Status, error) {
	var out struct {
		Error struct {
			Message, Status string
			Details         []json.RawMessage
		}
	}
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, err
	}
	p := &spb.Status{Code: code.Code_value[out.Error.Status], Message: out.Error.Message}
	for _, d := range out.Error.Details {
		detail := new(anypb.Any)
		if err := protojson.Unmarshal(d, detail); err != nil {
			return nil, err
		}
		p.Details = append(p.Details, detail)
	}
	return status.FromProto(p), nil
}
