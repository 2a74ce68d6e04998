package softhsm_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/hsm"
	"smki.example/softhsm"
)

// A token in use loses its sessions, is destroyed and comes back from its backup;
// whoever has it open signs on with the same key.
func TestLossAndBackup(t *testing.T) {
	t.Parallel()
	soft := softhsm.ForTest(t, "EXERCISE loss")
	require.NoError(t, soft.DropSessions(), "nobody has it open")
	token, err := hsm.Open(t.Context(), hsm.FromSoftHSM(soft))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, token.Close()) })
	key, err := token.Generate(t.Context(), hsm.KeySpec{Label: "recovery-1", Use: hsm.Sign})
	require.NoError(t, err)
	digest := make([]byte, 32)
	sign := func() error { _, err := key.SignDigest(t.Context(), digest); return err }
	require.NoError(t, sign())

	require.NoError(t, soft.DropSessions())
	require.NoError(t, sign(), "new sessions open by themselves")

	backup := filepath.Join(t.TempDir(), "backup")
	require.NoError(t, soft.Backup(t.Context(), backup))
	require.ErrorContains(t, soft.Backup(t.Context(), backup), "is there already")
	require.ErrorContains(t, soft.RestoreFrom(backup), "it is not broken")
	require.NoError(t, soft.Destroy())
	require.ErrorIs(t, sign(), hsm.ErrUnavailable)
	require.Error(t, soft.Restore(), "there is nothing left to put back")
	require.NoError(t, soft.RestoreFrom(backup))
	require.NoError(t, sign())
}
