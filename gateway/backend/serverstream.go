package backend

import (
	"io"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// serverStream is a call with one request and any number of replies.
type serverStream struct{ asking }

// CloseSend sends the request and waits for the backend's headers. That it failed is what RecvMsg says.
func (s *serverStream) CloseSend() error {
	if err := s.send(s.conn.wire.Start); err != nil {
		s.err = s.fault(err)
	}
	return nil
}

// RecvMsg fills the frame with the next reply.
func (s *serverStream) RecvMsg(m any) error {
	if s.err != nil {
		return s.err
	}
	f, ok := m.(*rpc.Frame)
	if !ok {
		return unfillable(m)
	}
	reply, err := s.wire.Next()
	if err != nil {
		return s.end(err)
	}
	f.Hold(reply)
	return nil
}

// end says what the end of the replies means, now and if it is asked again.
func (s *serverStream) end(err error) error {
	if err != io.EOF {
		s.err = s.fault(err)
	} else if s.err = s.refused(); s.err == nil {
		s.err = io.EOF
	}
	return s.err
}
