package grpcweb_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"testing"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit/leak"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/fronttest"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/grpcweb"
)

func TestContract(t *testing.T) {
	makeFront := func(env front.Env) front.Front { return grpcweb.New(env) }
	for _, media := range []string{"", "+proto", "+json", "-text", "-text+proto", "-text+json"} {
		for _, version := range []int{1, 2} {
			t.Run(fmt.Sprintf("grpc-web%s/HTTP%d", media, version), func(t *testing.T) {
				leak.Check(t)
				fronttest.Run(t, fronttest.Traits{Protocol: grpcweb.Protocol}, makeFront, func(t *testing.T, h http.Handler) fronttest.Client {
					return caller{serve(t, h, version), "application/grpc-web" + media}
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

// caller speaks gRPC-Web of one content type.
type caller struct {
	client
	media string
}

func (c caller) isText() bool { return strings.Contains(c.media, "-text") }
func (c caller) isJSON() bool { return strings.HasSuffix(c.media, "+json") }

func (c caller) Call(ctx context.Context, r fronttest.Request) (*fronttest.Answer, error) {
	request, err := http.NewRequestWithContext(ctx, "POST", c.url+r.Path, bytes.NewReader(c.body(r.Messages)))
	if err != nil {
		return nil, err
	}
	h := request.Header
	h.Set("Content-Type", c.media)
	h.Set("X-Grpc-Web", "1")
	h.Set("Te", "trailers")
	if r.Timeout > 0 {
		h.Set("Grpc-Timeout", strconv.FormatInt(r.Timeout.Milliseconds(), 10)+"m")
	}
	for key, values := range r.Metadata {
		for _, v := range values {
			if strings.HasSuffix(key, "-bin") {
				v = base64.StdEncoding.EncodeToString([]byte(v))
			}
			h[http.CanonicalHeaderKey(key)] = append(h[http.CanonicalHeaderKey(key)], v)
		}
	}
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != 200 || response.Header.Get("Content-Type") != c.media {
		return nil, fmt.Errorf("HTTP %d, %s", response.StatusCode, response.Header.Get("Content-Type"))
	}
	a := &fronttest.Answer{Header: metadataOf(response.Header)}
	if response.Header.Get("Grpc-Status") != "" {
		a.Trailer, a.Header = a.Header, nil
		a.Status, err = statusOf(response.Header)
		return a, err
	}
	return a, c.read(response.Body, r.Seen, a)
}

// body writes all messages. As text each is a base64 text of its own.
func (c caller) body(messages []string) (body []byte) {
	for _, text := range messages {
		data := fronttest.MarshalNote(text)
		if c.isJSON() {
			data, _ = json.Marshal(map[string]string{"text": text})
		}
		frame := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(data))), data...)
		if c.isText() {
			frame = []byte(base64.StdEncoding.EncodeToString(frame))
		}
		body = append(body, frame...)
	}
	return body
}

func (c caller) read(body io.Reader, seen func(string), a *fronttest.Answer) error {
	if c.isText() {
		body = &unpadded{source: bufio.NewReader(body)}
	}
	var prefix [5]byte
	for {
		if _, err := io.ReadFull(body, prefix[:]); err != nil {
			return fmt.Errorf("no trailers: %w", err)
		}
		data := make([]byte, binary.BigEndian.Uint32(prefix[1:]))
		if _, err := io.ReadFull(body, data); err != nil {
			return err
		}
		if prefix[0] == 0x80 {
			if rest, err := io.ReadAll(body); err != nil || len(rest) > 0 {
				return fmt.Errorf("%q after the trailers, %v", rest, err)
			}
			return readTrailers(data, a)
		}
		text, err := c.text(data)
		if err != nil {
			return err
		}
		if a.Messages = append(a.Messages, text); seen != nil {
			seen(text)
		}
	}
}

func (c caller) text(data []byte) (string, error) {
	if !c.isJSON() {
		return fronttest.UnmarshalNote(data)
	}
	var note struct{ Text string }
	err := json.Unmarshal(data, &note)
	return note.Text, err
}

func readTrailers(block []byte, a *fronttest.Answer) error {
	for line := range strings.Lines(string(block)) {
		if name, _, _ := strings.Cut(line, ":"); name != strings.ToLower(name) {
			return fmt.Errorf("%q is not in lower case", name)
		}
	}
	h, err := textproto.NewReader(bufio.NewReader(io.MultiReader(bytes.NewReader(block), strings.NewReader("\r\n")))).ReadMIMEHeader()
	if err != nil {
		return err
	}
	a.Trailer = metadataOf(http.Header(h))
	a.Status, err = statusOf(http.Header(h))
	return err
}

// unpadded decodes base64 of which any group may be padded, one at a time.
type unpadded struct {
	source *bufio.Reader
	plain  []byte
}

func (u *unpadded) Read(p []byte) (int, error) {
	if len(u.plain) == 0 {
		var group [4]byte
		if _, err := io.ReadFull(u.source, group[:]); err != nil {
			return 0, err
		}
		var err error
		if u.plain, err = base64.StdEncoding.DecodeString(string(group[:])); err != nil {
			return 0, err
		}
	}
	n := copy(p, u.plain)
	u.plain = u.plain[n:]
	return n, nil
}

func statusOf(h http.Header) (*status.Status, error) {
	code, err := strconv.Atoi(h.Get("Grpc-Status"))
	if err != nil {
		return nil, err
	}
	message, err := url.PathUnescape(h.Get("Grpc-Message"))
	if err != nil {
		return nil, err
	}
	p := &spb.Status{}
	if details := h.Get("Grpc-Status-Details-Bin"); details != "" {
		wire, err := base64.RawStdEncoding.DecodeString(details)
		if err == nil {
			err = proto.Unmarshal(wire, p)
		}
		return status.FromProto(p), err
	}
	return status.New(codes.Code(code), message), nil
}

func metadataOf(h http.Header) metadata.MD {
	md := metadata.MD{}
	for name, values := range h {
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
	return md
}
