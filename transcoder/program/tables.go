package program

import (
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// tables are all tables of one compiler. The zero value is ready, and safe for concurrent use.
type tables struct {
	mu       sync.RWMutex
	messages map[messageKey]*table
	enums    map[enumKey]*enum
	byURL    atomic.Pointer[map[urlKey]*table] // what Anys have named; replaced by copies, under mu
}

type messageKey struct {
	md    protoreflect.MessageDescriptor
	style style
}

type enumKey struct {
	ed    protoreflect.EnumDescriptor
	style style
}

type urlKey struct {
	url   string
	style style
}

// Bounds of the caches. A schema has fewer types than that; but a resolver may make a type anew each time it is asked,
// and whoever writes an Any may put anything before the last slash of its URL. What is beyond is compiled each time.
const (
	tablesMax   = 1 << 18
	urlsMax     = 1 << 10
	urlBytesMax = 1 << 9
)

// table returns the table of md, not yet compiled if nobody has asked for it before.
func (c *Compiler) table(md protoreflect.MessageDescriptor, s style) *table {
	key := messageKey{md, s}
	c.tables.mu.RLock()
	t := c.tables.messages[key]
	c.tables.mu.RUnlock()
	if t != nil {
		return t
	}
	c.tables.mu.Lock()
	defer c.tables.mu.Unlock()
	if t := c.tables.messages[key]; t != nil {
		return t
	}
	if c.tables.messages == nil {
		c.tables.messages = map[messageKey]*table{}
	}
	t = &table{md: md, style: s, compiler: c}
	if len(c.tables.messages) < tablesMax {
		c.tables.messages[key] = t
	}
	return t
}

// enum returns what the machines know about ed.
func (c *Compiler) enum(ed protoreflect.EnumDescriptor, s style) *enum {
	s &= styleEnumNumbers // the rest makes no difference
	key := enumKey{ed, s}
	c.tables.mu.RLock()
	e := c.tables.enums[key]
	c.tables.mu.RUnlock()
	if e != nil {
		return e
	}
	e = newEnum(ed, s)
	c.tables.mu.Lock()
	defer c.tables.mu.Unlock()
	if c.tables.enums == nil {
		c.tables.enums = map[enumKey]*enum{}
	}
	if len(c.tables.enums) < tablesMax {
		c.tables.enums[key] = e
	}
	return e
}

// tableByURL returns the table of the type that an Any names. Its error names the URL.
func (c *Compiler) tableByURL(url []byte, s style) (*table, error) {
	if known := c.tables.byURL.Load(); known != nil {
		if t := (*known)[urlKey{string(url), s}]; t != nil {
			return t, nil
		}
	}
	mt, err := c.types.FindMessageByURL(string(url))
	if err != nil {
		return nil, fmt.Errorf("no type %q: %w", clip(string(url), urlBytesMax), err)
	}
	t := c.table(mt.Descriptor(), s)
	if len(url) <= urlBytesMax {
		c.tables.keepURL(urlKey{string(url), s}, t)
	}
	return t, nil
}

func (t *tables) keepURL(key urlKey, of *table) {
	t.mu.Lock()
	defer t.mu.Unlock()
	known := map[urlKey]*table{}
	if before := t.byURL.Load(); before != nil {
		if len(*before) >= urlsMax {
			return
		}
		known = maps.Clone(*before)
	}
	known[key] = of
	t.byURL.Store(&known)
}
