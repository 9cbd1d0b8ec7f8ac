package rest

import (
	"strings"
	"testing"
)

// FuzzReadParts holds what is read of any parts to what the body had room for.
func FuzzReadParts(f *testing.F) {
	for _, body := range []string{
		"--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--b--\r\n",
		"--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"\"\r\nContent-Type: a/b\r\n\r\n\r\n--b\r\n--b--",
		"--b\nContent-Disposition: form-data; name=a\n\nx\n--b--\n",
		"--b--", "--b\r\n\r\n", "", strings.Repeat("--b\r\n", 100),
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		values, err := readParts(body, "b")
		if err != nil {
			return
		}
		size := 0
		for _, v := range values {
			if size += len(v.Name) + len(v.Value) + len(v.Media); v.Name == "" {
				t.Errorf("a part without a name: %+v", v)
			}
		}
		if size > len(body) || len(values) > formFieldsMax {
			t.Errorf("%d values of %d bytes, of a body of %d", len(values), size, len(body))
		}
	})
}
