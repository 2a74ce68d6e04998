package hsm_test

import (
	"context"
	"testing"
	"time"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"smki.example/hsm"
	"smki.example/softhsm"
)

func TestLostSessionsComeBack(t *testing.T) {
	t.Parallel()
	token := open(t, softhsm.ForTest(t, "EXERCISE lost sessions"))
	key := generate(t, token, "issuing-oca-1", hsm.Sign)
	crowd(t, key, 16, 20, func() {
		for range 5 {
			require.NoError(t, token.LoseSessions(t.Context()))
		}
	})
	require.NoError(t, token.LoseSessions(t.Context()))
	_, err := token.Keys(t.Context())
	require.NoError(t, err)
	require.NoError(t, token.LoseSessions(t.Context()))
	generate(t, token, "issuing-oca-2", hsm.Sign)
	signAndVerify(t, key)
}

func TestBrokenTokenComesBackWithoutReopening(t *testing.T) {
	t.Parallel()
	for _, modifiable := range []bool{false, true} {
		dir := softhsm.ForTest(t, "EXERCISE broken")
		token := open(t, dir)
		key, err := token.Generate(t.Context(), hsm.KeySpec{Label: "root-oca-1", Use: hsm.Sign, Modifiable: modifiable})
		require.NoError(t, err)
		generate(t, token, "health-1", hsm.Sign)
		agree := generate(t, token, "party-1", hsm.Derive)
		for range 3 {
			require.NoError(t, token.Health(t.Context()))
			signAndVerify(t, key)
			require.NoError(t, dir.Break())
			for name, use := range map[string]func() error{
				"health":  func() error { return token.Health(t.Context()) },
				"sign":    func() error { _, err := key.SignDigest(t.Context(), make([]byte, 32)); return err },
				"agree":   func() error { _, err := agree.ECDH(t.Context(), agree.Public()); return err },
				"look up": func() error { _, err := token.Key(t.Context(), "root-oca-1"); return err },
				"list":    func() error { _, err := token.Keys(t.Context()); return err },
				"generate": func() error {
					_, err := token.Generate(t.Context(), hsm.KeySpec{Label: "x-1", Use: hsm.Sign})
					return err
				},
				"destroy": func() error { return token.Destroy(t.Context(), "root-oca-1") },
			} {
				if name == "sign" && modifiable {
					require.Error(t, token.Health(t.Context())) // a copy may sign on until the next look at the token
				}
				err := use()
				require.ErrorIs(t, err, hsm.ErrUnavailable, name)
				require.NotErrorIs(t, err, hsm.ErrNotFound, "%s: a token that is gone is no proof that the key is", name)
				requireNoPIN(t, dir, err.Error())
			}
			require.NoError(t, dir.Restore())
		}
		require.NoError(t, token.Health(t.Context()))
		signAndVerify(t, key)
	}
}

func TestOpenABrokenToken(t *testing.T) {
	t.Parallel()
	dir := softhsm.ForTest(t, "EXERCISE broken first")
	require.NoError(t, dir.Break())
	_, err := hsm.Open(t.Context(), hsm.FromSoftHSM(dir))
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.NoError(t, dir.Restore())
	open(t, dir)
}

// TestTokenFaults has C_SignInit or C_Sign answer as tokens do that lose their way.
func TestTokenFaults(t *testing.T) {
	t.Parallel()
	dir := softhsm.ForTest(t, "EXERCISE faults")
	f := newFaulty()
	token := openFaulty(t, dir, f)
	key := generate(t, token, "issuing-oca-1", hsm.Sign)
	for _, row := range []struct {
		name  string
		call  string
		code  uint
		times int
		says  error // nil: the caller does not notice
	}{
		{"a dead session", "C_SignInit", pkcs11.CKR_SESSION_HANDLE_INVALID, 1, nil},
		{"a login that ran out", "C_SignInit", pkcs11.CKR_USER_NOT_LOGGED_IN, 1, nil},
		{"a dead object", "C_SignInit", pkcs11.CKR_OBJECT_HANDLE_INVALID, 2, nil},
		{"a device that stumbles before it has the digest", "C_SignInit", pkcs11.CKR_DEVICE_ERROR, 2, nil},
		{"a device that is gone", "C_SignInit", pkcs11.CKR_DEVICE_REMOVED, 3, hsm.ErrUnavailable},
		{"a session that dies in between", "C_Sign", pkcs11.CKR_SESSION_HANDLE_INVALID, 1, nil},
		{"a device that stumbles over the digest", "C_Sign", pkcs11.CKR_DEVICE_ERROR, 1, hsm.ErrUnavailable},
		{"a device that does not know", "C_Sign", pkcs11.CKR_GENERAL_ERROR, 1, hsm.ErrUnavailable},
	} {
		for range row.times {
			f.failAt(row.call, failure{err: pkcs11.Error(row.code)})
		}
		_, err := key.SignDigest(t.Context(), make([]byte, 32))
		if row.says == nil {
			require.NoError(t, err, row.name)
		} else {
			require.ErrorIs(t, err, row.says, row.name)
			var code pkcs11.Error
			require.ErrorAs(t, err, &code)
			require.EqualValues(t, row.code, code)
		}
		signAndVerify(t, key)
	}
}

// TestASignatureIsAskedForOnce has the token sign and the answer get lost: two
// signatures over the same octets differ, so that a second one would be one too many.
func TestASignatureIsAskedForOnce(t *testing.T) {
	t.Parallel()
	for _, modifiable := range []bool{false, true} {
		f := newFaulty()
		token := openFaulty(t, softhsm.ForTest(t, "EXERCISE once"), f)
		key, err := token.Generate(t.Context(), hsm.KeySpec{Label: "issuing-dca-1", Use: hsm.Sign, Modifiable: modifiable})
		require.NoError(t, err)
		signAndVerify(t, key)
		for _, code := range []uint{pkcs11.CKR_DEVICE_ERROR, pkcs11.CKR_GENERAL_ERROR, pkcs11.CKR_FUNCTION_FAILED, pkcs11.CKR_DEVICE_REMOVED} {
			asked := f.count("C_Sign")
			f.failAt("C_Sign", failure{err: pkcs11.Error(code), after: true})
			_, err := key.SignDigest(t.Context(), make([]byte, 32))
			require.ErrorIs(t, err, hsm.ErrUnavailable)
			require.Equal(t, asked+1, f.count("C_Sign"), "the token was asked once, answer %v", pkcs11.Error(code))
			signAndVerify(t, key)
		}
	}
}

func TestRefusalsAreNotOutages(t *testing.T) {
	t.Parallel()
	f := newFaulty()
	token := openFaulty(t, softhsm.ForTest(t, "EXERCISE refusals"), f)
	key := generate(t, token, "issuing-oca-1", hsm.Sign)
	opened := f.count("C_OpenSession")
	f.failAt("C_SignInit", failure{err: pkcs11.Error(0x1B)})
	_, err := key.SignDigest(t.Context(), make([]byte, 32))
	require.NotErrorIs(t, err, hsm.ErrUnavailable)
	require.ErrorContains(t, err, "C_SignInit: CKR_ACTION_PROHIBITED")
	signAndVerify(t, key)
	require.Equal(t, opened, f.count("C_OpenSession"), "the session is as good as before")
}

// TestHungCall has one signature hang: its caller hears of an outage at the deadline, others
// sign on, and the session is closed when the call returns and used by nobody.
func TestHungCall(t *testing.T) {
	t.Parallel()
	f := newFaulty()
	token := openFaulty(t, softhsm.ForTest(t, "EXERCISE hung"), f, func(c *hsm.Config) { c.Timeout = 2 * time.Second; c.Sessions = 1 })
	key := generate(t, token, "issuing-oca-1", hsm.Sign)
	signAndVerify(t, key)

	f.sessions()
	release := f.hangAt("C_Sign")
	started := time.Now()
	_, err := key.SignDigest(t.Context(), make([]byte, 32))
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.ErrorContains(t, err, "no answer within 2s")
	require.GreaterOrEqual(t, time.Since(started), 2*time.Second)
	require.Equal(t, 1, token.Hanging())
	hung := f.sessions()[0]
	release()
	require.Equal(t, "C_Sign", <-f.left)
	for range 20 {
		signAndVerify(t, key)
	}
	require.Eventually(t, func() bool { return token.Hanging() == 0 }, time.Minute, time.Millisecond, "its session is closed once the call has returned")
	uses := 0
	for _, s := range f.sessions() {
		if s == hung {
			uses++
		}
	}
	require.Equal(t, 1, uses, "C_CloseSession, and nothing else")
}

func TestACallerMayLeaveBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	f := newFaulty()
	token := openFaulty(t, softhsm.ForTest(t, "EXERCISE impatient"), f)
	key := generate(t, token, "issuing-oca-1", hsm.Sign)
	release := f.hangAt("C_Sign")
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-f.entered
		cancel()
	}()
	_, err := key.SignDigest(ctx, make([]byte, 32))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, hsm.ErrUnavailable, "nobody knows whether it signed")
}

func TestATokenThatNeverAnswersHoldsFewThreads(t *testing.T) {
	t.Parallel()
	f := newFaulty()
	token := openFaulty(t, softhsm.ForTest(t, "EXERCISE stopped"), f, func(c *hsm.Config) { c.Sessions = 2 })
	key := generate(t, token, "issuing-oca-1", hsm.Sign)
	release := f.hangAt("C_Sign")
	for range 4 {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-f.entered
			cancel()
		}()
		_, err := key.SignDigest(ctx, make([]byte, 32))
		require.ErrorIs(t, err, hsm.ErrUnavailable)
	}
	_, err := key.SignDigest(t.Context(), make([]byte, 32))
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.ErrorContains(t, err, "4 calls hang in the token")
	release()
	require.Eventually(t, func() bool { return token.Hanging() == 0 }, time.Minute, time.Millisecond)
	signAndVerify(t, key)
}

func TestAHungRecoveryDoesNotHangItsCallers(t *testing.T) {
	t.Parallel()
	f := newFaulty()
	token := openFaulty(t, softhsm.ForTest(t, "EXERCISE hung login"), f, func(c *hsm.Config) { c.Timeout = 2 * time.Second })
	key := generate(t, token, "issuing-oca-1", hsm.Sign)
	require.NoError(t, token.LoseSessions(t.Context()))
	release := f.hangAt("C_Login")
	_, err := key.SignDigest(t.Context(), make([]byte, 32))
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	release()
	require.Eventually(t, func() bool {
		_, err := key.SignDigest(t.Context(), make([]byte, 32))
		return err == nil
	}, time.Minute, time.Millisecond)
}

func TestPoolWaitsWithContext(t *testing.T) {
	t.Parallel()
	token := open(t, softhsm.ForTest(t, "EXERCISE pool"), func(c *hsm.Config) { c.Sessions = 1 })
	key := generate(t, token, "issuing-oca-1", hsm.Sign)
	giveBack, err := token.Borrow(t.Context())
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error)
	go func() { _, err := key.SignDigest(ctx, make([]byte, 32)); answer <- err }()
	cancel()
	err = <-answer
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, hsm.ErrUnavailable, "the caller's wish is no outage")

	ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = key.SignDigest(ctx, make([]byte, 32))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, hsm.ErrUnavailable)

	go func() { _, err := key.SignDigest(t.Context(), make([]byte, 32)); answer <- err }()
	giveBack()
	require.NoError(t, <-answer)
}

func TestPoolShrinksToWhatTheTokenHas(t *testing.T) {
	t.Parallel()
	f := newFaulty()
	token := openFaulty(t, softhsm.ForTest(t, "EXERCISE few"), f, func(c *hsm.Config) { c.Sessions = 8 })
	key := generate(t, token, "issuing-oca-1", hsm.Sign)
	giveBack, err := token.Borrow(t.Context())
	require.NoError(t, err)
	for range 7 {
		f.failAt("C_OpenSession", failure{err: pkcs11.Error(pkcs11.CKR_SESSION_COUNT)})
	}
	answer := make(chan error)
	go func() { _, err := key.SignDigest(t.Context(), make([]byte, 32)); answer <- err }()
	require.Eventually(t, func() bool { return f.count("C_OpenSession") >= 9 }, time.Minute, time.Millisecond)
	giveBack()
	require.NoError(t, <-answer)
	crowd(t, key, 8, 4, nil)
}

func TestCloseWaitsForThoseAtWork(t *testing.T) {
	t.Parallel()
	token := open(t, softhsm.ForTest(t, "EXERCISE closing"))
	key := generate(t, token, "issuing-oca-1", hsm.Sign)
	giveBack, err := token.Borrow(t.Context())
	require.NoError(t, err)
	closed := make(chan error)
	go func() { closed <- token.Close() }()
	giveBack()
	require.NoError(t, <-closed)
	_, err = key.SignDigest(t.Context(), make([]byte, 32))
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.ErrorContains(t, err, "closed")
}

func TestCloseDoesNotWaitForACallThatHangs(t *testing.T) {
	t.Parallel()
	dir := softhsm.ForTest(t, "EXERCISE hung close")
	f := newFaulty()
	c := hsm.FromSoftHSM(dir)
	c.Timeout = time.Second
	token, err := hsm.OpenThrough(t.Context(), c, f.through)
	require.NoError(t, err)
	key := generate(t, token, "issuing-oca-1", hsm.Sign)
	release := f.hangAt("C_Sign")
	_, err = key.SignDigest(t.Context(), make([]byte, 32))
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	err = token.Close()
	require.ErrorIs(t, err, hsm.ErrUnavailable)
	require.ErrorContains(t, err, "stays loaded")
	release()
	<-f.left
	again := open(t, dir)
	key, err = again.Key(t.Context(), "issuing-oca-1")
	require.NoError(t, err)
	signAndVerify(t, key)
}
