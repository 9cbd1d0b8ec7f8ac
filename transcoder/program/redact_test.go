package program

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"

	"github.com/gatehouse-gateway/gatehouse/rpc"
)

// TestSecretsAreNotRepeated sends a canary where it is refused, in every way that a value is, and looks for it in what
// the caller is told.
func TestSecretsAreNotRepeated(t *testing.T) {
	const canary = "4711canary"
	for _, name := range []string{"Secretive", "Holder"} {
		md := message(t, name)
		r, err := compiler(t).Request(md, RequestRule{HTTPMethod: "POST", Body: "*"}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range []string{
			`{"pin":"` + canary + `"}`,
			`{"pin":4711` + `.5}`,
			`{"password":"` + canary + `\q"}`,
			`{"password":"\q` + canary + `"}`,
			`{"password":["` + canary + `"]}`,
			`{"password":x` + canary + `}`,
			`{"open":"` + canary + `"}`, // a value in the wrong field may be the secret
			`{"inner":{"pin":"` + canary + `"}}`,
			`{"secretives":["` + canary + `"]}`,
			`{"secretives":[{"pin":"` + canary + `"}]}`,
			`"` + canary + `"`,
			`{} "` + canary + `"`,
		} {
			refusedWithout(t, r, Input{Body: []byte(body)}, canary, "4711")
		}
	}
	q, err := compiler(t).Request(message(t, "Secretive"), RequestRule{HTTPMethod: "GET", Vars: []string{"inner.pin"}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	refusedWithout(t, q, Input{Path: []string{canary}}, canary)
	refusedWithout(t, q, Input{Path: []string{"1"}, Query: "pin=" + canary}, canary)
}

func refusedWithout(t *testing.T, r *Request, in Input, secrets ...string) {
	t.Helper()
	_, _, err := r.AppendWire(nil, in)
	if err == nil {
		t.Errorf("%s%s is accepted", in.Body, in.Query)
		return
	}
	told := err.Error() + prototext.Format(rpc.StatusOf(err).Proto())
	for _, secret := range secrets {
		if strings.Contains(told, secret) {
			t.Errorf("%s%s: the caller is told %s", in.Body, in.Query, told)
		}
	}
}
