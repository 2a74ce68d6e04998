package main

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca/iki"
	"smki.example/ca/store/storetest"
	"smki.example/cmd/clikit"
	"smki.example/policy"
)

// serveProcess starts the server of a home in a process of its own.
func serveProcess(t *testing.T, home string) (*site, func()) {
	t.Helper()
	command := process(t, "serve", "--home", home, "--listen", "127.0.0.1:0", "--public", "127.0.0.1:0", "--json")
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	var said listening
	require.NoError(t, json.NewDecoder(bufio.NewReader(out)).Decode(&said), "%s", command.Stderr)
	return &site{home: home, secure: "https://" + said.Listening, public: "http://" + said.Public, fingerprint: said.Fingerprint},
		func() { require.NoError(t, command.Process.Kill()) }
}

// One of two servers is killed while a batch is at work. The other finishes the batch,
// publishes the lists from then on, and nothing was issued twice, on either database.
func TestServeKilled(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]func(testing.TB) string{
		"SQLite":     func(testing.TB) string { return "" },
		"PostgreSQL": storetest.Postgres,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			needSoftHSM(t)
			home := filepath.Join(t.TempDir(), "ca")
			arguments := []string{"init", "--home", home}
			if url := address(t); url != "" {
				arguments = append(arguments, "--store", url)
			}
			code, _, errs := smki(t, arguments...)
			require.Equal(t, clikit.Done, code, errs)
			dying, kill := serveProcess(t, home)
			system := newHolder(t, home, "Exercise Supplier A", "batched-1", policy.RoleSupplier, iki.Batched)
			const items = 3000
			id := dying.submit(t, dying.client(t, system), items)
			second := home
			if name == "PostgreSQL" { // another node has a home of its own
				second = filepath.Join(t.TempDir(), "node")
				require.NoError(t, os.CopyFS(second, os.DirFS(home)))
				require.NoError(t, private(second))
			}
			living := serveHome(t, second)
			c := living.client(t, system)
			// The moment of death is whenever the other is up: parsing, or one of three shards.
			kill()
			var got batchAnswer
			require.Eventually(t, func() bool {
				got = living.ask(t, c, id)
				return got.Status == "COMPLETED"
			}, 2*time.Minute, 4*waitStep)
			require.Len(t, got.Certificate, items)
			for _, one := range got.Certificate {
				require.Equal(t, "SUCCESS", one.Status, one.ID)
			}
			code, _, errs = smki(t, "revoke", "--home", home, "--serial", system.serial.String(), "--reason", "superseded", "--no-publish")
			require.Equal(t, clikit.Done, code, errs)
			require.Eventually(t, func() bool {
				status, _ := fetch(t, living.public+"/readyz")
				answer, err := http.Get(living.public + "/crls/iki.crl")
				require.NoError(t, err)
				answer.Body.Close()
				return status == http.StatusOK && answer.Header.Get("Smki-Crl-Number") == "2"
			}, 2*time.Minute, 4*waitStep, "the list is published by the one that lives")
			require.Equal(t, clikit.Done, living.stop())
			code, out, errs := smki(t, "audit", "verify", "--home", home)
			require.Equal(t, clikit.Done, code, "%s%s", out, errs)
			code, out, errs = smki(t, "list", "--home", home, "--type", "device")
			require.Equal(t, clikit.Done, code, errs)
			require.Equal(t, items, strings.Count(out, "\n"), "no request has two certificates")
		})
	}
}
