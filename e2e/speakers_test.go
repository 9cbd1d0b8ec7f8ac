package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	connectgo "connectrpc.com/connect/v2"
	"connectrpc.com/connect/v2/connecthttp"
	"github.com/coder/websocket"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// A speaker makes the same call as all others, each by a protocol of its own.
type speaker struct {
	name string
	// call sends the requests, as JSON, with headers, to the method's gRPC path.
	call func(ctx context.Context, g *testkit.Gateway, m protoreflect.MethodDescriptor, requests []string, headers http.Header) (learned, error)
	// fits is false for methods that the protocol has no form for; nil fits all.
	fits func(m protoreflect.MethodDescriptor) bool
	// inside says that it speaks to the internal listener.
	inside bool
}

// learned is what a client learns of a call. Headers and trailers are those whose names begin with "x-".
type learned struct {
	Code            codes.Code
	Message, Reason string
	Replies         []string
	Header, Trailer string
}

// speakers are clients of all protocols, most of them other people's.
func speakers() []speaker {
	return []speaker{
		{name: "rest", call: speakREST},
		{name: "grpc", call: speakGRPC},
		{name: "grpc inside", call: speakGRPC, inside: true},
		{name: "grpc json", call: speakConnect(connecthttp.WithGRPC(), connecthttp.WithProtoJSON())},
		{name: "grpc gzip", call: speakConnect(connecthttp.WithGRPC(), connecthttp.WithSendGzip())},
		{name: "grpc-web", call: speakConnect(connecthttp.WithGRPCWeb())},
		{name: "grpc-web json", call: speakConnect(connecthttp.WithGRPCWeb(), connecthttp.WithProtoJSON())},
		{name: "connect", call: speakConnect()},
		{name: "connect json", call: speakConnect(connecthttp.WithProtoJSON())},
		{name: "connect gzip", call: speakConnect(connecthttp.WithSendGzip())},
		{name: "connect get", call: speakConnect(connecthttp.WithHTTPGet()), fits: safe},
		{name: "connect get json", call: speakConnect(connecthttp.WithHTTPGet(), connecthttp.WithProtoJSON()), fits: safe},
		{name: "websocket", call: speakWebSocket},
	}
}

func safe(m protoreflect.MethodDescriptor) bool {
	o, _ := m.Options().(*descriptorpb.MethodOptions)
	return o.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS && !m.IsStreamingServer() && !m.IsStreamingClient()
}

func pathOf(m protoreflect.MethodDescriptor) string {
	return fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())
}

// messagesOf makes messages of requests. What is no message of the type becomes a field that it does not have.
func messagesOf(m protoreflect.MethodDescriptor, requests []string) ([]proto.Message, error) {
	var out []proto.Message
	for _, text := range requests {
		message := dynamicpb.NewMessage(m.Input())
		if err := protojson.Unmarshal([]byte(text), message); err != nil {
			return nil, err
		}
		out = append(out, message)
	}
	return out, nil
}

// textOf writes a message so that it can be compared.
func textOf(message proto.Message) string { return compact([]byte(protojson.Format(message))) }

func compact(text []byte) string {
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		return "not JSON: " + string(text)
	}
	out, _ := json.Marshal(value)
	return string(out)
}

// own keeps headers that the test's backend sets.
func own(values func(yield func(name string, values []string))) string {
	var found []string
	values(func(name string, values []string) {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-") && name != "x-content-type-options" {
			found = append(found, name+"="+strings.Join(values, ","))
		}
	})
	return strings.Join(found, ";")
}

func ownOf[M ~map[string][]string](h M) string {
	return own(func(yield func(string, []string)) {
		for name, values := range h {
			yield(name, values)
		}
	})
}

func fail(out *learned, st *status.Status) {
	out.Code, out.Message = st.Code(), st.Message()
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			out.Reason = info.GetReason()
		}
	}
}

func speakGRPC(ctx context.Context, g *testkit.Gateway, m protoreflect.MethodDescriptor, requests []string, headers http.Header) (out learned, err error) {
	messages, err := messagesOf(m, requests)
	if err != nil {
		return out, err
	}
	conn := connOf(ctx)
	for name, values := range headers {
		for _, v := range values {
			ctx = metadata.AppendToOutgoingContext(ctx, name, v)
		}
	}
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, pathOf(m))
	if err != nil {
		return out, err
	}
	for _, message := range messages {
		if stream.SendMsg(message) != nil {
			break // RecvMsg says why
		}
	}
	_ = stream.CloseSend()
	for {
		reply := dynamicpb.NewMessage(m.Output())
		if err = stream.RecvMsg(reply); err != nil {
			break
		}
		out.Replies = append(out.Replies, textOf(reply))
	}
	if err != io.EOF {
		fail(&out, status.Convert(err))
	}
	header, err := stream.Header()
	out.Header, out.Trailer = ownOf(header), ownOf(stream.Trailer())
	return out, err
}

type connKey struct{}

// withConn gives speakGRPC its connection.
func withConn(ctx context.Context, conn *grpc.ClientConn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

func connOf(ctx context.Context) *grpc.ClientConn { return ctx.Value(connKey{}).(*grpc.ClientConn) }

// cleartext2 is HTTP/2 without TLS. It keeps no connections, which would belong to no test.
var cleartext2 = func() *http.Client {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Client{Transport: &http.Transport{Protocols: protocols, DisableKeepAlives: true}}
}()

// speakConnect calls by connect-go, in one of its protocols.
func speakConnect(options ...connecthttp.Option) func(context.Context, *testkit.Gateway, protoreflect.MethodDescriptor, []string, http.Header) (learned, error) {
	return speakConnectBy(cleartext2, "http", options...)
}

// speakConnectBy does so by a client of its own.
func speakConnectBy(client *http.Client, scheme string, options ...connecthttp.Option) func(context.Context, *testkit.Gateway, protoreflect.MethodDescriptor, []string, http.Header) (learned, error) {
	return func(ctx context.Context, g *testkit.Gateway, m protoreflect.MethodDescriptor, requests []string, headers http.Header) (out learned, err error) {
		messages, err := messagesOf(m, requests)
		if err != nil {
			return out, err
		}
		spec := connectgo.Spec{Procedure: pathOf(m), Schema: m}
		if m.IsStreamingClient() {
			spec.StreamType |= connectgo.StreamTypeClient
		}
		if m.IsStreamingServer() {
			spec.StreamType |= connectgo.StreamTypeServer
		}
		if safe(m) {
			spec.IdempotencyLevel = connectgo.IdempotencyNoSideEffects
		}
		ctx, info := connectgo.NewClientContext(ctx)
		for name, values := range headers {
			for _, v := range values {
				info.RequestHeader().Add(name, v)
			}
		}
		stream, err := connectgo.NewClient(connecthttp.NewTransport(client, scheme+"://"+g.Public, options...)).CallClientStream(ctx, spec)
		if err != nil {
			return out, err
		}
		defer stream.Close()
		for _, message := range messages {
			if stream.Send(message) != nil {
				break // Receive says why
			}
		}
		_ = stream.CloseSend()
		for {
			reply := dynamicpb.NewMessage(m.Output())
			if err = stream.Receive(reply); err != nil {
				break
			}
			if out.Replies = append(out.Replies, textOf(reply)); spec.StreamType == connectgo.StreamTypeUnary {
				err = io.EOF
				break
			}
		}
		if !errors.Is(err, io.EOF) {
			var failure *connectgo.Error
			if !errors.As(err, &failure) {
				return out, err
			}
			out.Code, out.Message = codes.Code(failure.Code()), failure.Message()
			for _, d := range failure.Details() {
				if d.Type == "google.rpc.ErrorInfo" {
					var errorInfo errdetails.ErrorInfo
					if err := proto.Unmarshal(d.Value, &errorInfo); err != nil {
						return out, err
					}
					out.Reason = errorInfo.GetReason()
				}
			}
		}
		out.Header, out.Trailer = own(every(info.ResponseHeader())), own(every(info.ResponseTrailer()))
		return out, nil
	}
}

func every(h *connectgo.Header) func(yield func(string, []string)) {
	return func(yield func(string, []string)) {
		for name, values := range h.All() {
			yield(name, values)
		}
	}
}

// speakREST sends a POST to the gRPC path, which every method has.
func speakREST(ctx context.Context, g *testkit.Gateway, m protoreflect.MethodDescriptor, requests []string, headers http.Header) (out learned, err error) {
	request, err := http.NewRequestWithContext(ctx, "POST", "http://"+g.Public+pathOf(m), strings.NewReader(strings.Join(requests, "\n")))
	if err != nil {
		return out, err
	}
	request.Header = headers.Clone()
	if m.IsStreamingClient() {
		request.Header.Set("Content-Type", "application/x-ndjson")
	}
	request.Header.Set("Te", "trailers")
	response, err := cleartext2.Do(request)
	if err != nil {
		return out, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return out, err
	}
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(line, []byte(`{"error":`)) {
			st, err := aip193(line)
			if err != nil {
				return out, err
			}
			fail(&out, st)
			continue
		}
		out.Replies = append(out.Replies, compact(line))
	}
	out.Header, out.Trailer = ownOf(response.Header), ownOf(response.Trailer)
	return out, nil
}

// aip193 reads an error as REST and WebSocket write it.
func aip193(text []byte) (*status.Status, error) {
	var out struct {
		Error struct {
			Message, Status string
			Details         []json.RawMessage
		}
	}
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, err
	}
	st := status.New(codes.Code(code.Code_value[out.Error.Status]), out.Error.Message)
	for _, d := range out.Error.Details {
		info := struct {
			Type   string `json:"@type"`
			Reason string
		}{}
		if err := json.Unmarshal(d, &info); err != nil {
			return nil, err
		}
		if strings.HasSuffix(info.Type, "google.rpc.ErrorInfo") {
			return st.WithDetails(&errdetails.ErrorInfo{Reason: info.Reason})
		}
	}
	return st, nil
}

func speakWebSocket(ctx context.Context, g *testkit.Gateway, m protoreflect.MethodDescriptor, requests []string, headers http.Header) (out learned, err error) {
	conn, response, err := websocket.Dial(ctx, "ws://"+g.Public+pathOf(m), &websocket.DialOptions{HTTPHeader: headers})
	if err != nil {
		if response == nil {
			return out, err
		}
		text, _ := io.ReadAll(response.Body)
		st, err := aip193(text)
		if err == nil {
			fail(&out, st)
		}
		return out, err
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(16 << 20)
	for _, text := range append(requests, "") {
		if conn.Write(ctx, websocket.MessageText, []byte(text)) != nil {
			break // Read says why
		}
	}
	for {
		_, text, err := conn.Read(ctx)
		switch closed := websocket.CloseStatus(err); {
		case closed == websocket.StatusNormalClosure || out.Code != 0 && closed == 4000+websocket.StatusCode(out.Code):
			return out, nil
		case err != nil:
			return out, err
		}
		if !bytes.HasPrefix(text, []byte(`{"error":`)) {
			out.Replies = append(out.Replies, compact(text))
			continue
		}
		st, err := aip193(text)
		if err != nil {
			return out, err
		}
		fail(&out, st)
	}
}

// askWeb sends one gRPC-Web request whose body is given, and returns the response with its body decoded if it is text.
func askWeb(t *testing.T, address, path, media string, body []byte) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(bounded(t), "POST", "http://"+address+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", media)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var text []byte
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/grpc-web-text") {
		text, err = io.ReadAll(groups{bufio.NewReader(response.Body)})
	} else {
		text, err = io.ReadAll(response.Body)
	}
	if err != nil {
		t.Fatal(err)
	}
	return response, text
}

// groups decodes base64 whose groups of four may each be padded.
type groups struct{ source *bufio.Reader }

func (g groups) Read(p []byte) (int, error) {
	var group [4]byte
	if _, err := io.ReadFull(g.source, group[:]); err != nil {
		return 0, err
	}
	plain, err := base64.StdEncoding.DecodeString(string(group[:]))
	return copy(p, plain), err // nobody asks for fewer than three bytes
}
