// Package policytest helps tests that need SMKI certificates: it finds the
// public test material, which is never part of this repository, and makes
// hierarchies whose keys are in memory.
//
// Everything it makes is of the exercise environment and for tests only: the
// private keys are ordinary Go values. Start with [NewHierarchy], and with
// [Vectors] for the published certificates and messages.
package policytest

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Vectors returns the directory of the public test vectors, with the folders
// certs and rtds: the one that SMKI_VECTORS names, else shared/vectors beside
// the repository. Without it the test is skipped, or fails if SMKI_NO_SKIP is
// 1, as it is where every test must run.
//
// The vectors belong to others and are under other licences, which is why they
// are read in place and never copied here.
func Vectors(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("SMKI_VECTORS")
	if dir == "" {
		_, file, _, _ := runtime.Caller(0)
		dir = filepath.Join(filepath.Dir(file), "..", "..", "..", "shared", "vectors")
	}
	if info, err := os.Stat(filepath.Join(dir, "certs")); err == nil && info.IsDir() {
		return filepath.Clean(dir)
	}
	const how = "no public test vectors in %q: set SMKI_VECTORS to a folder with the RTDS messages (rtds) and the test certificates (certs)"
	if os.Getenv("SMKI_NO_SKIP") == "1" {
		t.Fatalf(how, dir)
	}
	t.Skipf(how, dir)
	return ""
}
