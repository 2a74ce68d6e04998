package main

import (
	"fmt"
	"os"
	"path/filepath"

	"smki.example/cmd/clikit"
	"smki.example/drills/journal"
)

// recordKey reads the installation's record key, or makes it at first use. It
// lies outside every pack, in the user's configuration folder, readable by the
// user alone: whoever has it can sign a forged record of this installation, and
// only words in older minutes would show it.
func recordKey(path string) (*journal.Key, error) {
	if path == "" {
		dir, err := os.UserConfigDir()
		if err != nil {
			return nil, clikit.Usagef("drill run: there is no configuration folder for the record key (%v): name the key's file with --record-key", err)
		}
		path = filepath.Join(dir, "smki-drill", "record.key")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("making the record key: %w", err)
	}
	return journal.LoadKey(path)
}
