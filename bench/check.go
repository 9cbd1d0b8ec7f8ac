package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-gateway/gatehouse/bench/raw"
	"github.com/gatehouse-gateway/gatehouse/bench/scenario"
)

// check sends a scenario's call once and compares what the backend got and what came back with what must be.
func (b *bench) check(ctx context.Context, c *contender, s *scenario.Scenario) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	send := checkREST
	if s.GRPC {
		send = checkGRPC
	}
	if err := send(ctx, c, s); err != nil {
		return err
	}
	if c.headers != nil {
		if err := refusesStrangers(ctx, *c, s, send); err != nil {
			return err
		}
	}
	got := s.Request.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(b.server.Last(s.Method), got); err != nil {
		return fmt.Errorf("the backend got no %s: %w", s.Request.ProtoReflect().Descriptor().FullName(), err)
	}
	if !proto.Equal(got, s.Request) {
		return fmt.Errorf("the backend got another request: %s", short(got))
	}
	return nil
}

// refusesStrangers makes sure that the row with checks has its checks: without the key, nobody gets in.
func refusesStrangers(ctx context.Context, c contender, s *scenario.Scenario, send func(context.Context, *contender, *scenario.Scenario) error) error {
	c.headers = nil
	err := send(ctx, &c, s)
	if err == nil || status.Code(err) != codes.Unauthenticated && !strings.Contains(err.Error(), "status 401") {
		return fmt.Errorf("a call without a key is not refused: %v", err)
	}
	return nil
}

func checkREST(ctx context.Context, c *contender, s *scenario.Scenario) error {
	request, err := http.NewRequestWithContext(ctx, s.Verb, "http://"+c.rest+c.target(s), bytes.NewReader(s.Body))
	if err != nil {
		return err
	}
	for _, h := range slices.Concat(c.headers, s.Headers()) {
		request.Header.Set(h[0], h[1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d: %s", response.StatusCode, short(string(body)))
	}
	switch {
	case c.raw:
		return sameBytes(body, s.Replies)
	case s.Web == scenario.GRPCWeb:
		return sameFrame(body, s.Replies[0])
	case response.Header.Get("Content-Type") == "text/event-stream":
		body = dataOf(body)
	}
	return sameJSON(body, s.Replies, protojson.MarshalOptions{EmitDefaultValues: c.zeros})
}

func checkGRPC(ctx context.Context, c *contender, s *scenario.Scenario) error {
	conn, err := grpc.NewClient(c.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, h := range c.headers {
		ctx = metadata.AppendToOutgoingContext(ctx, h[0], h[1])
	}
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, s.Method, grpc.ForceCodecV2(raw.Codec{}))
	if err != nil {
		return err
	}
	if err := stream.SendMsg(scenario.Wire(s.Request)); err != nil && err != io.EOF { // EOF: RecvMsg says why
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for i := 0; ; i++ {
		var reply []byte
		if err := stream.RecvMsg(&reply); err == io.EOF && i == len(s.Replies) {
			return nil
		} else if err == io.EOF || err == nil && i == len(s.Replies) {
			return fmt.Errorf("the answer has not %d messages: at %d, %v", len(s.Replies), i, err)
		} else if err != nil {
			return err
		}
		if err := sameBytes(reply, s.Replies[i:i+1]); err != nil {
			return err
		}
	}
}

func sameBytes(got []byte, replies []proto.Message) error {
	var want []byte
	for _, m := range replies {
		want = append(want, scenario.Wire(m)...)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("the answer is another one: %d bytes, want %d", len(got), len(want))
	}
	return nil
}

// sameFrame compares the message of a gRPC-Web response; behind it are the trailers, which say that all went well.
func sameFrame(body []byte, reply proto.Message) error {
	const prefix = 5
	want := scenario.Wire(reply)
	if len(body) < prefix+len(want) || !bytes.Equal(body[prefix:prefix+len(want)], want) {
		return fmt.Errorf("the answer is another one: %s", short(string(body)))
	}
	trailers := strings.ToLower(string(body[prefix+len(want):]))
	if !strings.Contains(trailers, "grpc-status: 0\r\n") && !strings.Contains(trailers, "grpc-status:0\r\n") {
		return fmt.Errorf("the call failed: %s", short(trailers))
	}
	return nil
}

// dataOf is what server-sent events without a name have as data.
func dataOf(events []byte) (data []byte) {
	for event := range strings.SplitSeq(string(events), "\n\n") {
		for line := range strings.Lines(event) {
			if text, ok := strings.CutPrefix(line, "data: "); ok && !strings.Contains(event, "event: ") {
				data = append(append(data, text...), '\n')
			}
		}
	}
	return data
}

// sameJSON compares JSON values, in whatever way they are written.
func sameJSON(got []byte, replies []proto.Message, options protojson.MarshalOptions) error {
	values, err := valuesIn(got)
	if err != nil {
		return err
	}
	if len(values) != len(replies) {
		return fmt.Errorf("the answer has %d messages, want %d", len(values), len(replies))
	}
	for i, m := range replies {
		text, err := options.Marshal(m)
		if err != nil {
			return err
		}
		want, err := valuesIn(text)
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(values[i], want[0]) {
			return fmt.Errorf("the answer is another one: %s, want %s", short(values[i]), short(want[0]))
		}
	}
	return nil
}

// valuesIn reads JSON values, one after the other. grpc-gateway's streams put each into an object {"result": …}.
func valuesIn(text []byte) (values []any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	for {
		var v any
		if err := decoder.Decode(&v); err == io.EOF {
			return values, nil
		} else if err != nil {
			return nil, fmt.Errorf("the answer is not JSON: %w: %s", err, short(string(text)))
		}
		if wrapper, ok := v.(object); ok && len(wrapper) == 1 && wrapper["result"] != nil {
			v = wrapper["result"]
		}
		values = append(values, v)
	}
}

// short is the beginning of a value's text, for a line that somebody reads.
func short(v any) string {
	const most = 200
	text := strings.Join(strings.Fields(fmt.Sprint(v)), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + " …"
	}
	return text
}
