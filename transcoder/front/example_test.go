package front_test

import (
	"fmt"
	"net/http"

	"github.com/gatehouse-gateway/gatehouse/transcoder/front"
)

func ExampleMetadataFromHeader() {
	h := http.Header{
		"X-Tenant":            {"acme"},
		"X-Trace-Bin":         {"AQI="},
		"Gatehouse-Principal": {"root"},     // only the gateway says this
		"Content-Type":        {"text/css"}, // about this request, not for the backend
	}
	md, dropped := front.MetadataFromHeader(h, front.HyphenNames)
	fmt.Printf("%q, %d dropped\n", map[string][]string(md), dropped)
	// Output: map["x-tenant":["acme"] "x-trace-bin":["\x01\x02"]], 1 dropped
}
