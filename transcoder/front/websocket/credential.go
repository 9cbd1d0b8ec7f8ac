package websocket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/coder/websocket"
	"google.golang.org/grpc/codes"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

// credentialBytesMax bounds the message with a credential: the largest token that any check reads, and what stands around
// it.
const credentialBytesMax = 17 << 10

// authenticate waits for the credential of a client that sends it as its first message, and makes it the call's, as if the
// header authorization had carried it. The connection is upgraded before, since there is no message otherwise.
func (s *stream) authenticate() error {
	conn, err := s.accept()
	if err != nil {
		return front.Gone(err)
	}
	first := make(chan received, 1)
	go func() {
		first <- s.read(conn, expected{websocket.MessageText, credentialBytesMax, s.env.WebSocket.CredentialWait})
	}()
	got := s.await(first)
	switch {
	case errors.Is(got.err, errSlow):
		return unauthenticated("it did not come within %s", s.env.WebSocket.CredentialWait)
	case got.err == io.EOF:
		return unauthenticated("it is empty")
	case errors.Is(got.err, context.Canceled):
		return front.Gone(got.err)
	case got.err != nil:
		return got.err
	}
	defer got.text.Free()
	credential, err := credentialOf(got.text.Bytes)
	if err != nil {
		return unauthenticated("%v", err)
	}
	s.call.Metadata["authorization"] = []string{credential}
	return nil
}

// credentialOf reads {"authorization": "Bearer …"}, exactly that. It goes by tokens, because encoding/json's way into
// a struct takes names in any case, and the last of two. What is wrong is told without a word of what was sent.
func credentialOf(text []byte) (string, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	var tokens [4]json.Token
	for i := range tokens {
		var err error
		if tokens[i], err = d.Token(); err != nil {
			return "", errNotOne
		}
	}
	credential, isText := tokens[2].(string)
	switch _, err := d.Token(); {
	case tokens[0] != json.Delim('{') || tokens[1] != "authorization" || !isText || tokens[3] != json.Delim('}') || err != io.EOF:
		return "", errNotOne
	case credential == "" || !front.Printable(credential):
		return "", errNoHeader
	}
	return credential, nil
}

var (
	errNotOne   = errors.New("it is no JSON object with one string")
	errNoHeader = errors.New("its string is nothing that a header could carry")
)

func unauthenticated(what string, args ...any) error {
	return rpc.Errorf(codes.Unauthenticated, "CREDENTIAL_EXPECTED",
		`the first message must be {"authorization": "Bearer TOKEN"}, because %s was asked for; %s`, subprotocolAuthFirst, fmt.Sprintf(what, args...))
}
