package front

import (
	"math"
	"net/http"
	"reflect"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"
)

// TestGRPCGatewayMetadata: what a backend behind grpc-gateway finds, and no name that a client could not set otherwise.
func TestGRPCGatewayMetadata(t *testing.T) {
	for _, c := range []struct {
		name, value string
		want        metadata.MD
		dropped     int
	}{
		{"Grpc-Metadata-Tenant", "t", metadata.MD{"tenant": {"t"}}, 0},
		{"Grpc-Metadata-Tenant_id", "t", metadata.MD{"tenant_id": {"t"}}, 0},
		{"Grpc-Metadata-Tenant.id", "t", metadata.MD{"tenant.id": {"t"}}, 0},
		{"Grpc-Metadata-Raw-Bin", "AAE", metadata.MD{"raw-bin": {"\x00\x01"}}, 0},
		{"Grpc-Metadata-Raw-Bin", "!", metadata.MD{}, 1},
		{"Grpc-Metadata-Bad", "\xff", metadata.MD{}, 1},
		{"Grpc-Metadata-Authorization", "Bearer x", metadata.MD{}, 1},
		{"Grpc-Metadata-X-Api-Key", "x", metadata.MD{}, 1},
		{"Grpc-Metadata-X_api_key", "x", metadata.MD{}, 1},
		{"Grpc-Metadata-Gatehouse-Principal", "root", metadata.MD{}, 1},
		{"Grpc-Metadata-Gatehouse.principal", "root", metadata.MD{}, 1},
		{"Grpc-Metadata-Grpcgateway-Cookie", "forged", metadata.MD{}, 1},
		{"Grpc-Metadata-Grpcgateway_cookie", "forged", metadata.MD{}, 1},
		{"Grpc-Metadata-X-Forwarded-For", "9.9.9.9", metadata.MD{}, 1},
		{"Grpc-Metadata-Grpc-Timeout", "1n", metadata.MD{}, 1},
		{"Grpcgateway-Cookie", "forged", metadata.MD{}, 1},
		{"Gatehouse-Principal", "root", metadata.MD{}, 1},
		{"Cookie", "a=b", metadata.MD{"grpcgateway-cookie": {"a=b"}}, 0},
		{"Authorization", "Bearer x", metadata.MD{"authorization": {"Bearer x"}, "grpcgateway-authorization": {"Bearer x"}}, 0},
		{"X-Api-Key", "x", metadata.MD{"x-api-key": {"x"}}, 0},
		{"Traceparent", "00-1-2-01", metadata.MD{"traceparent": {"00-1-2-01"}}, 0},
		{"X-Tenant", "t", metadata.MD{}, 0},
		{"If-None-Match", "x", metadata.MD{"grpcgateway-if-none-match": {"x"}}, 0},
		{"Te", "trailers", metadata.MD{}, 0},
	} {
		if md, dropped := MetadataFromHeader(http.Header{c.name: {c.value}}, GRPCGatewayNames); !reflect.DeepEqual(md, c.want) || dropped != c.dropped {
			t.Errorf("%s: %v, %d dropped, want %v, %d", c.name, md, dropped, c.want, c.dropped)
		}
	}
}

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
