//go:build !linux

package batch

import "errors"

// create needs files without names, which only Linux has.
func create(string, []byte) error { return errors.ErrUnsupported }
