package custody

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Seal splits the PIN in pinFile into n shares of which k open it, and removes
// the file: from then on the PIN exists only as shares.
//
// Before the file goes, the first k and the last k shares are put together
// again and compared, so that nothing is lost to a split that cannot be undone.
// When Seal fails the file is still there. The file is overwritten and then
// removed; on a disk that writes elsewhere (flash, copy on write) the old
// blocks may survive, so a PIN that was ever on disk is as safe as that disk.
func Seal(pinFile string, k, n int, random io.Reader) ([]Share, error) {
	content, err := os.ReadFile(pinFile)
	if err != nil {
		return nil, fmt.Errorf("sealing a PIN: %w", err)
	}
	defer clear(content)
	pin := bytes.TrimRight(content, "\r\n")
	shares, err := Split(pin, k, n, random)
	if err != nil {
		return nil, fmt.Errorf("sealing PIN file %q: %w", pinFile, err)
	}
	for _, some := range [][]Share{shares[:k], shares[n-k:]} {
		again, err := Combine(some)
		same := bytes.Equal(again, pin)
		clear(again)
		if err != nil || !same {
			return nil, fmt.Errorf("custody: internal error: shares of %q do not give it back: %w", pinFile, err)
		}
	}
	if err := shred(pinFile, len(content)); err != nil {
		return nil, fmt.Errorf("sealing PIN file %q: removing it: %w", pinFile, err)
	}
	return shares, nil
}

func shred(path string, size int) error {
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	noise := make([]byte, size)
	if _, err := io.ReadFull(rand.Reader, noise); err != nil {
		return errors.Join(err, file.Close())
	}
	_, err = file.WriteAt(noise, 0)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
