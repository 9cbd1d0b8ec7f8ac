package openapi

import (
	"bytes"
	"encoding/json"
	"slices"
)

// object is a JSON object whose members keep the order in which they were set: documents are read by people, too.
type object struct {
	keys   []string
	values map[string]any
}

func newObject() *object { return &object{values: map[string]any{}} }

// pairs makes an object of keys and values in turn.
func pairs(keysAndValues ...any) *object {
	o := newObject()
	for i := 0; i < len(keysAndValues); i += 2 {
		o.set(keysAndValues[i].(string), keysAndValues[i+1])
	}
	return o
}

func (o *object) set(key string, value any) {
	if _, there := o.values[key]; !there {
		o.keys = append(o.keys, key)
	}
	o.values[key] = value
}

// setText sets a member that is left out when there is nothing to say.
func (o *object) setText(key, text string) {
	if text != "" {
		o.set(key, text)
	}
}

func (o *object) get(key string) any { return o.values[key] }

// clone copies the object, not what its values hold.
func (o *object) clone() *object {
	c := newObject()
	for _, key := range o.keys {
		c.set(key, o.values[key])
	}
	return c
}

// MarshalJSON implements json.Marshaler.
func (o *object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	b.WriteByte('{')
	for i, key := range o.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := encoder.Encode(key); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := encoder.Encode(o.values[key]); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// take removes a member and returns it; nil if it is not there.
func (o *object) take(key string) any {
	value := o.values[key]
	delete(o.values, key)
	o.keys = slices.DeleteFunc(o.keys, func(k string) bool { return k == key })
	return value
}
