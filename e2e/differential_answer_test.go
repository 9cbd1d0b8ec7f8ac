package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/code"

	"github.com/gatehouse-gateway/gatehouse/internal/testkit"
)

// reply is an answer to a request of the differential test, in the form in which the gateways' answers are compared.
type reply struct {
	status int
	media  string
	body   string // of a success, in one line of JSON; what is no JSON is quoted. A stream is lines in [ ].
	empty  bool   // there is no body
	err    *replyError
}

// replyError is an error in the form that both shapes have in common: {code, message, details}, and {"error": {…}}.
type replyError struct {
	code    string
	message string
	details []any
	reason  string // of the ErrorInfo, if Gatehouse made the error
}

// ask sends a request, byte for byte, and reads the answer.
func ask(t *testing.T, address string, c testCase) reply {
	t.Helper()
	r := testkit.Raw(t, address, c.verb, c.wire())
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	a := reply{status: r.StatusCode, media: media, empty: r.Text == ""}
	lines := jsonLines(r.Text)
	switch {
	case lines == nil:
		a.body = fmt.Sprintf("%q", r.Text)
	case r.StatusCode != http.StatusOK:
		if a.err = errorOf(lines[0]); a.err == nil {
			a.body = lines[0]
		}
	case media == "application/x-ndjson":
		a.stream(lines)
	default:
		a.body = strings.Join(lines, " ")
	}
	return a
}

func (a *reply) stream(lines []string) { a.body = "[" + strings.Join(lines, ", ") + "]" }

// jsonLines reads one JSON document after another, each in one line; nil if the text is something else.
func jsonLines(text string) (lines []string) {
	d := json.NewDecoder(strings.NewReader(text))
	for d.More() {
		var raw json.RawMessage
		if d.Decode(&raw) != nil {
			return nil
		}
		var line bytes.Buffer
		if json.Compact(&line, raw) != nil {
			return nil
		}
		lines = append(lines, labels.ReplaceAllStringFunc(line.String(), inOrder))
	}
	return lines
}

// labels are the only map in the demo's messages. The entries of a map have no order, and Envoy gives them none.
var labels = regexp.MustCompile(`"labels":\{[^{}]*\}`)

func inOrder(labels string) string {
	var entries map[string]json.RawMessage
	if json.Unmarshal([]byte(strings.TrimPrefix(labels, `"labels":`)), &entries) != nil {
		return labels
	}
	sorted, err := json.Marshal(entries)
	if err != nil {
		return labels
	}
	return `"labels":` + string(sorted)
}

// errorOf reads an error in either shape; nil if it is something else.
func errorOf(line string) *replyError {
	var body struct {
		Error   json.RawMessage
		Code    *int32
		Status  string
		Message string
		Details []any
	}
	if json.Unmarshal([]byte(line), &body) != nil {
		return nil
	}
	if body.Error != nil && json.Unmarshal(body.Error, &body) != nil || body.Code == nil {
		return nil
	}
	e := &replyError{code: body.Status, message: plain(body.Message), details: body.Details}
	if e.code == "" {
		e.code = code.Code(*body.Code).String()
	}
	for _, d := range body.Details {
		if m, ok := d.(map[string]any); ok && m["domain"] == "gatehouse" {
			e.reason = fmt.Sprint(m["reason"])
		}
	}
	return e
}

// plain undoes what protobuf's Go library does to its messages so that nobody compares them: some of its spaces cannot be
// broken.
func plain(s string) string { return strings.ReplaceAll(s, "\u00a0", " ") }

// agrees reports whether two answers say the same. Of an error that a gateway makes, status and code have to agree, but
// not its words; of a backend's, everything. A peer's error without a code agrees by its status.
func (a reply) agrees(ours reply) bool {
	if a.err != nil && a.err.code == "" && ours.err != nil {
		return a.status == ours.status && ours.err.reason != ""
	}
	if a.status != ours.status || a.empty != ours.empty || a.media != ours.media && !a.empty || (a.err == nil) != (ours.err == nil) {
		return false
	}
	if a.err == nil {
		return a.body == ours.body || reflect.DeepEqual(value(a.body), value(ours.body))
	}
	if a.err.code != ours.err.code {
		return false
	}
	return ours.err.reason != "" || a.err.message == ours.err.message && reflect.DeepEqual(a.err.details, ours.err.details)
}

// value reads JSON and keeps numbers as they are written.
func value(text string) (v any) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}

// oneLine replaces what cannot stand in a line of the files.
var oneLine = strings.NewReplacer("\n", `\n`, "\r", `\r`, "\x00", `\x00`)

// String is the answer in one line.
func (a reply) String() string {
	switch {
	case a.err == nil && a.empty:
		return fmt.Sprintf("%d", a.status)
	case a.err == nil && a.media == "application/json":
		return fmt.Sprintf("%d %s", a.status, a.body)
	case a.err == nil:
		return fmt.Sprintf("%d %s %s", a.status, a.media, a.body)
	}
	words := []string{fmt.Sprint(a.status), a.err.code}
	if a.err.reason != "" {
		words = append(words, a.err.reason)
	}
	return strings.Join(words, " ") + ": " + oneLine.Replace(a.err.message)
}
