package backend

import (
	"strings"

	"google.golang.org/grpc/metadata"
)

// names are the metadata keys that pass; nil lets all of them pass. They are safe for concurrent use.
type names struct {
	exact    map[string]bool
	prefixes []string
}

// newNames compiles a list of names in any case, or of their starts with "*" at the end. An empty one is nil.
func newNames(patterns []string) *names {
	if len(patterns) == 0 {
		return nil
	}
	n := &names{exact: map[string]bool{}}
	for _, p := range patterns {
		p = strings.ToLower(p)
		if prefix, open := strings.CutSuffix(p, "*"); open {
			n.prefixes = append(n.prefixes, prefix)
		} else {
			n.exact[p] = true
		}
	}
	return n
}

// have reports whether a key, in lower case, passes.
func (n *names) have(key string) bool {
	if n == nil || n.exact[key] {
		return true
	}
	for _, prefix := range n.prefixes {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// keep takes what does not pass out of md, and returns it.
func (n *names) keep(md metadata.MD) metadata.MD {
	if n == nil {
		return md
	}
	for key := range md {
		if !n.have(key) {
			delete(md, key)
		}
	}
	return md
}
