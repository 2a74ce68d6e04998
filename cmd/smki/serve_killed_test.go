package main

import (
	"bufio"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca/iki"
	"smki.example/ca/smkiws"
	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
	"smki.example/cmd/clikit"
	"smki.example/policy"
)

// serveProcess starts the server of a home in a process of its own.
func serveProcess(t *testing.T, home string) (*site, func()) {
	t.Helper()
	s, command := serveCommandOf(t, home)
	return s, func() { require.NoError(t, command.Process.Kill()) }
}

// serveCommandOf is serveProcess with the process itself.
func serveCommandOf(t *testing.T, home string) (*site, *exec.Cmd) {
	t.Helper()
	command := process(t, "serve", "--home", home, "--listen", "127.0.0.1:0", "--public", "127.0.0.1:0", "--json")
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	log := &lockedBuffer{}
	command.Stderr = log
	require.NoError(t, command.Start())
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	var said listening
	require.NoError(t, json.NewDecoder(bufio.NewReader(out)).Decode(&said), "%s", log)
	return &site{home: home, secure: "https://" + said.Listening, public: "http://" + said.Public, fingerprint: said.Fingerprint, log: log}, command
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
				second = newNode(t, home)
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
			begun := time.Now()
			require.Eventually(t, func() bool {
				status, _ := fetch(t, living.public+"/readyz")
				answer, err := http.Get(living.public + "/crls/iki.crl")
				require.NoError(t, err)
				answer.Body.Close()
				return status == http.StatusOK && answer.Header.Get("Smki-Crl-Number") == "2"
			}, 2*time.Minute, 4*waitStep, "the list is published by the one that lives")
			require.Less(t, time.Since(begun), 25*time.Second, "no lease is waited for, and nobody has to be elected")
			require.Equal(t, clikit.Done, living.stop())
			code, out, errs := smki(t, "audit", "verify", "--home", home)
			require.Equal(t, clikit.Done, code, "%s%s", out, errs)
			code, out, errs = smki(t, "list", "--home", home, "--type", "device")
			require.Equal(t, clikit.Done, code, errs)
			require.Equal(t, items, strings.Count(out, "\n"), "no request has two certificates")
		})
	}
}

// newNode is the home of another node of the CA that has home.
func newNode(t *testing.T, home string) string {
	t.Helper()
	node := filepath.Join(t.TempDir(), "node")
	require.NoError(t, os.CopyFS(node, os.DirFS(home)))
	require.NoError(t, private(node))
	return node
}

// Two nodes share a batch; one after the other is killed and started again, and so is
// the database, as by a power cut. The batch comes to its end, no request has two
// certificates, each list was published by one node, and the audit log is whole.
func TestServeNodesAndDatabaseKilled(t *testing.T) {
	t.Parallel()
	needSoftHSM(t)
	database := storetest.NewServer(t, true)
	home := filepath.Join(t.TempDir(), "ca")
	code, _, errs := smki(t, "init", "--home", home, "--store", database.Database(t))
	require.Equal(t, clikit.Done, code, errs)
	settings(t, home, `{"version": 1, "server": {"lease_term": "3s"}}`)
	system := newHolder(t, home, "Exercise Supplier A", "batched-1", policy.RoleSupplier, iki.Batched)
	homes := [2]string{home, newNode(t, home)}
	var sites [2]*site
	var nodes [2]*exec.Cmd
	for n := range sites {
		sites[n], nodes[n] = serveCommandOf(t, homes[n])
	}
	const items = 9000
	id := sites[0].submit(t, sites[0].client(t, system), items)
	issued := func(n int) func() bool {
		return func() bool {
			code, out, _ := smki(t, "list", "--home", home, "--type", "device")
			return code == clikit.Done && strings.Count(out, "\n") >= n
		}
	}
	// Each is killed once some more certificates are there than before; in which step of
	// which shard is chance.
	for round, kill := range []func(){
		func() { require.NoError(t, nodes[0].Process.Kill()); _ = nodes[0].Wait() },
		func() { require.NoError(t, database.Kill()); require.NoError(t, database.Start()) },
		func() { require.NoError(t, nodes[1].Process.Kill()); _ = nodes[1].Wait() },
		func() { require.NoError(t, database.Kill()); require.NoError(t, database.Start()) },
	} {
		require.Eventually(t, issued(1+round*2000), time.Minute, waitStep, "round %d\n%s\n%s", round, sites[0].log, sites[1].log)
		kill()
		for n, node := range nodes {
			if node.ProcessState != nil {
				sites[n], nodes[n] = serveCommandOf(t, homes[n])
			}
		}
	}
	var got batchAnswer
	c := sites[0].client(t, system)
	require.Eventually(t, func() bool {
		status, text := call(t, c, "GET", sites[0].secure+smkiws.ResultPath+"?BatchId="+id, "")
		got = batchAnswer{}
		return status == http.StatusOK && xml.Unmarshal([]byte(text), &got) == nil && got.Status == "COMPLETED"
	}, 2*time.Minute, 4*waitStep, "%s\n%s", sites[0].log, sites[1].log)
	require.Len(t, got.Certificate, items)
	for _, one := range got.Certificate {
		require.Equal(t, "SUCCESS", one.Status, one.ID)
	}
	// Nobody has lost his process over it.
	for n := range sites {
		status, text := fetch(t, sites[n].public+"/readyz")
		require.Equal(t, http.StatusOK, status, text)
	}

	// One revocation, one list, whoever of the two sees it first.
	before := listNumber(t, sites[0])
	code, _, errs = smki(t, "revoke", "--home", home, "--serial", system.serial.String(), "--reason", "superseded", "--no-publish")
	require.Equal(t, clikit.Done, code, errs)
	require.Eventually(t, func() bool { return listNumber(t, sites[1]) > before }, waitLong, waitStep)
	// Not require.Never, whose last look may still be on its way when the server is stopped.
	look, until := time.NewTicker(4*waitStep), time.Now().Add(lookEvery+time.Second)
	defer look.Stop()
	for time.Now().Before(until) {
		require.Equal(t, before+1, listNumber(t, sites[0]), "each has looked again, and none has published it once more")
		<-look.C
	}
	for n := range nodes {
		require.NoError(t, nodes[n].Process.Signal(syscall.SIGTERM))
		require.NoError(t, nodes[n].Wait(), "%s", sites[n].log)
	}
	exported := filepath.Join(t.TempDir(), "exported")
	code, _, errs = smki(t, "export", "--home", home, "--out", exported)
	require.Equal(t, clikit.Done, code, errs)
	lists := make(map[string]int64)
	for _, line := range readLines(t, filepath.Join(exported, "crls.hex")) {
		der, err := hex.DecodeString(line)
		require.NoError(t, err)
		list, err := x509.ParseRevocationList(der)
		require.NoError(t, err)
		// A number that was given out as its node died is never used: there may be gaps.
		require.Greater(t, list.Number.Int64(), lists[list.Issuer.String()], "no two lists of %s have one number", list.Issuer)
		lists[list.Issuer.String()] = list.Number.Int64()
	}
	code, out, errs := smki(t, "audit", "verify", "--home", home)
	require.Equal(t, clikit.Done, code, "%s%s", out, errs)
	code, out, errs = smki(t, "list", "--home", home, "--type", "device")
	require.Equal(t, clikit.Done, code, errs)
	require.Equal(t, items, strings.Count(out, "\n"), "no request has two certificates")
	accounted(t, exported)
}

// listNumber is the number of the newest IKI list that a server has.
func listNumber(t *testing.T, s *site) int64 {
	t.Helper()
	answer, err := http.Get(s.public + "/crls/iki.crl")
	require.NoError(t, err)
	answer.Body.Close()
	number, err := strconv.ParseInt(answer.Header.Get("Smki-Crl-Number"), 10, 64)
	require.NoError(t, err)
	return number
}

func readLines(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	return strings.Fields(string(b))
}

// A server that was stopped for longer than its lease is taken for dead: the other takes
// over what it had in hand, within the term, and it ends by itself when it goes on.
func TestServeTakenForDead(t *testing.T) {
	t.Parallel()
	needSoftHSM(t)
	home := filepath.Join(t.TempDir(), "ca")
	code, _, errs := smki(t, "init", "--home", home, "--store", storetest.Postgres(t))
	require.Equal(t, clikit.Done, code, errs)
	settings(t, home, `{"version": 1, "server": {"lease_term": "2s"}}`)
	system := newHolder(t, home, "Exercise Supplier A", "batched-1", policy.RoleSupplier, iki.Batched)
	sleeper, command := serveCommandOf(t, home)
	other := serveHome(t, newNode(t, home))
	require.NoError(t, command.Process.Signal(syscall.SIGSTOP))
	stopped := time.Now()
	// What the other does meanwhile: it asks after whoever holds something, and after
	// everybody when it takes a lease itself.
	id := other.submit(t, other.client(t, system), 1500)
	other.result(t, other.client(t, system), id, "COMPLETED")
	require.Eventually(t, func() bool {
		code, _, _ := smki(t, "reconcile", "--home", home)
		ledger, err := openLedger(t.Context(), home)
		require.NoError(t, err)
		defer ledger.Close(t.Context())
		left := 0
		require.NoError(t, ledger.store.Read(t.Context(), func(tx store.Tx) error {
			return tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM lease WHERE renewed_at < clock_timestamp() - make_interval(secs => 2)`).Scan(&left)
		}))
		// Before its lease has run out, none is overdue either.
		return code == clikit.Done && left == 0 && time.Since(stopped) > 3*2*time.Second
	}, waitLong, waitStep)
	require.NoError(t, command.Process.Signal(syscall.SIGCONT))
	// One that does not end would hold the tests: it is asked where it stands.
	late := time.AfterFunc(waitLong, func() { _ = command.Process.Signal(syscall.SIGQUIT) })
	require.Error(t, command.Wait())
	late.Stop()
	require.Equal(t, int(clikit.Unavailable), command.ProcessState.ExitCode(), "%s", sleeper.log)
	require.Contains(t, sleeper.log.String(), "taken this process for dead")
	require.Equal(t, clikit.Done, other.stop())
}
