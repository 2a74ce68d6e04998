package main

import (
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca/iki"
	"smki.example/ca/store/storetest"
	"smki.example/cmd/clikit"
	"smki.example/policy"
)

// busyRevocations has a CA work a batch at full rate, revokes over the network meanwhile,
// and returns how long each answer took, sorted.
func busyRevocations(t testing.TB, where string, items, revocations int) []time.Duration {
	t.Helper()
	needSoftHSM(t)
	home := filepath.Join(t.TempDir(), "ca")
	arguments := []string{"init", "--home", home}
	if where == "PostgreSQL" {
		arguments = append(arguments, "--store", storetest.NewServer(t, true).Database(t))
	}
	code, _, errs := smki(t, arguments...)
	require.Equal(t, clikit.Done, code, errs)
	cfsslHome(t, home, "cfssl-1", cfsslKey)
	s := serveHome(t, home)
	system := newHolder(t, home, "Exercise Supplier A", "adhoc-1", policy.RoleSupplier, iki.AdHoc)
	batched := newHolder(t, home, "Exercise Supplier A", "batched-1", policy.RoleSupplier, iki.Batched)
	var orders []string
	for range revocations {
		status, text := s.sign(t, system, cfsslKey)
		require.Equal(t, http.StatusOK, status, text)
		var signed struct{ Result struct{ Certificate string } }
		require.NoError(t, json.Unmarshal([]byte(text), &signed))
		block, _ := pem.Decode([]byte(signed.Result.Certificate))
		require.NotNil(t, block, text)
		cert, err := policy.ParseCertificate(block.Bytes)
		require.NoError(t, err)
		orders = append(orders, sealed(t, cfsslKey, map[string]string{"serial": new(big.Int).SetBytes(cert.Serial[:]).String(),
			"authority_key_id": hex.EncodeToString(cert.AuthorityKeyID[:]), "reason": "superseded"}))
	}
	asking, revoking := s.client(t, batched), s.client(t, system)
	id := s.submit(t, asking, items)
	s.result(t, asking, id, "PROCESSING")
	var took []time.Duration
	for _, order := range orders {
		begun := time.Now()
		status, text := call(t, revoking, "POST", s.secure+cfsslPath+"authrevoke", order)
		one := time.Since(begun)
		require.Equal(t, http.StatusOK, status, text)
		if s.ask(t, asking, id).Status != "PROCESSING" {
			break // what is answered at rest tells nothing
		}
		took = append(took, one)
	}
	s.result(t, asking, id, "COMPLETED")
	require.Equal(t, clikit.Done, s.stop())
	slices.Sort(took)
	return took
}

// A revocation does not wait until a batch is done. The promise is a second on a machine
// that has nothing else to do; a test machine has.
func TestRevocationDuringBatch(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"SQLite", "PostgreSQL"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			took := busyRevocations(t, where, 4000, 5)
			require.NotEmpty(t, took, "some were answered while the batch was at work")
			require.Less(t, took[len(took)-1], 10*time.Second, "%v", took)
		})
	}
}

// How long a revocation takes while a batch of 20,000 requests is worked at full rate.
func BenchmarkRevocationDuringBatch(b *testing.B) {
	for _, where := range []string{"SQLite", "PostgreSQL"} {
		b.Run(where, func(b *testing.B) {
			for b.Loop() {
				took := busyRevocations(b, where, 20000, 200)
				require.NotEmpty(b, took)
				b.ReportMetric(float64(took[len(took)-1].Milliseconds()), "longest-ms")
				b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "median-ms")
				b.ReportMetric(float64(len(took)), "revocations")
			}
		})
	}
}
