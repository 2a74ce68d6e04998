package softhsm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// ErrNotInstalled says that no SoftHSM library was found on this machine. The
// error that wraps it says how to install one.
var ErrNotInstalled = errors.New("SoftHSM is not installed")

// places lists where distributions put the library, the likelier first. The
// entries are patterns of [filepath.Glob], since multiarch and Homebrew put a
// name that varies in the middle.
var places = []string{
	"/usr/lib/softhsm/libsofthsm2.so",              // Debian, Ubuntu, Arch, Alpine
	"/usr/lib/*-linux-gnu*/softhsm/libsofthsm2.so", // Debian, Ubuntu (multiarch)
	"/usr/lib64/pkcs11/libsofthsm2.so",             // Fedora, RHEL
	"/usr/lib64/softhsm/libsofthsm2.so",            // Fedora, openSUSE
	"/usr/lib64/softhsm/libsofthsm.so",             // Fedora, by its older name
	"/usr/lib64/libsofthsm2.so",                    // Fedora
	"/usr/lib/pkcs11/libsofthsm2.so",               // Arch, 32-bit Fedora
	"/usr/lib/libsofthsm2.so",
	"/opt/homebrew/lib/softhsm/libsofthsm2.so",              // macOS on Apple silicon
	"/opt/homebrew/opt/softhsm/lib/softhsm/libsofthsm2.so",  // the same, not linked
	"/usr/local/opt/softhsm/lib/softhsm/libsofthsm2.so",     // macOS on Intel, not linked
	"/home/linuxbrew/.linuxbrew/lib/softhsm/libsofthsm2.so", // Homebrew on Linux
	"/usr/local/lib/softhsm/libsofthsm2.so",                 // macOS on Intel, FreeBSD, built from source
	"/usr/local/lib64/softhsm/libsofthsm2.so",
}

// Find returns the path of the SoftHSM library that the system's package manager
// installed on Debian, Ubuntu, Fedora, Arch, Alpine or, through Homebrew, macOS.
// If there is none the error wraps [ErrNotInstalled] and says what to install.
//
// The library is code that this process will run: it is looked for only in
// places that the administrator owns, never in a path from the environment.
func Find() (string, error) {
	for _, pattern := range places {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			return "", fmt.Errorf("looking for SoftHSM in %q: %w", pattern, err)
		}
		for _, path := range matches {
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("looking for libsofthsm2: %w: %s", ErrNotInstalled, hint())
}

// hint says how to install SoftHSM on the system this process runs on.
func hint() string {
	if runtime.GOOS == "darwin" {
		return "install it with: brew install softhsm"
	}
	for _, manager := range []struct{ path, command string }{
		{"/usr/bin/apt-get", "sudo apt-get install softhsm2"},
		{"/usr/bin/dnf", "sudo dnf install softhsm"},
		{"/usr/bin/pacman", "sudo pacman -S softhsm"},
		{"/usr/bin/zypper", "sudo zypper install softhsm"},
		{"/sbin/apk", "sudo apk add softhsm"},
	} {
		if _, err := os.Stat(manager.path); err == nil {
			return "install it with: " + manager.command
		}
	}
	return "install the package softhsm2 (Debian, Ubuntu) or softhsm (Fedora, Arch, Homebrew)"
}
