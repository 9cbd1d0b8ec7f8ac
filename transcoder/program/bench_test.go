package program

import (
	"fmt"
	"strings"
)

// bodies are a small message and a large one, both with a bit of everything that real messages have.
func bodies() map[string]string {
	book := `{"name":"publishers/1/books/%d","title":"The title of a book","author":{"givenName":"Ada","familyName":"L"},` +
		`"tags":["a","bb","ccc"],"labels":{"k":"v"},"published":"2020-01-02T03:04:05.5Z","pageCount":%[1]d,"color":"RED"}`
	var list []string
	for i := range 1000 {
		list = append(list, fmt.Sprintf(`{"a":"element %d","bC":%d,"at":"2020-01-02T03:04:05Z","tags":["x"]}`, i, i))
	}
	return map[string]string{
		"Book":  fmt.Sprintf(book, 7),
		"Kinds": `{"rsub":[` + strings.Join(list, ",") + `]}`,
	}
}
