package storetest

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// onPostgres names the variable that tells a test binary to stand on PostgreSQL; it
// holds the address of the server's own database.
const onPostgres = "SMKI_TEST_POSTGRES"

// Fresh returns the address of a new database without a row: a SQLite file in a
// folder of the test's, or a PostgreSQL database in the second run of [Again].
func Fresh(t testing.TB) string {
	t.Helper()
	if OnPostgres() {
		return database(t, server(t), template)
	}
	return filepath.Join(t.TempDir(), "ca.db")
}

// OnPostgres tells whether this is the second run of [Again].
func OnPostgres() bool { return os.Getenv(onPostgres) != "" }

// Again runs all other tests of this test binary once more, on PostgreSQL, in a
// process of its own. A room whose tests take their databases from [Fresh] calls it
// in a test named TestOnPostgreSQL.
func Again(t *testing.T) {
	t.Helper()
	if OnPostgres() {
		return
	}
	s, err := shared()
	refuse(t, err)
	args := []string{"-test.skip", "^" + t.Name() + "$"}
	for _, name := range []string{"-test.short", "-test.v", "-test.timeout"} {
		if value := given(name); value != "" {
			args = append(args, name+"="+value)
		}
	}
	if flag.Lookup("rapid.checks") != nil {
		// A property needs a database for each check, and the first run had enough.
		args = append(args, "-rapid.checks=5")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), onPostgres+"="+s.address("postgres"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("on PostgreSQL: %v\n%s", err, out)
	}
	if testing.Verbose() {
		t.Logf("on PostgreSQL:\n%s", out)
	}
}

// given is the value of a flag of the test binary.
func given(name string) string {
	if f := flag.Lookup(name[1:]); f != nil {
		return f.Value.String()
	}
	return ""
}
