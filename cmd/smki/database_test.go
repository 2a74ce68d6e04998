package main

import (
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
	"smki.example/cmd/clikit"
)

// asUser is an address of a database as somebody else.
func asUser(t *testing.T, address, user string) string {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	q := u.Query()
	q.Set("user", user)
	u.RawQuery = q.Encode()
	return u.String()
}

// administer runs SQL as the owner of a database.
func administer(t *testing.T, address, statements string) {
	t.Helper()
	require.NoError(t, giveRights(t.Context(), address, statements, ""))
}

// docs/operations.md, from the embedded database to two nodes: what the ledger held it
// holds, what comes after goes there, the service may do no more than its work, and the
// old file is a record.
func TestDatabaseMove(t *testing.T) {
	t.Parallel()
	owner := storetest.Postgres(t)
	home := newHome(t)
	dir := t.TempDir()
	batch := filepath.Join(dir, "batch.jsonl")
	text, err := makeBatch(40)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(batch, text, 0o600))
	code, _, errs := smki(t, "batch", "--home", home, "--in", batch, "--out", filepath.Join(dir, "out"))
	require.Equal(t, clikit.Done, code, errs)
	code, before, _ := smki(t, "audit", "verify", "--home", home, "--json")
	require.Equal(t, clikit.Done, code)
	file := filepath.Join(home, homeFile)
	kept, err := os.ReadFile(file)
	require.NoError(t, err)

	code, out, errs := smki(t, "database", "move", "--home", home, "--to", owner, "--dry-run")
	require.Equal(t, clikit.Done, code, errs)
	require.Contains(t, out, "nothing was changed")
	require.Regexp(t, `batch_item +40\n`, out)
	now, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(kept), string(now))

	code, _, errs = smki(t, "database", "move", "--home", home, "--to", "postgres://nobody@127.0.0.1:1/smki?sslmode=disable", "--dry-run")
	require.Equal(t, clikit.Unavailable, code, errs)
	require.Contains(t, errs, "the CA is where it was")
	code, _, errs = smki(t, "database", "role", "--home", home, "--login", "x", "--apply")
	require.Equal(t, clikit.Usage, code, errs)
	require.Contains(t, errs, "SQLite file")
	code, _, errs = smki(t, "database", "use", "--home", home, "--store", owner)
	require.Equal(t, clikit.Usage, code, errs)

	code, out, errs = smki(t, "database", "move", "--home", home, "--to", owner, "--json")
	require.Equal(t, clikit.Done, code, errs)
	var moved moveResult
	require.NoError(t, json.Unmarshal([]byte(out), &moved))
	require.True(t, moved.Moved)
	require.Contains(t, before, moved.Head)
	code, after, errs := smki(t, "audit", "verify", "--home", home, "--json")
	require.Equal(t, clikit.Done, code, errs)
	require.JSONEq(t, before, after, "log and ledger are what they were")

	// A home that still names the file: killed before the switch, or a forgotten copy.
	now, err = os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, kept, 0o600))
	code, _, errs = smki(t, "list", "--home", home)
	require.Equal(t, clikit.Unavailable, code)
	require.Contains(t, errs, "this database was moved to postgres://")
	code, _, errs = smki(t, "database", "move", "--home", home, "--to", storetest.Postgres(t))
	require.Equal(t, clikit.Refused, code, errs)
	code, _, errs = smki(t, "database", "move", "--home", home, "--to", owner)
	require.Equal(t, clikit.Done, code, errs)
	again, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(now), string(again))
	code, _, errs = smki(t, "database", "move", "--home", home, "--to", owner)
	require.Equal(t, clikit.Usage, code, errs)

	// The service's own user.
	const role = "moved_service" // the test's server ends with the test, and the role with it
	administer(t, owner, `CREATE ROLE `+role+`_login LOGIN PASSWORD 'drowssap'`)
	service := asUser(t, owner, role+"_login")
	code, _, errs = smki(t, "database", "use", "--home", home, "--store", service)
	require.Equal(t, clikit.Unavailable, code, "it has no rights yet: %s", errs)
	code, script, errs := smki(t, "database", "role", "--home", home, "--role", role, "--login", role+"_login")
	require.Equal(t, clikit.Done, code, errs)
	require.Contains(t, script, "GRANT "+role+" TO "+role+"_login;")
	code, _, errs = smki(t, "database", "role", "--home", home, "--role", role, "--login", role+"_login", "--apply")
	require.Equal(t, clikit.Done, code, errs)
	code, _, errs = smki(t, "database", "use", "--home", home, "--store", service)
	require.Equal(t, clikit.Done, code, errs)
	code, _, errs = smki(t, "database", "use", "--home", home, "--store", storetest.Postgres(t))
	require.Equal(t, clikit.Failed, code, "another ledger: %s", errs)
	code, _, errs = smki(t, "database", "role", "--home", home, "--role", role, "--login", role+"_login", "--apply")
	require.Equal(t, clikit.Usage, code, errs)
	require.Contains(t, errs, "--as")

	// Everything works with the service's rights, on two nodes.
	second := filepath.Join(dir, "second")
	require.NoError(t, os.CopyFS(second, os.DirFS(home)))
	require.NoError(t, os.Chmod(filepath.Join(second, logKeyFile), 0o600))
	one := serveHome(t, home)
	text, err = makeBatch(20)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(batch, text, 0o600))
	code, _, errs = smki(t, "batch", "--home", second, "--in", batch, "--out", filepath.Join(dir, "out2"))
	require.Equal(t, clikit.Done, code, errs)
	code, listed, errs := smki(t, "list", "--home", home, "--type", "device", "--json")
	require.Equal(t, clikit.Done, code, errs)
	var all []struct {
		Serial string `json:"serial"`
	}
	require.NoError(t, json.Unmarshal([]byte(listed), &all))
	require.Len(t, all, 60)
	code, _, errs = smki(t, "revoke", "--home", second, "--serial", all[0].Serial, "--reason", "keyCompromise")
	require.Equal(t, clikit.Done, code, errs)
	require.Equal(t, clikit.Done, one.stop())
	code, _, errs = smki(t, "audit", "verify", "--home", second)
	require.Equal(t, clikit.Done, code, errs)
}

// A password in an address is wrong usage, and is repeated to nobody.
func TestDatabaseAddressWithPassword(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	for _, address := range []string{"postgres://ca:hunter2@127.0.0.1:1/smki", "postgres://ca@127.0.0.1:1/smki?password=hunter2", "postgres://ca:hunter2@%zz/"} {
		for _, args := range [][]string{{"move", "--to", address}, {"move", "--dry-run", "--to", address}, {"use", "--store", address}, {"role", "--login", "x", "--apply", "--as", address}} {
			code, out, errs := smki(t, append([]string{"database", args[0], "--home", home}, args[1:]...)...)
			require.Equal(t, clikit.Usage, code, "%q: %s", args, errs)
			require.NotContains(t, out+errs, "hunter2")
		}
	}
}

// A dry run leaves the tables of an older program as they are, and says so.
func TestDatabaseMoveDryRunOlder(t *testing.T) {
	t.Parallel()
	home, tamper := tampering(t, newHome(t))
	tamper(`DELETE FROM goose_db_version WHERE version_id = (SELECT MAX(version_id) FROM goose_db_version)`)
	before, err := store.Look(t.Context(), store.Config{URL: filepath.Join(home, storeFile)})
	require.NoError(t, err)
	code, _, errs := smki(t, "database", "move", "--home", home, "--to", "postgres://nobody@127.0.0.1:1/smki?sslmode=disable", "--dry-run")
	require.Equal(t, clikit.Refused, code, errs)
	require.Contains(t, errs, "1 levels behind this program")
	after, err := store.Look(t.Context(), store.Config{URL: filepath.Join(home, storeFile)})
	require.NoError(t, err)
	require.Equal(t, before.Pending, after.Pending)
}

// A move that is killed, whenever, has moved nothing or everything, and the same
// command goes on.
func TestDatabaseMoveKilled(t *testing.T) {
	t.Parallel()
	owner := storetest.Postgres(t)
	home := newHome(t)
	dir := t.TempDir()
	batch := filepath.Join(dir, "batch.jsonl")
	text, err := makeBatch(200)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(batch, text, 0o600))
	code, _, errs := smki(t, "batch", "--home", home, "--in", batch, "--out", filepath.Join(dir, "out"))
	require.Equal(t, clikit.Done, code, errs)
	code, before, _ := smki(t, "audit", "verify", "--home", home, "--json")
	require.Equal(t, clikit.Done, code)
	done := false
	for wait := 20 * time.Millisecond; !done && wait < 5*time.Second; wait = wait * 3 / 2 {
		cmd := exec.Command(os.Args[0], "database", "move", "--home", home, "--to", owner)
		cmd.Env = append(os.Environ(), asCommand+"=1")
		require.NoError(t, cmd.Start())
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case err := <-ended:
			done = err == nil
		case <-time.After(wait):
			require.NoError(t, cmd.Process.Kill())
			<-ended
		}
		h, err := openHome(home)
		require.NoError(t, err)
		if done = done || strings.Contains(h.Store, "://"); done {
			break
		}
		// Where it stands on the file, the file is whole, or says that it was moved.
		code, after, errs := smki(t, "audit", "verify", "--home", home, "--json")
		if code == clikit.Unavailable {
			require.Contains(t, errs, "this database was moved")
		} else {
			require.Equal(t, clikit.Done, code, errs)
			require.JSONEq(t, before, after)
		}
	}
	if !done {
		code, _, errs := smki(t, "database", "move", "--home", home, "--to", owner)
		require.Equal(t, clikit.Done, code, errs)
	}
	code, after, errs := smki(t, "audit", "verify", "--home", home, "--json")
	require.Equal(t, clikit.Done, code, errs)
	require.JSONEq(t, before, after)
}
