package custody_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/hsm/custody"
)

func TestAUseThatTheLedgerCannotTakeIsTheLast(t *testing.T) {
	t.Parallel()
	for _, octets := range []int{0, 1, 40} {
		r := newRoom(t)
		s := r.open(t, nil)
		signer, err := s.Signer(t.Context(), "recovery-1")
		require.NoError(t, err)
		_, err = sign(signer, "1")
		require.NoError(t, err)
		s.FillDisk(octets)
		_, err = sign(signer, "2")
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.Zero(t, s.Left())
		_, err = sign(signer, "3")
		require.ErrorIs(t, err, custody.ErrRefused, "although the disk has room again")
		require.ErrorIs(t, err, syscall.ENOSPC, "and says why")
		require.Len(t, s.Uses(), 2)
		require.NoError(t, s.Close())

		spent, err := custody.ReadLedger(r.vault.Ledger)
		require.NoError(t, err)
		require.Len(t, spent, 1)
		require.Len(t, spent[0].Uses, 1, "what was signed, and nothing else")
		require.Equal(t, octets > 0, spent[0].Torn)
	}
}

func TestOneSpoiltLedgerDoesNotHideTheOthers(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	require.NoError(t, r.open(t, nil).Close())
	spoilt := filepath.Join(r.vault.Ledger, "D-0.jsonl")
	require.NoError(t, os.WriteFile(spoilt, []byte("{\"number\":1\n"), 0o600))
	spent, err := custody.ReadLedger(r.vault.Ledger)
	require.ErrorContains(t, err, spoilt)
	require.Len(t, spent, 1)
	require.Equal(t, "D-7", spent[0].Authorisation.ID)
}
