package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
	"smki.example/cmd/clikit"
)

// examine runs the doctor.
func examine(t *testing.T, home string) (clikit.Code, []finding) {
	t.Helper()
	code, out, errs := smki(t, "doctor", "--home", home, "--json")
	var result struct {
		Findings []finding `json:"findings"`
	}
	require.NoError(t, json.Unmarshal([]byte(out), &result), "%s%s", out, errs)
	return code, result.Findings
}

func found(t *testing.T, findings []finding, s state, what, says string) {
	t.Helper()
	for _, f := range findings {
		if f.What == what && f.State == s {
			require.Regexp(t, says, f.Says)
			require.NotEmpty(t, f.Next, "every finding says what to do")
			return
		}
	}
	require.Fail(t, "not found", "%s %s: %+v", s, what, findings)
}

// A new CA is in order, and looking at it changes nothing.
func TestDoctor(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	code, before, _ := smki(t, "audit", "verify", "--home", home)
	require.Equal(t, clikit.Done, code)
	code, findings := examine(t, home)
	require.Equal(t, clikit.Done, code, "%+v", findings)
	for _, what := range []string{"environment", "home", "services", "disk", "authority", "token", "key", "database", "audit log", "clock", "list", "work", "processes"} {
		require.True(t, slices.ContainsFunc(findings, func(f finding) bool { return f.What == what && f.State == fine }), what)
	}
	found(t, findings, heed, "custodians", "lie together")
	code, out, _ := smki(t, "doctor", "--home", home)
	require.Equal(t, clikit.Done, code)
	require.Contains(t, out, "nothing is wrong; 1 to look at\n")
	code, after, _ := smki(t, "audit", "verify", "--home", home)
	require.Equal(t, clikit.Done, code)
	require.Equal(t, before, after)
}

// What is wrong is found, with what to do, and the exit code tells which kind it is.
func TestDoctorFinds(t *testing.T) {
	t.Parallel()
	mine := newHome(t)
	tamper := func(statement string, args ...any) func(*testing.T, string) {
		return func(t *testing.T, home string) {
			s, err := store.Open(t.Context(), store.Config{URL: filepath.Join(home, storeFile)})
			require.NoError(t, err)
			storetest.Tamper(t, s, statement, args...)
			require.NoError(t, s.Close())
		}
	}
	write := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, home string) {
			require.NoError(t, os.WriteFile(filepath.Join(home, name), []byte(text), 0o600))
		}
	}
	gone := func(name string) func(*testing.T, string) {
		return func(t *testing.T, home string) { require.NoError(t, os.Remove(filepath.Join(home, name))) }
	}
	for name, row := range map[string]struct {
		does       func(*testing.T, string)
		state      state
		what, says string
		code       clikit.Code
	}{
		"a secret that others can read": {func(t *testing.T, home string) {
			require.NoError(t, os.Chmod(filepath.Join(home, logKeyFile), 0o644))
		}, wrong, "home", `audit.key can be reached by others \(mode 0644\)`, clikit.Failed},
		"no key of the log":   {gone(logKeyFile), wrong, "home", `audit.key is missing`, clikit.Failed},
		"a wrong setting":     {write(servicesFile, `{"version": 1, "colour": "red"}`), wrong, "services", `colour`, clikit.Failed},
		"no database":         {gone(storeFile), wrong, "database", `no such file`, clikit.Unavailable},
		"a damaged database":  {write(storeFile, "not a database, and longer than its head is"), wrong, "database", `.`, clikit.Unavailable},
		"a newer database":    {tamper(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)`), wrong, "database", `level 99999`, clikit.Unavailable},
		"a wrong PIN":         {write("token/user.pin", "9999"), wrong, "token", `PIN`, clikit.Unavailable},
		"no token":            {func(t *testing.T, home string) { require.NoError(t, os.RemoveAll(filepath.Join(home, "token"))) }, wrong, "token", `.`, clikit.Unavailable},
		"another certificate": {func(t *testing.T, home string) { swap(t, home, "issuing-oca.pem", "issuing-dca.pem") }, wrong, "key", `issuing-oca-1: the key on the token is not that`, clikit.Failed},
		"a lapsed list":       {tamper(`UPDATE crl SET next_update = 1 WHERE issuer = 'issuing-dca-1'`), wrong, "list", `lapsed on 1970-01-01`, clikit.Failed},
		"no list":             {tamper(`DELETE FROM crl WHERE issuer = 'issuing-oca-1'`), wrong, "list", `issuing-oca-1 has published none`, clikit.Failed},
		"a clock behind": {tamper(`INSERT INTO audit_record (seq, kind, line) SELECT MAX(seq) + 1, 'x', $1 FROM audit_record`,
			[]byte(`{"seq":7,"at":"2999-01-01T00:00:00Z","kind":"x","by":"x","body":{}}`)), wrong, "audit log", `.`, clikit.Failed},
		"a dead process": {tamper(`INSERT INTO intent (handle, kind, issuer, number, profile, profile_version, tbs, owner, state, created_at)
			VALUES ('h', 'crl', 'issuing-oca-1', 99, 'issuing-oca', 1, 'tbs', 'nobody', 'open', 1)`), heed, "work", `1 processes died`, clikit.Done},
		"held": {tamper(`INSERT INTO restoration (backup, taken_at, restored_at, log_size, log_head) VALUES ('b', 1, 1, 1, 'h')`), wrong, "restore", `held`, clikit.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			home := filepath.Join(t.TempDir(), "ca")
			require.NoError(t, copyHome(mine, home))
			row.does(t, home)
			code, findings := examine(t, home)
			found(t, findings, row.state, row.what, row.says)
			require.Equal(t, row.code, code, "%+v", findings)
		})
	}
}

func swap(t *testing.T, home, a, b string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(home, authorityDir, b))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(home, authorityDir, a), text, 0o644))
}

// copyHome copies a home that nobody is at work on, with its modes.
func copyHome(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(to, name), info.Mode().Perm())
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), b, info.Mode().Perm())
	})
}

// A service that logs in as the owner of its tables is told to get a user of its own;
// the server's clock is compared.
func TestDoctorOnPostgreSQL(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	code, _, errs := smki(t, "database", "move", "--home", home, "--to", storetest.Postgres(t))
	require.Equal(t, clikit.Done, code, errs)
	code, findings := examine(t, home)
	require.Equal(t, clikit.Done, code, "%+v", findings)
	found(t, findings, heed, "database", "may change and delete evidence")
	require.True(t, slices.ContainsFunc(findings, func(f finding) bool {
		return f.What == "clock" && f.State == fine && f.Says == "it agrees with the database server's"
	}))
	d := &doctor{now: time.Now()}
	d.clock("another", time.Now().Add(-time.Hour))
	found(t, d.findings, wrong, "clock", "1h0m0s apart")
}
