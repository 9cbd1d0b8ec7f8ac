package accesslog

import (
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// explain adds why a call failed: for the gateway's own errors the reason, the rule and the cause, for a backend's
// status its message.
func (r *record) explain(err error, st *status.Status) {
	r.message = cut(st.Message(), textBytesMax)
	if _, several := err.(interface{ Unwrap() []error }); several { // the call's own error, and panics of records
		r.cause = cut(err.Error(), causeBytesMax)
	}
	var own *rpc.Error
	if errors.As(err, &own) {
		r.reason = own.Reason()
		r.rule = ruleOf(st)
		if fields := fieldsOf(st); fields != "" {
			r.message = cut(fields, textBytesMax)
		}
		if r.cause == "" && own.Unwrap() != nil {
			r.cause = cut(own.Unwrap().Error(), causeBytesMax)
		}
		return
	}
	if err != nil && status.Code(err) == codes.Unknown { // not a status: its text is for the operator
		r.cause = cut(err.Error(), causeBytesMax)
	}
}

// ruleOf returns the policy rule that an error of the gateway names.
func ruleOf(st *status.Status) string {
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == rpc.Domain {
			return cut(info.GetMetadata()["rule"], textBytesMax)
		}
	}
	return ""
}

// fieldsOf says which fields of a request are wrong, and by which rule, where that is why it was refused. What the
// caller is told of them may quote the request; that stays between the two.
func fieldsOf(st *status.Status) string {
	var fields []string
	for _, d := range st.Details() {
		if bad, ok := d.(*errdetails.BadRequest); ok {
			for _, v := range bad.GetFieldViolations() {
				fields = append(fields, v.GetField()+": "+v.GetReason())
			}
		}
	}
	return strings.Join(fields, ", ")
}

// append writes the record as one line of JSON.
func (r *record) append(b []byte) []byte {
	b = append(b, `{"time":"`...)
	b = r.at.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z07:00")
	b = append(b, '"')
	if r.method != "" {
		b = field(b, "method", r.method)
		b = field(b, "code", code.Code(r.code).String())
	} else {
		b = field(b, "verb", r.verb)
		b = field(b, "path", r.path)
		b = append(b, `,"http":`...)
		b = strconv.AppendInt(b, int64(r.httpStatus), 10)
	}
	b = field(b, "protocol", r.protocol)
	b = field(b, "listener", r.listener.String())
	if r.principal != nil {
		b = field(b, "principal", r.principal.Name)
		b = field(b, "issuer", r.principal.Issuer)
	}
	if r.client.IsValid() {
		b = append(b, `,"client":"`...)
		b = r.client.WithZone("").AppendTo(b)
		b = append(b, '"')
	}
	if r.method != "" {
		b = append(b, `,"latency_ms":`...)
		b = appendMillis(b, r.took)
	}
	b = field(b, "decision_id", r.id)
	for _, f := range [...]struct{ key, value string }{
		{"reason", r.reason}, {"rule", r.rule}, {"message", r.message},
	} {
		if f.value != "" {
			b = field(b, f.key, f.value)
		}
	}
	if r.cause != "" {
		b = append(b, `,"cause":`...)
		b = quote(b, r.cause, causeBytesMax)
	}
	return append(b, '}', '\n')
}

// appendDropped writes the line that says how many records are missing before it.
func appendDropped(b []byte, at time.Time, n uint64) []byte {
	b = append(b, `{"time":"`...)
	b = at.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z07:00")
	b = append(b, `","dropped":`...)
	b = strconv.AppendUint(b, n, 10)
	return append(b, '}', '\n')
}

// field writes one member.
func field(b []byte, key, value string) []byte {
	b = append(b, ',', '"')
	b = append(b, key...)
	b = append(b, '"', ':')
	return quote(b, value, textBytesMax)
}

// appendMillis writes a duration in milliseconds with three digits.
func appendMillis(b []byte, d time.Duration) []byte {
	micros := max(d.Microseconds(), 0)
	b = strconv.AppendInt(b, micros/1000, 10)
	rest := micros % 1000
	return append(b, '.', byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10))
}

const hexDigits = "0123456789abcdef"

// quote writes s as a JSON string of printable characters, at most bytesMax bytes of s. Everything that could act on a
// terminal or a log reader (controls, escape sequences, bidirectional overrides) is escaped; invalid UTF-8 becomes
// U+FFFD.
func quote(b []byte, s string, bytesMax int) []byte {
	s = cut(s, bytesMax)
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			i++
			switch {
			case c == '"' || c == '\\':
				b = append(b, '\\', c)
			case c == '\n':
				b = append(b, '\\', 'n')
			case c < 0x20 || c == 0x7f:
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			default:
				b = append(b, c)
			}
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		switch {
		case unicode.IsPrint(r):
			b = utf8.AppendRune(b, r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			b = escape(escape(b, hi), lo)
		default:
			b = escape(b, r)
		}
	}
	return append(b, '"')
}

// escape writes \uXXXX.
func escape(b []byte, r rune) []byte {
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

// cut shortens s to at most n bytes, never inside a character, and marks that it did.
func cut(s string, n int) string {
	const mark = "…"
	if len(s) <= n {
		return s
	}
	n -= len(mark)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + mark
}
