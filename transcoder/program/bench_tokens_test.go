//go:build goexperiment.jsonv2

package program

import (
	"bytes"
	"encoding/json/jsontext"
	"io"
)

func init() {
	tokens = func(text []byte) error {
		d := jsontext.NewDecoder(bytes.NewReader(text))
		for {
			switch _, err := d.ReadToken(); err {
			case nil:
			case io.EOF:
				return nil
			default:
				return err
			}
		}
	}
}
