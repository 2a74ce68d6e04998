package softhsm_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"smki.example/softhsm"
)

// labels initialises the token's own library and returns the labels it shows.
func labels(t *testing.T, token *softhsm.Token) (*pkcs11.Ctx, []string) {
	t.Helper()
	module := pkcs11.New(token.Library)
	require.NotNil(t, module)
	require.NoError(t, softhsm.WithConfig(token.Config(), func() error { return module.Initialize() }))
	t.Cleanup(func() {
		module.Finalize()
		module.Destroy()
	})
	slots, err := module.GetSlotList(true)
	require.NoError(t, err)
	var found []string
	for _, slot := range slots {
		info, err := module.GetTokenInfo(slot)
		require.NoError(t, err)
		if info.Flags&pkcs11.CKF_TOKEN_INITIALIZED != 0 {
			found = append(found, info.Label)
		}
	}
	return module, found
}

func needSoftHSM(t *testing.T) {
	t.Helper()
	if _, err := softhsm.Find(); err != nil {
		softhsm.Absent(t, err, os.Getenv("SMKI_NO_SKIP"))
	}
}

func TestTokensAreIndependentInOneProcess(t *testing.T) {
	t.Parallel()
	one, two := softhsm.ForTest(t, "EXERCISE one"), softhsm.ForTest(t, "EXERCISE two")
	_, first := labels(t, one)
	_, second := labels(t, two)
	require.Equal(t, []string{"EXERCISE one"}, first)
	require.Equal(t, []string{"EXERCISE two"}, second)
	require.NotEqual(t, one.Serial, two.Serial)
}

func TestForTestPutsExerciseInFront(t *testing.T) {
	t.Parallel()
	require.Equal(t, "EXERCISE root", softhsm.ForTest(t, "root").Label)
}

func TestNewWritesPINsForTheOwnerOnly(t *testing.T) {
	t.Parallel()
	token := softhsm.ForTest(t, "EXERCISE pins")
	pins := map[string]bool{}
	for _, file := range []string{token.PINFile, token.SOPINFile} {
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), file)
		pin, err := os.ReadFile(file)
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(pin), 26, "128 bits in base 32")
		pins[string(pin)] = true
	}
	require.Len(t, pins, 2, "the two PINs differ")
	info, err := os.Stat(token.Dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	module, _ := labels(t, token)
	slots, err := module.GetSlotList(true)
	require.NoError(t, err)
	session, err := module.OpenSession(slots[0], pkcs11.CKF_SERIAL_SESSION)
	require.NoError(t, err)
	pin, err := os.ReadFile(token.PINFile)
	require.NoError(t, err)
	require.NoError(t, module.Login(session, pkcs11.CKU_USER, string(pin)))
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	full := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(full, "diary"), nil, 0o600))
	for _, row := range []struct{ name, dir, label, says string }{
		{"a directory that holds something", full, "EXERCISE a", `it holds "diary"`},
		{"no label", filepath.Join(t.TempDir(), "a"), "", "label is empty"},
		{"a label that PKCS#11 would cut", filepath.Join(t.TempDir(), "b"), strings.Repeat("E", 33), "33 octets"},
		{"a label that PKCS#11 would trim", filepath.Join(t.TempDir(), "c"), "EXERCISE ", "ends with a space"},
		{"a path that softhsm2.conf cannot hold", filepath.Join(t.TempDir(), "a#b"), "EXERCISE a", "'#'"},
	} {
		t.Run(row.name, func(t *testing.T) {
			needSoftHSM(t)
			_, err := softhsm.New(row.dir, row.label)
			require.ErrorContains(t, err, row.says)
		})
	}
	require.FileExists(t, filepath.Join(full, "diary"), "what was there stays")
}

func TestOpenAfterTheDirectoryMoved(t *testing.T) {
	t.Parallel()
	token := softhsm.ForTest(t, "EXERCISE moved")
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	require.NoError(t, os.Rename(token.Dir, elsewhere))
	require.NoError(t, os.Remove(filepath.Join(elsewhere, filepath.Base(token.Library))))
	moved, err := softhsm.Open(elsewhere)
	require.NoError(t, err)
	require.Equal(t, token.Label, moved.Label)
	require.Equal(t, token.Serial, moved.Serial)
	_, found := labels(t, moved)
	require.Equal(t, []string{"EXERCISE moved"}, found)

	_, err = softhsm.Open(t.TempDir())
	require.ErrorContains(t, err, "no SoftHSM token was made here")
}

func TestBreakAndRestore(t *testing.T) {
	t.Parallel()
	token := softhsm.ForTest(t, "EXERCISE broken")
	require.ErrorContains(t, token.Restore(), "not broken")
	require.NoError(t, token.Break())
	require.Error(t, token.Break(), "a broken token cannot be broken again")
	require.NoError(t, token.Restore())
	_, found := labels(t, token)
	require.Equal(t, []string{"EXERCISE broken"}, found)
}

func TestWithConfigPutsTheVariableBack(t *testing.T) {
	// Not parallel: the environment belongs to the process.
	t.Setenv("SOFTHSM2_CONF", "/before")
	boom := errors.New("boom")
	require.ErrorIs(t, softhsm.WithConfig("/inside", func() error {
		require.Equal(t, "/inside", os.Getenv("SOFTHSM2_CONF"))
		return boom
	}), boom)
	require.Equal(t, "/before", os.Getenv("SOFTHSM2_CONF"))
	require.NoError(t, os.Unsetenv("SOFTHSM2_CONF"))
	require.NoError(t, softhsm.WithConfig("/inside", func() error { return nil }))
	_, set := os.LookupEnv("SOFTHSM2_CONF")
	require.False(t, set)
	require.NoError(t, softhsm.WithConfig("", func() error {
		_, set := os.LookupEnv("SOFTHSM2_CONF")
		require.False(t, set, "an empty configuration leaves the variable alone")
		return nil
	}))
}

// fakeTB records what ForTest does to a test.
type fakeTB struct {
	testing.TB
	skipped, failed bool
}

func (f *fakeTB) Helper()           {}
func (f *fakeTB) Skip(args ...any)  { f.skipped = true; panic("skip") }
func (f *fakeTB) Fatal(args ...any) { f.failed = true; panic("fatal") }

func TestForTestFailsRatherThanReturnsNothing(t *testing.T) {
	t.Parallel()
	needSoftHSM(t)
	f := &fakeTB{TB: t}
	require.Panics(t, func() { softhsm.ForTest(f, strings.Repeat("x", 40)) })
	require.True(t, f.failed)
	require.False(t, f.skipped)
}

func TestAbsenceSkipsUnlessSkippingIsForbidden(t *testing.T) {
	t.Parallel()
	f := &fakeTB{TB: t}
	require.Panics(t, func() { softhsm.Absent(f, softhsm.ErrNotInstalled, "") })
	require.True(t, f.skipped && !f.failed)
	f = &fakeTB{TB: t}
	require.Panics(t, func() { softhsm.Absent(f, softhsm.ErrNotInstalled, "1") })
	require.True(t, f.failed && !f.skipped)
	require.Contains(t, softhsm.Hint(), "install")
}

func TestNewFailsClean(t *testing.T) {
	t.Parallel()
	needSoftHSM(t)
	// The parent is a file, so nothing can be made below it.
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := softhsm.New(filepath.Join(file, "token"), "EXERCISE a")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "pin")
}
