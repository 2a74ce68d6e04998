package softhsm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"smki.example/softhsm"
)

// tokenFile returns the path of the file that SoftHSM rewrites, and its content.
func tokenFile(t *testing.T, token *softhsm.Token) (string, []byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(token.Dir, "tokens", "*", "token.object"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	b, err := os.ReadFile(files[0])
	require.NoError(t, err)
	return files[0], b
}

func guard(t *testing.T, token *softhsm.Token) *softhsm.Held {
	t.Helper()
	held, err := softhsm.Guard(t.Context(), token.Config())
	require.NoError(t, err)
	return held
}

func login(t *testing.T, token *softhsm.Token) {
	t.Helper()
	module, found := labels(t, token)
	require.Equal(t, []string{token.Label}, found)
	slots, err := module.GetSlotList(true)
	require.NoError(t, err)
	session, err := module.OpenSession(slots[0], pkcs11.CKF_SERIAL_SESSION)
	require.NoError(t, err)
	pin, err := os.ReadFile(token.PINFile)
	require.NoError(t, err)
	require.NoError(t, module.Login(session, pkcs11.CKU_USER, string(pin)))
}

func TestATornTokenFileIsPutBack(t *testing.T) {
	t.Parallel()
	token := softhsm.ForTest(t, "EXERCISE torn")
	file, good := tokenFile(t, token)
	before, err := os.Stat(file)
	require.NoError(t, err)
	zeroed := make([]byte, len(good))
	spoilt := [][]byte{zeroed, append(bytes.Clone(good), 0)}
	for n := range good {
		spoilt = append(spoilt, good[:n])
	}
	unfinished := 0
	for _, b := range spoilt {
		require.NoError(t, os.WriteFile(file, b, 0o600))
		held := guard(t, token)
		held.Release()
		_, now := tokenFile(t, token)
		if len(held.Mended()) == 0 {
			unfinished++
			require.Equal(t, b, now)
			continue
		}
		require.Equal(t, []string{file}, held.Mended())
		require.Empty(t, held.Torn())
		require.Equal(t, good, now)
	}
	require.Equal(t, 1, unfinished, "cut where the user PIN begins, it is a token that has none yet")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	guard(t, token).Release()
	after, err := os.Stat(file)
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after), "it keeps its owner, and the locks that others have on it")
	login(t, token)
}

func TestATokenWithoutACopyGetsOne(t *testing.T) {
	t.Parallel()
	token := softhsm.ForTest(t, "EXERCISE old")
	file, good := tokenFile(t, token)
	require.NoError(t, os.RemoveAll(filepath.Join(token.Dir, "kept")), "as tokens were made before there were copies")

	require.NoError(t, os.WriteFile(file, nil, 0o600))
	held := guard(t, token)
	require.Equal(t, []string{file}, held.Torn())
	require.Empty(t, held.Mended())
	require.NoError(t, held.Keep(), "there is nothing to keep")
	held.Release()

	require.NoError(t, os.WriteFile(file, good, 0o600))
	held = guard(t, token)
	require.NoError(t, held.Keep())
	held.Release()
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	held = guard(t, token)
	require.Equal(t, []string{file}, held.Mended())
	held.Release()
	login(t, token)
}

func TestTheCopyFollowsAChangeOfPIN(t *testing.T) {
	t.Parallel()
	token := softhsm.ForTest(t, "EXERCISE changed")
	pin, err := os.ReadFile(token.PINFile)
	require.NoError(t, err)
	module, _ := labels(t, token)
	slots, err := module.GetSlotList(true)
	require.NoError(t, err)
	session, err := module.OpenSession(slots[0], pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	require.NoError(t, err)
	require.NoError(t, module.Login(session, pkcs11.CKU_USER, string(pin)))
	require.NoError(t, module.SetPIN(session, string(pin), "another-pin"))
	require.NoError(t, module.Logout(session))
	require.NoError(t, module.CloseSession(session))

	held := guard(t, token)
	require.NoError(t, held.Keep())
	held.Release()
	file, _ := tokenFile(t, token)
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	guard(t, token).Release()
	require.NoError(t, module.Finalize())
	require.NoError(t, os.WriteFile(token.PINFile, []byte("another-pin"), 0o600))
	login(t, token)
}

func TestTheCopyIsForTheOwnerOnlyAndWrittenOnce(t *testing.T) {
	t.Parallel()
	token := softhsm.ForTest(t, "EXERCISE kept")
	copies, err := filepath.Glob(filepath.Join(token.Dir, "kept", "*"))
	require.NoError(t, err)
	require.Len(t, copies, 1)
	before, err := os.Stat(copies[0])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), before.Mode().Perm())
	login(t, token)
	held := guard(t, token)
	require.NoError(t, held.Keep())
	require.NoError(t, held.Settle())
	held.Release()
	after, err := os.Stat(copies[0])
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after), "a login changes nothing that the copy needs")
}

func TestOneGuardAtATime(t *testing.T) {
	t.Parallel()
	token, other := softhsm.ForTest(t, "EXERCISE one"), softhsm.ForTest(t, "EXERCISE other")
	held := guard(t, token)
	guard(t, other).Release()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := softhsm.Guard(ctx, token.Config())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "another process")
	held.Release()

	var inside atomic.Int32
	var wg sync.WaitGroup
	var errs [8]error
	for i := range errs {
		wg.Go(func() {
			for range 20 {
				held, err := softhsm.Guard(context.Background(), token.Config())
				if err != nil {
					errs[i] = err
					return
				}
				if inside.Add(1) != 1 {
					errs[i] = errors.New("two are inside")
				}
				inside.Add(-1)
				held.Release()
			}
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs[:]...))
}

func TestGuardOfNothing(t *testing.T) {
	t.Parallel()
	var none *softhsm.Held
	require.NoError(t, none.Keep())
	require.NoError(t, none.Settle())
	require.Empty(t, none.Mended())
	require.Empty(t, none.Torn())
	none.Release()

	token := softhsm.ForTest(t, "EXERCISE gone")
	require.NoError(t, token.Break())
	_, err := softhsm.Guard(t.Context(), token.Config())
	require.ErrorIs(t, err, os.ErrNotExist)
	empty := filepath.Join(t.TempDir(), "softhsm2.conf")
	require.NoError(t, os.WriteFile(empty, []byte("# directories.tokendir = /nowhere\n"), 0o600))
	_, err = softhsm.Guard(t.Context(), empty)
	require.ErrorContains(t, err, "names no directories.tokendir")
}

func TestConfigurationIsWhatSoftHSMReads(t *testing.T) {
	// Not parallel: the environment belongs to the process.
	conf := filepath.Join(t.TempDir(), "softhsm2.conf")
	require.NoError(t, os.WriteFile(conf, fmt.Appendf(nil, "directories.tokendir = %s\n", t.TempDir()), 0o600))
	t.Setenv("SOFTHSM2_CONF", conf)
	require.Equal(t, conf, softhsm.Configuration())
	t.Setenv("SOFTHSM2_CONF", "")
	home := t.TempDir()
	t.Setenv("HOME", home)
	users := filepath.Join(home, ".config", "softhsm2", "softhsm2.conf")
	require.NoError(t, os.MkdirAll(filepath.Dir(users), 0o700))
	require.NoError(t, os.WriteFile(users, fmt.Appendf(nil, "directories.tokendir = %s\n", t.TempDir()), 0o600))
	require.Equal(t, users, softhsm.Configuration())
	require.NoError(t, os.WriteFile(users, []byte("log.level = INFO\n"), 0o600))
	require.Empty(t, softhsm.Configuration(), "the library knows a directory of its own")
}
