package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// spoken is all that a client of grpc-gateway sees of an answer: the status, the headers and trailers that it writes, each JSON document of
// the body, and how the body ends.
type spoken struct {
	status  int
	headers []string
	lines   []string
	newline bool
	err     *replyError // if the body is an error
}

// speakTo sends a request, byte for byte, and reads the answer.
func speakTo(t *testing.T, address string, c testCase) spoken {
	t.Helper()
	r := testkit.Raw(t, address, c.verb, c.wire())
	a := spoken{status: r.StatusCode, newline: strings.HasSuffix(r.Text, "\n")}
	for _, h := range []http.Header{r.Header, r.Trailer} {
		for _, name := range slices.Sorted(maps.Keys(h)) {
			if name == "Content-Type" || strings.HasPrefix(name, "Grpc-") {
				a.headers = append(a.headers, fmt.Sprint(name, h[name]))
			}
		}
		a.headers = append(a.headers, "")
	}
	text := plain(r.Text)
	if a.lines = jsonLines(text); a.lines == nil {
		a.lines = []string{fmt.Sprintf("%q", text)}
	}
	if len(a.lines) == 1 && a.status != http.StatusOK {
		a.err = errorOf(a.lines[0])
	}
	return a
}

// agrees reports whether two answers are the same. Of an error that Gatehouse itself makes only the words may differ, and its details.
func (a spoken) agrees(ours spoken) bool {
	if ours.err != nil && ours.err.reason != "" && a.err != nil {
		return a.status == ours.status && slices.Equal(a.headers, ours.headers) && a.newline == ours.newline && a.err.code == ours.err.code &&
			strings.HasPrefix(a.lines[0], `{"error":`) == strings.HasPrefix(ours.lines[0], `{"error":`)
	}
	return a.status == ours.status && slices.Equal(a.headers, ours.headers) && a.newline == ours.newline && slices.EqualFunc(a.lines, ours.lines, sameJSON)
}

// sameJSON compares two lines by what they say, and not by their escapes.
func sameJSON(a, b string) bool {
	return a == b || value(a) != nil && reflect.DeepEqual(value(a), value(b))
}

func (a spoken) String() string {
	return fmt.Sprintf("%d %q %s newline: %t", a.status, a.headers, strings.Join(a.lines, "\n"), a.newline)
}

// compareSpoken tells where two answers differ.
func compareSpoken(t *testing.T, c testCase, grpcGateway, gatehouse spoken) {
	t.Helper()
	if !grpcGateway.agrees(gatehouse) || gatehouse.err != nil && gatehouse.err.reason == "INTERNAL" { // which is a bug of ours, whatever the other says
		t.Errorf("%sgrpc-gateway: %s\ngatehouse:    %s\n", requestText(c), grpcGateway, gatehouse)
	}
}
