package ca

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// ReadStrict reads one JSON value and nothing else: a field that v does not have is an
// error, and so is anything that follows. It is for what people write and programs
// must not half understand: tables of rules, settings, what was approved.
func ReadStrict(b []byte, v any) error {
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the value")
	}
	return nil
}
