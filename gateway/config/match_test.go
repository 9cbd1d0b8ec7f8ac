package config_test

import (
	"testing"

	"github.com/gatehouse-gateway/gatehouse/gateway/config"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"", "acme.Orders", true},
		{"*", "acme.Orders", true},
		{"acme.*", "acme.Orders", true},
		{"acme.*", "acme.Orders.Get", true},
		{"acme.*", "acme", false},
		{"acme.*", "acmeorders.Orders", false},
		{"acme.Or*", "acme.Orders", true},
		{"acme.Orders", "acme.Orders", true},
		{"acme.Orders", "acme.Orders.Get", false},
		{"acme.Orders", "acme.orders", false},
		{"acme.Orders.Get", "acme.Orders.Get", true},
		{"acme.Orders.Get", "acme.Orders.GetAll", false},
	} {
		if got := config.Match(c.pattern, c.name); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.pattern, c.name, got)
		}
	}
}
