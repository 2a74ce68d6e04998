package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// plainJSON refuses a text that two readers could read in two ways: a member
// named twice in one object, also in other case, since some readers take the
// first, some the last, and some do not tell "Finding" from "finding".
func plainJSON(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	if err := plainValue(decoder, 0); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	return nil
}

// maxDepth is deeper than any entry, and shallower than any stack.
const maxDepth = 32

func plainValue(decoder *json.Decoder, depth int) error {
	token, err := decoder.Token()
	if err != nil {
		return fmt.Errorf("it is no JSON: %v", err)
	}
	delim, is := token.(json.Delim)
	if !is {
		return nil
	}
	if depth == maxDepth {
		return fmt.Errorf("it is nested more than %d deep", maxDepth)
	}
	named := map[string]bool{}
	for decoder.More() {
		if delim == '{' {
			token, err := decoder.Token()
			if err != nil {
				return fmt.Errorf("it is no JSON: %v", err)
			}
			name, _ := token.(string)
			folded := strings.ToLower(name)
			if named[folded] {
				return fmt.Errorf("the member %q stands there twice", name)
			}
			named[folded] = true
		}
		if err := plainValue(decoder, depth+1); err != nil {
			return err
		}
	}
	_, err = decoder.Token()
	return err
}
