package hsm_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/hsm"
	"smki.example/softhsm"
)

// asAnotherProcess opens the token through another copy of the library, which shares with
// the first no more than another process would: the files.
func asAnotherProcess(t *testing.T, token *softhsm.Token) *hsm.Token {
	t.Helper()
	b, err := os.ReadFile(token.Library)
	require.NoError(t, err)
	library := filepath.Join(t.TempDir(), "other.so")
	require.NoError(t, os.WriteFile(library, b, 0o700))
	return open(t, token, func(c *hsm.Config) { c.Module = library })
}

func TestAnotherProcessSeesTheKeys(t *testing.T) {
	t.Parallel()
	dir := softhsm.ForTest(t, "EXERCISE processes")
	here, there := open(t, dir), asAnotherProcess(t, dir)
	key := generate(t, here, "issuing-oca-1", hsm.Sign)
	same, err := there.Key(t.Context(), "issuing-oca-1")
	require.NoError(t, err)
	require.True(t, key.Public().Equal(same.Public()))
	signAndVerify(t, same)
	_, err = there.Generate(t.Context(), hsm.KeySpec{Label: "issuing-oca-1", Use: hsm.Sign})
	require.ErrorIs(t, err, hsm.ErrConflict)

	require.NoError(t, there.Destroy(t.Context(), "issuing-oca-1"))
	_, err = key.SignDigest(t.Context(), make([]byte, 32))
	require.ErrorIs(t, err, hsm.ErrNotFound)
}

// TestProcessesThatGenerateOneLabel has two processes race. Whoever was told that
// there is a conflict has left nothing behind; whoever was given a key has it.
func TestProcessesThatGenerateOneLabel(t *testing.T) {
	t.Parallel()
	dir := softhsm.ForTest(t, "EXERCISE rivals")
	rivals := []*hsm.Token{open(t, dir), asAnotherProcess(t, dir)}
	for i := 1; i <= 10; i++ {
		label := hsm.Label("rival", i)
		errs := make([]error, len(rivals))
		var wg sync.WaitGroup
		for j, token := range rivals {
			wg.Go(func() {
				_, errs[j] = token.Generate(t.Context(), hsm.KeySpec{Label: label, Use: hsm.Sign})
			})
		}
		wg.Wait()
		made := 0
		for _, err := range errs {
			if err == nil {
				made++
			} else {
				require.True(t, errors.Is(err, hsm.ErrConflict), fmt.Sprint(err))
			}
		}
		// SoftHSM may hide one rival's key from the other until the next write, so
		// who looks is somebody new.
		fresh := asAnotherProcess(t, dir)
		keys, err := fresh.Keys(t.Context())
		require.NoError(t, err)
		require.NoError(t, fresh.Close())
		found := 0
		for _, k := range keys {
			if k.Attributes.Label == label {
				found++
			}
		}
		require.Equal(t, made, found, "what nobody was given is not left behind")
	}
}
