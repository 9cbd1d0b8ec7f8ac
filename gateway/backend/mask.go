package backend

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// reasonFailed comes with one of several codes.
const reasonFailed = "BACKEND_FAILED"

// masked returns what a caller may see of a failure that the backend sent, where the method's policy masks failures:
// code, decision id, and details of the types that are listed. The text is the cause, for the access log.
func (s *stream) masked(err error) error {
	mask := s.call.Method.Policy.Mask
	st := status.Convert(err)
	if mask == nil || !revealing(st.Code()) {
		return err
	}
	e := rpc.Errorf(st.Code(), reasonFailed, "the backend of %s failed; its operator finds the cause under decision id %s",
		s.call.Method.Service(), s.call.ID).Because(fmt.Errorf("backend %s: %w", s.conn.name, err))
	for _, d := range st.Proto().GetDetails() {
		if slices.Contains(mask.Details, d.GetTypeUrl()[strings.LastIndexByte(d.GetTypeUrl(), '/')+1:]) {
			e.With(d)
		}
	}
	return e
}

// revealing reports whether the text that comes with a code is written for the backend's own people.
func revealing(c codes.Code) bool {
	return c == codes.Internal || c == codes.Unknown || c == codes.DataLoss
}
