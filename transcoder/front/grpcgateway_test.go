package front

import (
	"math"
	"net/http"
	"testing"
	"time"
)

// TestGRPCGatewayTimeout reads what grpc-gateway reads.
func TestGRPCGatewayTimeout(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1H": time.Hour, "2M": 2 * time.Minute, "3S": 3 * time.Second, "4m": 4 * time.Millisecond, "5u": 5 * time.Microsecond, "6n": 6,
		"": 0, "0S": 0, "00000000000000000001S": time.Second, "10000000000000000H": math.MaxInt64, "18446744073709551615n": math.MaxInt64,
	} {
		if got, ok, err := GRPCGatewayTimeout(http.Header{"Grpc-Timeout": {text}}); got != want || ok != (want > 0) || err != nil {
			t.Errorf("%s: %v, %v, %v", text, got, ok, err)
		}
	}
	for _, text := range []string{"S", "1", "1s", "-1S", "+1S", "1.5S", " 1S", "99999999999999999999S"} {
		if got, ok, err := GRPCGatewayTimeout(http.Header{"Grpc-Timeout": {text}}); err == nil {
			t.Errorf("%q: %v, %v", text, got, ok)
		}
	}
}
