package connect

import (
	"encoding/json"
	"net/http"
	"strings"

	"google.golang.org/grpc/metadata"

	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
	"github.com/gatehouse-gateway/gatehouse/transcoder/front/framed"
	"github.com/gatehouse-gateway/gatehouse/transcoder/program"
)

// flagEnd marks the last frame, which says in JSON how the call ended ("EndStreamResponse"). It is never compressed.
const flagEnd = 2

// endStream ends a stream.
func (f *Front) endStream(s *framed.Stream, id string, err error, types program.Resolver) {
	trailer, _ := s.Close()
	s.Begin()
	failure := front.Failure{}
	if err != nil {
		failure = f.env.Failure(err)
	}
	s.End(flagEnd, f.endOf(failure, trailer, id, types))
}

// endOf writes the last frame. The decision id goes with a failure.
func (f *Front) endOf(failure front.Failure, trailer metadata.MD, id string, types program.Resolver) []byte {
	var end struct {
		Error    json.RawMessage     `json:"error,omitempty"`
		Metadata map[string][]string `json:"metadata,omitempty"`
	}
	h := http.Header{}
	f.env.WriteMetadata(h, trailer, "")
	if failure.Status != nil {
		end.Error = front.Connect.JSON(failure, types)
		h.Set(framed.DecisionIDKey, id)
	}
	end.Metadata = make(map[string][]string, len(h))
	for name, values := range h {
		end.Metadata[strings.ToLower(name)] = values
	}
	text, _ := json.Marshal(end) // strings and valid JSON always encode
	return text
}
