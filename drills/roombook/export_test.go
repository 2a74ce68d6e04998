package roombook

import (
	"os"
	"path/filepath"
	"reflect"
)

// Failing is a disk that fails once, at a write or at a sync, before or after it
// did its work.
type Failing struct {
	File  string // name of the file that fails
	Write func(f *os.File, octets []byte) (int, error)
	Sync  func(f *os.File) error
}

// OpenFailing is Open on such a disk. Set the functions after it.
func OpenFailing(dir string, f *Failing) (*Book, error) {
	return openWith(dir, func(path string) (file, error) {
		under, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o600)
		return &failing{under, f}, err
	})
}

type failing struct {
	*os.File
	how *Failing
}

func (f *failing) mine() bool { return f.how.File == filepath.Base(f.Name()) }

func (f *failing) Write(octets []byte) (int, error) {
	if f.mine() && f.how.Write != nil {
		return f.how.Write(f.File, octets)
	}
	return f.File.Write(octets)
}

func (f *failing) Sync() error {
	if f.mine() && f.how.Sync != nil {
		return f.how.Sync(f.File)
	}
	return f.File.Sync()
}

// Bodies are one of each type of body, empty.
func Bodies() []Body {
	var out []Body
	for _, t := range bodies {
		out = append(out, reflect.Zero(t).Interface().(Body))
	}
	return out
}
