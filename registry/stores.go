package registry

import (
	"fmt"
	"strings"

	"github.com/gatehouse-gateway/gatehouse/registry/store"
	"github.com/gatehouse-gateway/gatehouse/registry/store/bolt"
)

// kind is one way to keep a Revision.
type kind struct {
	// scheme is what addresses of the kind begin with.
	scheme string
	open   func(rest string) (store.Store, error)
}

// stores is the table of stores. A new one is a folder in store/ that passes storetest, and a line here.
func stores() []kind {
	return []kind{
		{"file://", func(dir string) (store.Store, error) { return bolt.Open(dir) }},
	}
}

// OpenStore opens the store at an address: a folder, or a scheme of the table with what its store makes of the rest.
// The caller closes it.
func OpenStore(address string) (store.Store, error) {
	if address == "" {
		return nil, fmt.Errorf("the registry needs a folder for its data")
	}
	if !strings.Contains(address, "://") {
		address = "file://" + address
	}
	var known []string
	for _, k := range stores() {
		if rest, ok := strings.CutPrefix(address, k.scheme); ok {
			return k.open(rest)
		}
		known = append(known, k.scheme)
	}
	return nil, fmt.Errorf("there is no registry store for %s; name a folder, or an address that begins with %s",
		address, strings.Join(known, " or "))
}
