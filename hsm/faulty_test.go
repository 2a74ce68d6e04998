package hsm_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/pkcs11"
	"github.com/stretchr/testify/require"

	"smki.example/hsm"
	"smki.example/softhsm"
)

// faulty stands between the package and a real SoftHSM. It counts calls, and one
// that is due to hang or to fail does so.
type faulty struct {
	hsm.Driver

	mu      sync.Mutex
	counts  map[string]int
	hang    map[string]chan struct{} // closed: the call goes on
	fail    map[string][]failure     // used up in order
	used    []pkcs11.SessionHandle   // of C_SignInit, C_Sign and C_CloseSession
	entered chan string              // told of each call that hangs
	left    chan string              // told of each call that hung and has returned
}

// A failure is an answer to one call, given before it is made or instead of its success.
type failure struct {
	err   error
	after bool // the call is made, and then said to have failed
}

func newFaulty() *faulty {
	return &faulty{counts: map[string]int{}, hang: map[string]chan struct{}{}, fail: map[string][]failure{},
		entered: make(chan string, 64), left: make(chan string, 64)}
}

func (f *faulty) through(d hsm.Driver) hsm.Driver { f.Driver = d; return f }

func (f *faulty) count(call string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[call]
}

// hangAt makes every call of that name wait until the returned function is called.
func (f *faulty) hangAt(call string) (release func()) {
	ch := make(chan struct{})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hang[call] = ch
	return func() {
		f.mu.Lock()
		delete(f.hang, call)
		f.mu.Unlock()
		close(ch)
	}
}

func (f *faulty) failAt(call string, failures ...failure) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail[call] = append(f.fail[call], failures...)
}

// sessions returns the handles that were used since the last time.
func (f *faulty) sessions() []pkcs11.SessionHandle {
	f.mu.Lock()
	defer f.mu.Unlock()
	used := f.used
	f.used = nil
	return used
}

// call does what is due at a call and returns the answer that replaces it.
func (f *faulty) call(name string, s pkcs11.SessionHandle) failure {
	f.mu.Lock()
	f.counts[name]++
	if s != 0 {
		f.used = append(f.used, s)
	}
	hang := f.hang[name]
	var due failure
	if q := f.fail[name]; len(q) > 0 {
		due, f.fail[name] = q[0], q[1:]
	}
	f.mu.Unlock()
	if hang != nil {
		f.entered <- name
		<-hang
		f.left <- name
	}
	return due
}

func (f *faulty) Initialize(o ...pkcs11.InitializeOption) error {
	if due := f.call("C_Initialize", 0); due.err != nil {
		return due.err
	}
	return f.Driver.Initialize(o...)
}

func (f *faulty) Login(s pkcs11.SessionHandle, user uint, pin string) error {
	if due := f.call("C_Login", 0); due.err != nil {
		return due.err
	}
	return f.Driver.Login(s, user, pin)
}

func (f *faulty) OpenSession(slot, flags uint) (pkcs11.SessionHandle, error) {
	if due := f.call("C_OpenSession", 0); due.err != nil {
		return 0, due.err
	}
	return f.Driver.OpenSession(slot, flags)
}

func (f *faulty) CloseSession(s pkcs11.SessionHandle) error {
	f.call("C_CloseSession", s)
	return f.Driver.CloseSession(s)
}

func (f *faulty) SignInit(s pkcs11.SessionHandle, m []*pkcs11.Mechanism, o pkcs11.ObjectHandle) error {
	if due := f.call("C_SignInit", s); due.err != nil {
		return due.err
	}
	return f.Driver.SignInit(s, m, o)
}

func (f *faulty) Sign(s pkcs11.SessionHandle, b []byte) ([]byte, error) {
	due := f.call("C_Sign", s)
	if due.err != nil && !due.after {
		return nil, due.err
	}
	sig, err := f.Driver.Sign(s, b)
	if due.err != nil {
		return nil, due.err
	}
	return sig, err
}

func (f *faulty) GenerateKeyPair(s pkcs11.SessionHandle, m []*pkcs11.Mechanism, pub, priv []*pkcs11.Attribute) (pkcs11.ObjectHandle, pkcs11.ObjectHandle, error) {
	due := f.call("C_GenerateKeyPair", s)
	if due.err != nil && !due.after {
		return 0, 0, due.err
	}
	a, b, err := f.Driver.GenerateKeyPair(s, m, pub, priv)
	if due.err != nil {
		return 0, 0, due.err
	}
	return a, b, err
}

func (f *faulty) DestroyObject(s pkcs11.SessionHandle, o pkcs11.ObjectHandle) error {
	due := f.call("C_DestroyObject", s)
	if due.err != nil && !due.after {
		return due.err
	}
	err := f.Driver.DestroyObject(s, o)
	if due.err != nil {
		return due.err
	}
	return err
}

// open opens the SoftHSM token and closes it with the test.
func open(t *testing.T, token *softhsm.Token, change ...func(*hsm.Config)) *hsm.Token {
	t.Helper()
	c := hsm.FromSoftHSM(token)
	for _, f := range change {
		f(&c)
	}
	opened, err := hsm.Open(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, opened.Close()) })
	return opened
}

// openFaulty is open with a faulty driver in between.
func openFaulty(t *testing.T, token *softhsm.Token, f *faulty, change ...func(*hsm.Config)) *hsm.Token {
	t.Helper()
	c := hsm.FromSoftHSM(token)
	for _, fn := range change {
		fn(&c)
	}
	opened, err := hsm.OpenThrough(t.Context(), c, f.through)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, opened.Close()) })
	return opened
}

func generate(t *testing.T, token *hsm.Token, label hsm.KeyLabel, use hsm.Use) *hsm.Key {
	t.Helper()
	key, err := token.Generate(context.WithoutCancel(t.Context()), hsm.KeySpec{Label: label, Use: use})
	require.NoError(t, err)
	return key
}

// requireNoPIN fails if text holds a PIN of the token.
func requireNoPIN(t *testing.T, token *softhsm.Token, text string) {
	t.Helper()
	for _, file := range []string{token.PINFile, token.SOPINFile} {
		pin, err := os.ReadFile(file)
		if err == nil && len(pin) > 0 && strings.Contains(text, string(pin)) {
			t.Fatalf("the PIN of %s stands in %q", filepath.Base(file), strings.ReplaceAll(text, string(pin), "…"))
		}
	}
}
