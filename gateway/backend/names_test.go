package backend

import (
	"maps"
	"slices"
	"testing"

	"google.golang.org/grpc/metadata"
)

func TestNames(t *testing.T) {
	for _, c := range []struct {
		patterns, want []string
	}{
		{nil, []string{"etag", "x-a", "x-b-bin", "y"}},
		{[]string{"*"}, []string{"etag", "x-a", "x-b-bin", "y"}},
		{[]string{"X-*"}, []string{"x-a", "x-b-bin"}},
		{[]string{"x-B*", "ETag"}, []string{"etag", "x-b-bin"}},
		{[]string{"x", "x-", "x-a-*"}, nil},
	} {
		md := newNames(c.patterns).keep(metadata.Pairs("etag", "1", "x-a", "1", "x-b-bin", "1", "y", "1"))
		if got := slices.Sorted(maps.Keys(md)); !slices.Equal(got, c.want) {
			t.Errorf("%q let %q pass, want %q", c.patterns, got, c.want)
		}
	}
}
