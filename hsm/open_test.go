package hsm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"smki.example/hsm"
	"smki.example/softhsm"
)

func TestOpenFindsTheToken(t *testing.T) {
	t.Parallel()
	token := softhsm.ForTest(t, "EXERCISE found")
	for _, row := range []struct {
		name   string
		change func(*hsm.Config)
		is     error
		says   string
	}{
		{"by label and serial", func(c *hsm.Config) {}, nil, ""},
		{"by label", func(c *hsm.Config) { c.Serial = "" }, nil, ""},
		{"by serial", func(c *hsm.Config) { c.TokenLabel = "" }, nil, ""},
		{"another label, and says what is there", func(c *hsm.Config) { c.TokenLabel = "EXERCISE lost" }, hsm.ErrNotFound, `shows "EXERCISE found"`},
		{"another serial", func(c *hsm.Config) { c.Serial = "0000" }, hsm.ErrNotFound, ""},
		{"a module that is not there", func(c *hsm.Config) { c.Module = "/nowhere/lib.so" }, hsm.ErrUnavailable, "/nowhere/lib.so"},
		{"a module that is none", func(c *hsm.Config) { c.Module = token.Config() }, hsm.ErrUnavailable, "loader refused it"},
		{"a PIN file that is not there", func(c *hsm.Config) { c.PINFile = "/nowhere/pin" }, hsm.ErrUnavailable, "reading the PIN"},
		{"a configuration that the module is not using", func(c *hsm.Config) { c.SoftHSMConf = "/nowhere/conf" }, hsm.ErrUnavailable, "own copy"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if strings.Contains(row.says, "own copy") {
				open(t, token)
			}
			c := hsm.FromSoftHSM(token)
			row.change(&c)
			opened, err := hsm.Open(t.Context(), c)
			if row.is == nil {
				require.NoError(t, err)
				require.Equal(t, token.Serial, opened.Info().Serial)
				require.NoError(t, opened.Close())
				return
			}
			require.ErrorIs(t, err, row.is)
			require.ErrorContains(t, err, row.says)
			requireNoPIN(t, token, err.Error())
		})
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	whole := hsm.Config{Module: "m", TokenLabel: "l", PINFile: "p"}
	for field, change := range map[string]func(*hsm.Config){
		"Module":     func(c *hsm.Config) { c.Module = "" },
		"TokenLabel": func(c *hsm.Config) { c.TokenLabel = "" },
		"PINFile":    func(c *hsm.Config) { c.PINFile = "" },
		"both":       func(c *hsm.Config) { c.PIN = hsm.PIN("1234") },
		"Sessions":   func(c *hsm.Config) { c.Sessions = -1 },
		"Timeout":    func(c *hsm.Config) { c.Timeout = -1 },
	} {
		c := whole
		change(&c)
		_, err := hsm.Open(t.Context(), c)
		require.ErrorContains(t, err, field)
		require.NotContains(t, err.Error(), "1234")
	}
}

func TestRequireLabelPrefixRefusesBeforeLogin(t *testing.T) {
	t.Parallel()
	if _, err := softhsm.Find(); err != nil {
		softhsm.ForTest(t, "EXERCISE absent") // skips, or fails
	}
	token, err := softhsm.New(filepath.Join(t.TempDir(), "token"), "PRODUCTION root")
	require.NoError(t, err)
	f := newFaulty()
	c := hsm.FromSoftHSM(token)
	c.RequireLabelPrefix = "EXERCISE"
	_, err = hsm.OpenThrough(t.Context(), c, f.through)
	require.ErrorIs(t, err, hsm.ErrRefused)
	require.ErrorContains(t, err, `"PRODUCTION root"`)
	require.Zero(t, f.count("C_Login"))
	require.Zero(t, f.count("C_OpenSession"))
}

func TestWrongPINIsTriedOnce(t *testing.T) {
	t.Parallel()
	token := softhsm.ForTest(t, "EXERCISE wrong pin")
	wrong := filepath.Join(t.TempDir(), "wrong")
	require.NoError(t, os.WriteFile(wrong, []byte("987654321-wrong\n"), 0o600))
	f := newFaulty()
	c := hsm.FromSoftHSM(token)
	c.PINFile = wrong
	_, err := hsm.OpenThrough(t.Context(), c, f.through)
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	var code pkcs11.Error
	require.ErrorAs(t, err, &code)
	require.EqualValues(t, pkcs11.CKR_PIN_INCORRECT, code)
	require.Equal(t, 1, f.count("C_Login"))
	require.NotContains(t, err.Error(), "987654321")

	c.PINFile = token.PINFile
	opened, err := hsm.OpenThrough(t.Context(), c, f.through)
	require.NoError(t, err, "opened anew with the right PIN")
	require.NoError(t, opened.Close())
}

func TestWrongPINAfterALossPoisonsTheToken(t *testing.T) {
	t.Parallel()
	token := softhsm.ForTest(t, "EXERCISE changed pin")
	f := newFaulty()
	opened := openFaulty(t, token, f)
	key := generate(t, opened, "root-oca-1", hsm.Sign)
	require.NoError(t, os.WriteFile(token.PINFile, []byte("987654321-wrong"), 0o600))
	before := f.count("C_Login")
	require.NoError(t, opened.LoseSessions(t.Context()))
	for range 5 {
		_, err := key.SignDigest(t.Context(), make([]byte, 32))
		require.ErrorIs(t, err, hsm.ErrUnavailable)
		var code pkcs11.Error
		require.ErrorAs(t, err, &code)
		require.EqualValues(t, pkcs11.CKR_PIN_INCORRECT, code)
		require.NotContains(t, err.Error(), "987654321")
	}
	require.Equal(t, before+1, f.count("C_Login"), "shown to the token once, for any number of calls")
}

func TestPINFromMemory(t *testing.T) {
	t.Parallel()
	token := softhsm.ForTest(t, "EXERCISE custody")
	pin, err := os.ReadFile(token.PINFile)
	require.NoError(t, err)
	require.NoError(t, os.Remove(token.PINFile))
	given := hsm.PIN(pin)
	opened := open(t, token, func(c *hsm.Config) { c.PINFile, c.PIN = "", given })
	key := generate(t, opened, "recovery-1", hsm.Sign)
	clear(given)
	require.NoError(t, opened.LoseSessions(t.Context()))
	_, err = key.SignDigest(t.Context(), make([]byte, 32))
	require.NoError(t, err, "Open kept a copy of its own")

	t.Run("a second opening must show the same PIN", func(t *testing.T) {
		c := hsm.FromSoftHSM(token)
		c.PINFile, c.PIN = "", hsm.PIN("something else")
		_, err := hsm.Open(t.Context(), c)
		require.ErrorIs(t, err, hsm.ErrRefused)
		require.NotContains(t, err.Error(), "something else")
	})
}

func TestPINDoesNotPrint(t *testing.T) {
	t.Parallel()
	pin := hsm.PIN("very secret")
	inside := struct{ P hsm.PIN }{pin}
	b, err := json.Marshal(inside)
	require.NoError(t, err)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "pin", pin)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "pin", pin)
	text := fmt.Sprintf("%v %s %x %d %q %+v %#v", pin, pin, pin, pin, pin, inside, inside) + string(b) + log.String()
	require.NotContains(t, text, "secret")
	require.NotContains(t, text, fmt.Sprintf("%x", "secret"))
	require.NotContains(t, text, "115 101", "decimal")
}

func TestTokensOfSeveralDirectoriesAtOnce(t *testing.T) {
	t.Parallel()
	var tokens []*hsm.Token
	for i := range 3 {
		tokens = append(tokens, open(t, softhsm.ForTest(t, fmt.Sprintf("EXERCISE owner %d", i))))
	}
	for i, token := range tokens {
		generate(t, token, hsm.Label("owner", i+1), hsm.Sign)
	}
	for i, token := range tokens {
		keys, err := token.Keys(t.Context())
		require.NoError(t, err)
		require.Len(t, keys, 1)
		require.Equal(t, hsm.Label("owner", i+1), keys[0].Attributes.Label)
	}
}

// secondToken initialises another token in the directory of the first.
func secondToken(t *testing.T, first *softhsm.Token, label string) {
	t.Helper()
	pin, err := os.ReadFile(first.PINFile)
	require.NoError(t, err)
	module := pkcs11.New(first.Library)
	require.NoError(t, softhsm.WithConfig(first.Config(), func() error { return module.Initialize() }))
	defer module.Destroy()
	defer module.Finalize()
	slots, err := module.GetSlotList(true)
	require.NoError(t, err)
	free := slots[len(slots)-1]
	require.NoError(t, module.InitToken(free, "so-pin-of-a-test", label))
	session, err := module.OpenSession(free, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	require.NoError(t, err)
	require.NoError(t, module.Login(session, pkcs11.CKU_SO, "so-pin-of-a-test"))
	require.NoError(t, module.InitPIN(session, string(pin)))
}

func TestTwoTokensOfOneModule(t *testing.T) {
	t.Parallel()
	dir := softhsm.ForTest(t, "EXERCISE first")
	secondToken(t, dir, "EXERCISE second")
	first := open(t, dir)
	second, err := hsm.Open(t.Context(), hsm.Config{Module: dir.Library, SoftHSMConf: dir.Config(), TokenLabel: "EXERCISE second", PINFile: dir.PINFile})
	require.NoError(t, err)
	one, two := generate(t, first, "one-1", hsm.Sign), generate(t, second, "two-1", hsm.Sign)
	_, err = second.Key(t.Context(), "one-1")
	require.ErrorIs(t, err, hsm.ErrNotFound)

	require.NoError(t, dir.Break())
	for _, key := range []*hsm.Key{one, two} {
		_, err := key.SignDigest(t.Context(), make([]byte, 32))
		require.ErrorIs(t, err, hsm.ErrUnavailable)
	}
	require.NoError(t, dir.Restore())
	for _, key := range []*hsm.Key{one, two} {
		signAndVerify(t, key)
	}

	require.NoError(t, second.Close())
	signAndVerify(t, one)
	_, err = two.SignDigest(t.Context(), make([]byte, 32))
	require.ErrorIs(t, err, hsm.ErrUnavailable, "closed")
	_, err = hsm.Open(t.Context(), hsm.Config{Module: dir.Library, SoftHSMConf: dir.Config(), TokenLabel: "EXERCISE second", PIN: hsm.PIN("not the PIN")})
	var code pkcs11.Error
	require.ErrorAs(t, err, &code, "closing has logged the token out, although its module is still in use")
	require.EqualValues(t, pkcs11.CKR_PIN_INCORRECT, code)
}

func TestTwoTokensOfOneLabelNeedTheSerial(t *testing.T) {
	t.Parallel()
	dir := softhsm.ForTest(t, "EXERCISE twin")
	secondToken(t, dir, "EXERCISE twin")
	c := hsm.FromSoftHSM(dir)
	c.Serial = ""
	_, err := hsm.Open(t.Context(), c)
	require.ErrorIs(t, err, hsm.ErrConflict)
	open(t, dir)
}

func TestAlreadyInitialisedIsAnError(t *testing.T) {
	t.Parallel()
	token := softhsm.ForTest(t, "EXERCISE taken")
	module := pkcs11.New(token.Library)
	require.NoError(t, softhsm.WithConfig(token.Config(), func() error { return module.Initialize() }))
	_, err := hsm.Open(t.Context(), hsm.FromSoftHSM(token))
	require.ErrorContains(t, err, "CKR_CRYPTOKI_ALREADY_INITIALIZED")
	require.NoError(t, module.Finalize())
	module.Destroy()
	open(t, token)
}

func TestOpenTwiceSharesTheLogin(t *testing.T) {
	t.Parallel()
	token := softhsm.ForTest(t, "EXERCISE shared")
	first, second := open(t, token), open(t, token)
	key := generate(t, first, "shared-1", hsm.Sign)
	require.NoError(t, first.Close())
	same, err := second.Key(t.Context(), key.Label())
	require.NoError(t, err, "the first to close does not log the other out")
	signAndVerify(t, same)
}

func TestOpenObeysItsContext(t *testing.T) {
	t.Parallel()
	token := softhsm.ForTest(t, "EXERCISE slow start")
	f := newFaulty()
	release := f.hangAt("C_Login")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-f.entered
		cancel()
	}()
	_, err := hsm.OpenThrough(ctx, hsm.FromSoftHSM(token), f.through)
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.ErrorIs(t, err, context.Canceled)
	release()
	opened, err := hsm.OpenThrough(t.Context(), hsm.FromSoftHSM(token), f.through)
	require.NoError(t, err)
	require.NoError(t, opened.Close())
}
