package websocket

import "testing"

func TestCredentialOf(t *testing.T) {
	for text, want := range map[string]string{
		`{"authorization":"Bearer a.b"}`:                    "Bearer a.b",
		" {\n\"authorization\" : \"Bearer \\u0061.b\" } \t": "Bearer a.b",
		`{"\u0061uthorization":"Basic x"}`:                  "Basic x",
		``:                                                  "",
		`Bearer a`:                                          "",
		`"Bearer a"`:                                        "",
		`null`:                                              "",
		`{}`:                                                "",
		`["authorization","Bearer a"]`:                      "",
		`{"Authorization":"Bearer a"}`:                      "",
		`{"authorization":""}`:                              "",
		`{"authorization":7}`:                               "",
		`{"authorization":null}`:                            "",
		`{"authorization":["Bearer a"]}`:                    "",
		`{"authorization":{"authorization":"Bearer a"}}`:           "",
		`{"authorization":"Bearer a","authorization":"Bearer b"}`:  "",
		`{"authorization":"Bearer a","x":1}`:                       "",
		`{"x":1,"authorization":"Bearer a"}`:                       "",
		`{"authorization":"Bearer a"}{"authorization":"Bearer b"}`: "",
		`{"authorization":"Bearer a"`:                              "",
		`{"authorization":"Bearer a",}`:                            "",
		`{"authorization":"Bearer a"}x`:                            "",
		`{"authorization":"Bearer a\r\nx-user-id: root"}`:          "",
		`{"authorization":"Bearer ä"}`:                             "",
		`{"authorization":"Bearer \ud800"}`:                        "",
		"{\"authorization\":\"Bearer \xff\"}":                      "",
		"\ufeff" + `{"authorization":"Bearer a"}`:                  "",
	} {
		got, err := credentialOf([]byte(text))
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v; want %q", text, got, err, want)
		}
	}
}
