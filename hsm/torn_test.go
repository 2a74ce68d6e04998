package hsm_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"smki.example/hsm"
	"smki.example/softhsm"
)

// objects returns the files of the token's objects, by name, with their content; the
// token's own file is token.object.
func objects(t *testing.T, soft *softhsm.Token) (dir string, content map[string]string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(soft.Dir, "tokens", "*", "*.object"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	content = map[string]string{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		content[filepath.Base(file)] = string(b)
	}
	return filepath.Dir(files[0]), content
}

// tear leaves the token's file as a process does that is killed in C_Login.
func tear(t *testing.T, soft *softhsm.Token) {
	t.Helper()
	dir, _ := objects(t, soft)
	require.NoError(t, os.Truncate(filepath.Join(dir, "token.object"), 0))
}

func TestOpenMendsATornToken(t *testing.T) {
	t.Parallel()
	soft := caToken(t, "EXERCISE torn")
	tear(t, soft)
	stillSigns(t, soft)
}

func TestOpenMakesACopyForATokenThatHasNone(t *testing.T) {
	t.Parallel()
	soft := caToken(t, "EXERCISE old")
	require.NoError(t, os.RemoveAll(filepath.Join(soft.Dir, "kept")))
	stillSigns(t, soft)
	tear(t, soft)
	stillSigns(t, soft)
}

func TestASoftHSMThatFindsItsOwnConfigurationIsGuarded(t *testing.T) {
	// Not parallel: the environment belongs to the process.
	soft := caToken(t, "EXERCISE of the system")
	t.Setenv("SOFTHSM2_CONF", soft.Config())
	tear(t, soft)
	open(t, soft, func(c *hsm.Config) { c.SoftHSMConf = "" })
}

func TestATokenTornForGoodSaysWhatHelps(t *testing.T) {
	t.Parallel()
	soft := caToken(t, "EXERCISE torn for good")
	require.NoError(t, os.RemoveAll(filepath.Join(soft.Dir, "kept")))
	tear(t, soft)
	_, err := hsm.Open(t.Context(), hsm.FromSoftHSM(soft))
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.ErrorContains(t, err, "token.object")
	require.ErrorContains(t, err, "from a backup")
}

func TestAnEmptyDirectorySaysWhereItLooked(t *testing.T) {
	t.Parallel()
	soft := softhsm.ForTest(t, "EXERCISE empty")
	dir, _ := objects(t, soft)
	require.NoError(t, os.RemoveAll(dir))
	_, err := hsm.Open(t.Context(), hsm.FromSoftHSM(soft))
	require.ErrorIs(t, err, hsm.ErrNotFound)
	require.ErrorContains(t, err, soft.Config())
}

// TestAnOpenTokenIsTorn has another process be killed in its login while this one is at work.
func TestAnOpenTokenIsTorn(t *testing.T) {
	t.Parallel()
	for _, modifiable := range []bool{false, true} {
		soft := softhsm.ForTest(t, "EXERCISE torn while open")
		token := open(t, soft)
		key, err := token.Generate(t.Context(), hsm.KeySpec{Label: "issuing-oca-1", Use: hsm.Sign, Modifiable: modifiable})
		require.NoError(t, err)
		generate(t, token, "health-1", hsm.Sign)
		for i, use := range []func(){
			func() { signAndVerify(t, key) },
			func() { require.NoError(t, token.Health(t.Context())) },
			func() { _, err := token.Key(t.Context(), "issuing-oca-1"); require.NoError(t, err) },
			func() { generate(t, token, "issuing-oca-2", hsm.Sign) },
			func() { require.NoError(t, token.Destroy(t.Context(), "issuing-oca-2")) },
			func() { generate(t, asAnotherProcess(t, soft), "issuing-oca-3", hsm.Sign); signAndVerify(t, key) },
			func() { require.NoError(t, token.LoseSessions(t.Context())); signAndVerify(t, key) },
		} {
			tear(t, soft)
			use()
			if t.Failed() {
				t.Fatal("use", i)
			}
		}
		require.NoError(t, token.Health(t.Context()))
		signAndVerify(t, key)
	}
}

// TestUseWritesNoKeyFile is why the token's file alone has a copy: what SoftHSM does
// not write it cannot tear.
func TestUseWritesNoKeyFile(t *testing.T) {
	t.Parallel()
	soft := caToken(t, "EXERCISE untouched")
	token := open(t, soft)
	_, err := token.Generate(t.Context(), hsm.KeySpec{Label: "issuing-dca-1", Use: hsm.Sign, Modifiable: true})
	require.NoError(t, err)
	agree := generate(t, token, "party-1", hsm.Derive)
	long := time.Unix(1_000_000_000, 0)
	dir, before := objects(t, soft)
	for name := range before {
		if name != "token.object" {
			require.NoError(t, os.Chmod(filepath.Join(dir, name), 0o400))
			require.NoError(t, os.Chtimes(filepath.Join(dir, name), long, long))
		}
	}
	for range 3 {
		other := asAnotherProcess(t, soft)
		for _, label := range []hsm.KeyLabel{"issuing-oca-1", "issuing-dca-1"} {
			key, err := other.Key(t.Context(), label)
			require.NoError(t, err)
			signAndVerify(t, key)
		}
		require.NoError(t, token.Health(t.Context()))
		_, err := agree.ECDH(t.Context(), agree.Public())
		require.NoError(t, err)
		generate(t, token, "temporary-1", hsm.Sign)
		require.NoError(t, token.Destroy(t.Context(), "temporary-1"))
		require.NoError(t, token.LoseSessions(t.Context()))
	}
	_, after := objects(t, soft)
	delete(before, "token.object")
	delete(after, "token.object")
	require.Equal(t, before, after)
	for name := range before {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.True(t, info.ModTime().Equal(long), "%s was written", name)
	}
}

// TestNoUserPINIsNotARefusedPIN has SoftHSM say what it says when it read the token's file
// while a program without our guard was writing it.
func TestNoUserPINIsNotARefusedPIN(t *testing.T) {
	t.Parallel()
	soft := softhsm.ForTest(t, "EXERCISE no user PIN")
	f := newFaulty()
	unset := failure{err: pkcs11.Error(pkcs11.CKR_USER_PIN_NOT_INITIALIZED)}
	f.failAt("C_Login", unset)
	token := openFaulty(t, soft, f)
	require.Equal(t, 2, f.count("C_Login"), "tried again, after a new C_Initialize")
	require.Equal(t, 2, f.count("C_Initialize"))
	key := generate(t, token, "issuing-oca-1", hsm.Sign)

	require.NoError(t, token.LoseSessions(t.Context()))
	f.failAt("C_Login", unset)
	signAndVerify(t, key)
	require.NoError(t, token.Close())

	f.failAt("C_Login", unset, unset)
	c := hsm.FromSoftHSM(soft)
	_, err := hsm.OpenThrough(t.Context(), c, f.through)
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.ErrorContains(t, err, "does not count")
	require.NotContains(t, err.Error(), "counts against")
}

// TestACopyThatCannotBeMadeKeepsTheLoginAway has the way to the copy blocked: no login is
// made that could cost the token.
func TestACopyThatCannotBeMadeKeepsTheLoginAway(t *testing.T) {
	t.Parallel()
	soft := caToken(t, "EXERCISE no room")
	kept := filepath.Join(soft.Dir, "kept")
	require.NoError(t, os.RemoveAll(kept))
	require.NoError(t, os.WriteFile(kept, nil, 0o600))
	f := newFaulty()
	_, err := hsm.OpenThrough(t.Context(), hsm.FromSoftHSM(soft), f.through)
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.ErrorContains(t, err, "may cost the token")
	require.Zero(t, f.count("C_Login"))
}

// TestAGuardHeldByAnotherProcess has others wait no longer than their timeout.
func TestAGuardHeldByAnotherProcess(t *testing.T) {
	t.Parallel()
	soft := caToken(t, "EXERCISE stopped process")
	token := open(t, soft, func(c *hsm.Config) { c.Timeout = 300 * time.Millisecond })
	key, err := token.Key(t.Context(), "issuing-oca-1")
	require.NoError(t, err)
	held, err := softhsm.Guard(t.Context(), soft.Config())
	require.NoError(t, err)
	signAndVerify(t, key)
	_, err = token.Generate(t.Context(), hsm.KeySpec{Label: "issuing-oca-2", Use: hsm.Sign})
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.NoError(t, token.LoseSessions(t.Context()))
	_, err = key.SignDigest(t.Context(), make([]byte, 32))
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	held.Release()
	require.Eventually(t, func() bool { _, err := key.SignDigest(t.Context(), make([]byte, 32)); return err == nil }, time.Minute, time.Millisecond)
	generate(t, token, "issuing-oca-2", hsm.Sign)
}
