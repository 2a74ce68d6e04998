package softhsm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const (
	tokenFileName = "token.object"
	// keptName is the directory of the copies, beside that of the tokens, where SoftHSM
	// would take it for a token. It is part of a backup.
	keptName = "kept"
)

// Keep makes a copy of each token file that is whole and has a user PIN, unless there is
// one that says the same. It is called before C_Login, which is what tears the
// file, so a token made by anything at all is safe from its first login here. When Keep
// returns nil the copies are on disk; if it fails, C_Login must not be called.
//
// A copy holds what the token's file holds, the token's key under each PIN, and may be read by
// the owner of that file alone. Whoever can change it can, after the next crash, make
// the token unusable; whoever can do that could have deleted the token.
//
// Where the parent of the token directory belongs to somebody else, as that of a system-wide
// SoftHSM may, there is no copy, and no error.
func (h *Held) Keep() error {
	if h == nil {
		return nil
	}
	files, err := h.tokenFiles()
	if err != nil {
		return err
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("keeping a copy of %q: %w", file, err)
		}
		now, is := readTokenFile(b)
		if is != whole {
			continue
		}
		copied, err := os.ReadFile(h.kept(file))
		if err == nil {
			if before, is := readTokenFile(copied); is == whole && now.same(before) {
				continue
			}
		}
		if err := h.copy(file, b); err != nil && !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("keeping a copy of %q, without which a login may cost the token: %w", file, err)
		}
	}
	return nil
}

// Settle returns when the files of all keys are on disk, which SoftHSM itself does
// not see to. It is called after keys were made or destroyed.
func (h *Held) Settle() error {
	if h == nil {
		return nil
	}
	tokens, err := os.ReadDir(h.dir)
	if err != nil {
		return fmt.Errorf("putting the keys on disk: %w", err)
	}
	for _, token := range tokens {
		if !token.IsDir() {
			continue
		}
		if err := settle(filepath.Join(h.dir, token.Name())); err != nil {
			return fmt.Errorf("putting the keys on disk: %w", err)
		}
	}
	return nil
}

// settle puts the objects in a token's directory on disk, and their names.
func settle(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) != ".object" {
			continue
		}
		if err := syncPath(filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	return syncPath(dir)
}

// mend puts each torn token file back. It writes into the file that is there, as SoftHSM does,
// so that the file keeps its owner; if this is cut short, the copy is as good as before.
func (h *Held) mend() error {
	files, err := h.tokenFiles()
	if err != nil {
		return err
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if _, is := readTokenFile(b); is != torn {
			continue
		}
		good, err := os.ReadFile(h.kept(file))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%q is torn, and its copy cannot be read: %w", file, err)
		}
		if _, is := readTokenFile(good); is != whole {
			h.torn = append(h.torn, file)
			continue
		}
		if err := os.WriteFile(file, good, 0o600); err != nil {
			return fmt.Errorf("putting %q back from %q: %w", file, h.kept(file), err)
		}
		if err := syncPath(file); err != nil {
			return fmt.Errorf("putting %q back from %q: %w", file, h.kept(file), err)
		}
		h.mended = append(h.mended, file)
	}
	return nil
}

// tokenFiles returns the path of each token's file.
func (h *Held) tokenFiles() ([]string, error) {
	tokens, err := os.ReadDir(h.dir)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, token := range tokens {
		file := filepath.Join(h.dir, token.Name(), tokenFileName)
		if info, err := os.Lstat(file); err == nil && info.Mode().IsRegular() {
			files = append(files, file)
		}
	}
	return files, nil
}

// kept returns where the copy of a token file is.
func (h *Held) kept(file string) string {
	return filepath.Join(filepath.Dir(h.dir), keptName, filepath.Base(filepath.Dir(file))+"."+tokenFileName)
}

// copy writes content, which is that of file, to the place of its copy: whole or not at all.
func (h *Held) copy(file string, content []byte) error {
	path := h.kept(file)
	dir := filepath.Dir(path)
	if err := os.Mkdir(dir, 0o700); err == nil {
		err = errors.Join(ownedLike(dir, h.dir), syncPath(filepath.Dir(dir)))
		if err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := replace(path, content); err != nil {
		return err
	}
	if err := ownedLike(path, file); err != nil {
		return err
	}
	return syncPath(dir)
}

// ownedLike gives path the owner of model, if this process may: what the administrator's
// process keeps, the CA's must be able to read.
func ownedLike(path, model string) error {
	info, err := os.Stat(model)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return os.Chown(path, int(owner.Uid), int(owner.Gid))
}

// syncPath puts a file or the names in a directory on disk.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
