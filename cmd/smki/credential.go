package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// credentialPrefix begins a PIN file that the service manager hands over: systemd
// gives a unit its credentials (LoadCredential=) in a folder that no other process
// can read, and whose path differs from unit to unit. It is the one thing that is
// taken from the environment, because systemd tells it in no other way.
const credentialPrefix = "credential:"

// pinFile is where the PIN of the token is.
func (h *home) pinFile() (string, error) {
	name, is := strings.CutPrefix(h.Token.PINFile, credentialPrefix)
	if !is {
		return h.path(h.Token.PINFile), nil
	}
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return "", fmt.Errorf("opening the token: the PIN is the credential %q of a systemd unit, and this process has none: run the command with smki-run, or in a unit with LoadCredential=%s:FILE", name, name)
	}
	return filepath.Join(dir, name), nil
}

// checkCredential refuses a name that is a path: it could lead out of the folder of
// credentials.
func checkCredential(pin string) error {
	name, is := strings.CutPrefix(pin, credentialPrefix)
	if is && (name == "" || name != filepath.Base(name) || name == "." || name == "..") {
		return fmt.Errorf("--pin-file %q: after %q comes the name of a credential, such as %spin", pin, credentialPrefix, credentialPrefix)
	}
	return nil
}
