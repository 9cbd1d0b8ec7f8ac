package program

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// extensions are those of one message type that a machine has met so far. The resolver bounds their number: what it
// does not know is not kept.
type extensions struct {
	finding sync.Mutex // held while known is replaced
	known   atomic.Pointer[map[protowire.Number]*field]
	named   atomic.Pointer[map[string]*field]
}

// extension returns the extension of t with this number, or nil if there is none. The error is the resolver's.
func (t *table) extension(n protowire.Number) (*field, error) {
	if known := t.extensions.known.Load(); known != nil {
		if f := (*known)[n]; f != nil {
			return f, nil
		}
	}
	if t.sealed || !t.md.ExtensionRanges().Has(n) {
		return nil, nil
	}
	xt, err := t.compiler.types.FindExtensionByNumber(t.md.FullName(), n)
	switch {
	case errors.Is(err, protoregistry.NotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("extension %d of %s: %w", n, t.md.FullName(), err)
	}
	return t.addExtension(xt.TypeDescriptor())
}

// extensionByName returns the extension of t with this full name, or nil if nothing has that name. The error says that
// what has the name does not extend t.
func (t *table) extensionByName(name []byte) (*field, error) {
	if named := t.extensions.named.Load(); named != nil {
		if f := (*named)[string(name)]; f != nil {
			return f, nil
		}
	}
	xt, err := t.compiler.types.FindExtensionByName(protoreflect.FullName(name))
	switch {
	case errors.Is(err, protoregistry.NotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("unable to resolve [%s]", clip(string(name), bodyTextMax))
	}
	fd := xt.TypeDescriptor()
	if fd.ContainingMessage().FullName() != t.md.FullName() || !t.md.ExtensionRanges().Has(fd.Number()) {
		return nil, fmt.Errorf("message %s cannot be extended by %s", t.md.FullName(), fd.FullName())
	}
	return t.addExtension(fd)
}

// addExtension makes the field of an extension and publishes it, by copy: readers take no lock.
func (t *table) addExtension(fd protoreflect.FieldDescriptor) (*field, error) {
	t.extensions.finding.Lock()
	defer t.extensions.finding.Unlock()
	known := map[protowire.Number]*field{}
	if before := t.extensions.known.Load(); before != nil {
		if f := (*before)[fd.Number()]; f != nil {
			return f, nil
		}
		known = maps.Clone(*before)
	}
	f := &field{}
	if err := f.build(t, fd, len(t.fields)+len(known)); err != nil {
		return nil, err
	}
	known[f.number] = f
	t.extensions.known.Store(&known)
	named := make(map[string]*field, len(known))
	for _, f := range known {
		named[string(f.fd.FullName())] = f
	}
	t.extensions.named.Store(&named)
	return f, nil
}
