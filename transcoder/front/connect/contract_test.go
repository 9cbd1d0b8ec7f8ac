package connect_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit/leak"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/connect"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/fronttest"
)

func TestContract(t *testing.T) {
	makeFront := func(env front.Env) front.Front { return connect.New(env) }
	for _, codec := range []string{"proto", "json"} {
		for _, version := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s/HTTP%d", codec, version), func(t *testing.T) {
				leak.Check(t)
				fronttest.Run(t, fronttest.Traits{Protocol: connect.Protocol}, makeFront, func(t *testing.T, h http.Handler) fronttest.Client {
					return caller{serve(t, h, version), codec}
				})
			})
		}
	}
}

// serve serves by one version of HTTP, and returns how to ask.
func serve(t *testing.T, h http.Handler, version int) client {
	t.Helper()
	url, transport := fronttest.Serve(t, h, version)
	return client{url, transport}
}

type client struct {
	url       string
	transport *http.Transport
}

// caller speaks Connect with one codec, as a unary call if the method is.
type caller struct {
	client
	codec string
}

func (c caller) Call(ctx context.Context, r fronttest.Request) (*fronttest.Answer, error) {
	unary, media := r.Path == fronttest.Unary, "application/"+c.codec
	var body []byte
	for _, text := range r.Messages {
		data := fronttest.MarshalNote(text)
		if c.codec == "json" {
			data, _ = json.Marshal(map[string]string{"text": text})
		}
		if !unary {
			body = append(binary.BigEndian.AppendUint32(append(body, 0), uint32(len(data))), data...)
			continue
		}
		body = data
	}
	if !unary {
		media = "application/connect+" + c.codec
	}
	request, err := http.NewRequestWithContext(ctx, "POST", c.url+r.Path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	setHeaders(request.Header, media, r)
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if !unary {
		return c.stream(response, media, r.Seen)
	}
	return c.unary(response, media)
}

func setHeaders(h http.Header, media string, r fronttest.Request) {
	h.Set("Content-Type", media)
	h.Set("Connect-Protocol-Version", "1")
	if r.Timeout > 0 {
		h.Set("Connect-Timeout-Ms", strconv.FormatInt(r.Timeout.Milliseconds(), 10))
	}
	for key, values := range r.Metadata {
		for _, v := range values {
			if strings.HasSuffix(key, "-bin") {
				v = base64.StdEncoding.EncodeToString([]byte(v))
			}
			h[http.CanonicalHeaderKey(key)] = append(h[http.CanonicalHeaderKey(key)], v)
		}
	}
}

// unary reads "Unary-Response": trailers are headers with a prefix.
func (c caller) unary(response *http.Response, media string) (*fronttest.Answer, error) {
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	a := &fronttest.Answer{Status: status.New(codes.OK, ""), Header: metadata.MD{}, Trailer: metadata.MD{}}
	for name, values := range response.Header {
		if trailer, ok := strings.CutPrefix(name, "Trailer-"); ok {
			add(a.Trailer, trailer, values)
		} else {
			add(a.Header, name, values)
		}
	}
	got := response.Header.Get("Content-Type")
	if response.StatusCode != http.StatusOK {
		if got != "application/json" {
			return nil, fmt.Errorf("an error as %q", got)
		}
		a.Status, err = statusOf(text)
		return a, err
	}
	if got != media {
		return nil, fmt.Errorf("a reply as %q", got)
	}
	note, err := c.text(text)
	a.Messages = []string{note}
	return a, err
}

// stream reads messages, and the last of them, which is the end.
func (c caller) stream(response *http.Response, media string, seen func(string)) (*fronttest.Answer, error) {
	if got := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || got != media {
		return nil, fmt.Errorf("HTTP %d, %q", response.StatusCode, got)
	}
	a := &fronttest.Answer{Header: metadata.MD{}, Trailer: metadata.MD{}}
	for name, values := range response.Header {
		add(a.Header, name, values)
	}
	var prefix [5]byte
	for {
		if _, err := io.ReadFull(response.Body, prefix[:]); err != nil {
			return nil, fmt.Errorf("no end: %w", err)
		}
		data := make([]byte, binary.BigEndian.Uint32(prefix[1:]))
		if _, err := io.ReadFull(response.Body, data); err != nil {
			return nil, err
		}
		if prefix[0] == 2 {
			if rest, err := io.ReadAll(response.Body); err != nil || len(rest) > 0 {
				return nil, fmt.Errorf("%q after the end, %v", rest, err)
			}
			return a, end(data, a)
		}
		text, err := c.text(data)
		if err != nil {
			return nil, err
		}
		if a.Messages = append(a.Messages, text); seen != nil {
			seen(text)
		}
	}
}

func end(text []byte, a *fronttest.Answer) (err error) {
	var end struct {
		Error    json.RawMessage
		Metadata map[string][]string
	}
	if err := json.Unmarshal(text, &end); err != nil {
		return err
	}
	for name, values := range end.Metadata {
		add(a.Trailer, name, values)
	}
	a.Status = status.New(codes.OK, "")
	if end.Error != nil {
		a.Status, err = statusOf(end.Error)
	}
	return err
}

func (c caller) text(data []byte) (string, error) {
	if c.codec != "json" {
		return fronttest.UnmarshalNote(data)
	}
	var note struct{ Text string }
	err := json.Unmarshal(data, &note)
	return note.Text, err
}

// statusOf reads an error ("Error codes", "Unary-Response").
func statusOf(text []byte) (*status.Status, error) {
	var failure struct {
		Code, Message string
		Details       []struct{ Type, Value string }
	}
	if err := json.Unmarshal(text, &failure); err != nil {
		return nil, err
	}
	var code codes.Code
	name := strings.ToUpper(failure.Code)
	if name == "CANCELED" {
		name = "CANCELLED" // as codes has it
	}
	if err := code.UnmarshalJSON([]byte(strconv.Quote(name))); err != nil {
		return nil, err
	}
	p := &spb.Status{Code: int32(code), Message: failure.Message}
	for _, d := range failure.Details {
		value, err := base64.RawStdEncoding.DecodeString(d.Value)
		if err != nil || strings.Contains(d.Type, "/") {
			return nil, errors.Join(err, errors.New("a detail of type "+d.Type))
		}
		p.Details = append(p.Details, &anypb.Any{TypeUrl: "type.googleapis.com/" + d.Type, Value: value})
	}
	return status.FromProto(p), nil
}

func add(md metadata.MD, name string, values []string) {
	for _, v := range values {
		if name = strings.ToLower(name); strings.HasSuffix(name, "-bin") {
			raw, err := base64.RawStdEncoding.DecodeString(v)
			if err != nil {
				v = "not base64: " + v
			} else {
				v = string(raw)
			}
		}
		md.Append(name, v)
	}
}
