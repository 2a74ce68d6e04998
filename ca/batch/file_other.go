//go:build !linux

package batch

import (
	"errors"
	"os"
)

// create needs files without names, which only Linux has.
func create(*os.File, string, []byte) error { return errors.ErrUnsupported }
