package rest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/code"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/fronttest"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/rest"
)

func TestContract(t *testing.T) {
	traits := fronttest.Traits{Protocol: rest.Protocol}
	makeFront := func(env front.Env) front.Front { return rest.New(env) }
	for name, http2 := range map[string]bool{"HTTP1": false, "HTTP2": true} {
		for accept := range readers {
			t.Run(name+"/"+accept, func(t *testing.T) {
				fronttest.Run(t, traits, makeFront, func(t *testing.T, h http.Handler) fronttest.Client {
					c := start(t, h, http2)
					c.accept = accept
					return c
				})
			})
		}
	}
}

// readers read the messages of a response by what was accepted.
var readers = map[string]func(body io.Reader, message func(text []byte) error) error{
	"": readLines, "application/jsonl": readLines, "application/json": readArray, "text/event-stream": readEvents,
}

func readLines(body io.Reader, message func(text []byte) error) error {
	lines := bufio.NewReader(body)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			if err := message(line); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// readArray reads each element as soon as it is there.
func readArray(body io.Reader, message func(text []byte) error) error {
	d := json.NewDecoder(body)
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		var text json.RawMessage
		if err := d.Decode(&text); err != nil {
			return err
		}
		if err := message(text); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil { // that which ends the array
		return err
	}
	if token, err := d.Token(); err != io.EOF {
		return fmt.Errorf("after the array: %v, %v", token, err)
	}
	return nil
}

// readEvents wants ids from 1 on, and an event that ends all.
func readEvents(body io.Reader, message func(text []byte) error) error {
	id, name, ended := 0, "", false
	return readLines(body, func(line []byte) error {
		field, value, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), ": ")
		switch field {
		case "id":
			if id++; value != strconv.Itoa(id) || ended {
				return fmt.Errorf("id %s, want %d", value, id)
			}
		case "event":
			name = value
		case "data":
			if ended = name != ""; name != "end" {
				return message([]byte(value))
			}
		case "":
		default:
			return fmt.Errorf("a line that is no event: %q", line)
		}
		return nil
	})
}

// start serves h and returns a client that speaks one version of HTTP.
func start(t *testing.T, h http.Handler, http2 bool) client {
	version := 1
	if http2 {
		version = 2
	}
	url, transport := fronttest.Serve(t, h, version)
	return client{url, "", &http.Client{Transport: transport}}
}

// client calls by POST /pkg.Service/Method.
type client struct {
	url, accept string
	http        *http.Client
}

func (c client) Call(ctx context.Context, r fronttest.Request) (*fronttest.Answer, error) {
	body, media, err := c.body(r)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+r.Path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Te", "trailers")
	if c.accept != "" && streams(r.Path) {
		request.Header.Set("Accept", c.accept)
	}
	request.Header.Set("Content-Type", media)
	if r.Timeout > 0 {
		request.Header.Set("X-Server-Timeout", strconv.FormatFloat(r.Timeout.Seconds(), 'f', -1, 64))
	}
	for key, values := range r.Metadata {
		for _, v := range values {
			if strings.HasSuffix(key, "-bin") {
				v = base64.StdEncoding.EncodeToString([]byte(v))
			}
			request.Header[key] = append(request.Header[key], v)
		}
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	a := &fronttest.Answer{Status: status.New(0, "")}
	read := readLines
	if media := response.Header.Get("Content-Type"); response.StatusCode == http.StatusOK && media != "application/x-ndjson" && (media != "application/json" || streams(r.Path)) {
		read = readers[media]
	}
	err = read(response.Body, func(text []byte) error { return add(a, response.StatusCode, text, r.Seen) })
	if err != nil {
		return nil, err
	}
	a.Header, err = metadataOf(response.Header)
	if err != nil {
		return nil, err
	}
	a.Trailer, err = metadataOf(response.Trailer)
	return a, err
}

// body writes one message, or many as lines; a client that accepts an array sends one, too.
func (c client) body(r fronttest.Request) (body []byte, media string, err error) {
	var texts [][]byte
	for _, text := range r.Messages {
		one, err := json.Marshal(map[string]string{"text": text})
		if err != nil {
			return nil, "", err
		}
		texts = append(texts, one)
	}
	switch {
	case r.Path != fronttest.ClientStreams && r.Path != fronttest.BothStream:
		return texts[0], "application/json", nil
	case c.accept == "application/json":
		return slices.Concat([]byte(" [\n"), bytes.Join(texts, []byte(" , ")), []byte(" ] ")), "application/json", nil
	}
	return bytes.Join(texts, []byte("\n\n")), "application/x-ndjson", nil
}

func streams(path string) bool {
	return path == fronttest.ServerStreams || path == fronttest.BothStream
}

// add adds one line of the response to the answer.
func add(a *fronttest.Answer, httpStatus int, line []byte, seen func(string)) error {
	var message struct {
		Text  *string
		Error *struct {
			Code            int
			Message, Status string
			Details         []json.RawMessage
		}
	}
	if err := json.Unmarshal(line, &message); err != nil {
		return fmt.Errorf("line %q: %w", line, err)
	}
	e := message.Error
	if e == nil {
		text := ""
		if message.Text != nil {
			text = *message.Text
		}
		a.Messages = append(a.Messages, text)
		if seen != nil {
			seen(text)
		}
		return nil
	}
	if httpStatus != e.Code && len(a.Messages) == 0 {
		return fmt.Errorf("status line %d, body %d", httpStatus, e.Code)
	}
	p := &spb.Status{Code: code.Code_value[e.Status], Message: e.Message}
	for _, d := range e.Details {
		detail := new(anypb.Any)
		if err := protojson.Unmarshal(d, detail); err != nil {
			return err
		}
		p.Details = append(p.Details, detail)
	}
	a.Status = status.FromProto(p)
	return nil
}

func metadataOf(h http.Header) (metadata.MD, error) {
	md := metadata.MD{}
	for name, values := range h {
		key := strings.ToLower(name)
		for _, v := range values {
			if strings.HasSuffix(key, "-bin") {
				raw, err := base64.RawStdEncoding.DecodeString(v)
				if err != nil {
					return nil, fmt.Errorf("%s is not base64 without padding: %w", key, err)
				}
				v = string(raw)
			}
			md[key] = append(md[key], v)
		}
	}
	return md, nil
}
