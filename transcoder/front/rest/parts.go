package rest

import (
	"net/http"

	"github.com/gatehouse-gateway/gatehouse/rpc"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

// parts is a stream as the writer of a message that is too large to be held: each part leaves when it is written, and
// with the first the head of the response. The driver sends a unary reply when the backend has said that all went well,
// so what can fail from there on is the message itself, or somebody who was put around the call.
type parts stream

// Write takes a part, which it does not keep.
func (p *parts) Write(text []byte) (int, error) {
	s := (*stream)(p)
	if s.sameByBackend(); s.unchanged || s.r.Method == http.MethodHead {
		s.counted += len(text)
		return len(text), nil
	}
	s.torn = true
	s.writeHead()
	n, err := s.writeBody(text)
	if err != nil {
		s.json.Abandon() // as after write
		s.json = nil
		return n, front.Gone(err)
	}
	return n, nil
}

// render appends the JSON of a reply to s.json, or what is left of both when the parts before have left. HTTP/1.0 gets a reply
// as a whole: without chunks its client could not tell whether it has all of one.
func (s *stream) render(frame *rpc.Frame) error {
	if s.json == nil {
		s.json = front.TakeBuffer()
	}
	var text []byte
	var err error
	if s.r.ProtoAtLeast(1, 1) {
		text, err = s.response.WriteJSON((*parts)(s), s.json.Bytes, frame.Bytes())
	} else {
		text, err = s.response.AppendJSON(s.json.Bytes, frame.Bytes())
	}
	if s.json != nil {
		s.json.Bytes = text
	}
	return err
}
