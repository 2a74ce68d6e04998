package revocation_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"smki.example/ca"
	"smki.example/ca/revocation"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

func TestPublishCRL(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	// The Organisation CRL, the ARL, and the device CRL of this environment.
	for _, issuer := range []string{"issuing-oca", "root-oca", "issuing-dca"} {
		period, ok := w.hierarchy.Environment.CRL(policy.ProfileName(issuer))
		require.True(t, ok)
		_, err := w.register.Current(t.Context(), issuer)
		require.ErrorIs(t, err, ca.ErrNotFound)
		for number := range int64(3) {
			rec, err := w.register.PublishCRL(t.Context(), issuer)
			require.NoError(t, err)
			require.Equal(t, issuer+"-1", rec.Issuer)
			require.Equal(t, number+1, rec.Number)
			require.Equal(t, noon, rec.ThisUpdate)
			require.Equal(t, noon.Add(period.Valid), rec.NextUpdate)
			current, err := w.register.Current(t.Context(), issuer)
			require.NoError(t, err)
			require.Equal(t, rec, current)
		}
	}
	for issuer, says := range map[string]string{
		"root-dca":      "publishes no revocation list",
		"issuing-oca-2": "not found",
		"somebody":      "not found",
	} {
		_, err := w.register.PublishCRL(t.Context(), issuer)
		require.ErrorContains(t, err, says)
	}
	w.accounts(t)
}

// Revoking an authority puts it on the list of its root.
func TestARL(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	v := w.revoke(t, w.hierarchy.IssuingOCA.Certificate.Serial, policy.ReasonCACompromise)
	require.Equal(t, "root-oca-1", v.Issuer)
	require.True(t, v.OnCRL)
	rec, err := w.register.PublishCRL(t.Context(), "root-oca")
	require.NoError(t, err)
	crl, err := policy.ParseCRL(rec.DER)
	require.NoError(t, err)
	require.Equal(t, policy.ReasonCACompromise, crl.Entries[0].Reason)

	v = w.revoke(t, w.hierarchy.IssuingDCA.Certificate.Serial, policy.ReasonCACompromise)
	require.False(t, v.OnCRL, "no ARL is known on the device side")
}

// A serial that the CA wrote off stands on the list, although no certificate of
// it was ever seen, and cannot be revoked again.
func TestWrittenOffIsOnTheList(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	w.setFail(func(sign func() ([]byte, error)) ([]byte, error) {
		_, _ = sign()
		return nil, errInjected
	})
	_, err := w.issuer.Issue(t.Context(), ca.Request{DER: supplierRequest(t, 1)})
	w.setFail(nil)
	var u *ca.UncertainError
	require.ErrorAs(t, err, &u)

	v, err := w.register.Revoke(t.Context(), revocation.Revoke{Serial: u.Serial, Reason: policy.ReasonKeyCompromise, By: "x"})
	require.NoError(t, err)
	require.True(t, v.WrittenOff)
	require.Equal(t, policy.ReasonCessationOfOperation, v.Reason)
	require.Contains(t, v.Says(), "nothing is left to revoke")

	due, err := w.register.Due(t.Context(), noon)
	require.NoError(t, err)
	require.Equal(t, int64(1), standing(t, due, "issuing-oca-1").Pending)
	rec, err := w.register.PublishCRL(t.Context(), "issuing-oca")
	require.NoError(t, err)
	crl, err := policy.ParseCRL(rec.DER)
	require.NoError(t, err)
	require.Equal(t, []policy.CRLEntry{{Serial: u.Serial, At: noon, Reason: policy.ReasonCessationOfOperation}}, crl.Entries)
	w.accounts(t)
}

// What happens to a list whose making is disturbed. The commits are: 0 intent, 1
// publication, 2 giving up.
func TestEveryWriteOfAListFailsInTwoWays(t *testing.T) {
	t.Parallel()
	probe := func(point string) func(*world) {
		return func(w *world) {
			w.register.SetProbe(func(p string) error {
				if p == point {
					return errInjected
				}
				return nil
			})
		}
	}
	for _, row := range []struct {
		name      string
		arm       func(*world)
		uncertain bool  // the caller is told that a list may have been signed
		ok        bool  // the caller gets the list
		next      int64 // number of the next list: a burned number is never used again
		signed    int
	}{
		{"intent: told to stop before it", probe("before-intent"), false, false, 1, 0},
		{"intent: not committed", func(w *world) { w.faults.FailBeforeCommit(0, inject) }, false, false, 1, 0},
		{"intent: committed, told it was not", func(w *world) { w.faults.FailAfterCommit(0, inject) }, false, false, 2, 0},
		{"intent: committed, told it was not, and then the database is gone", func(w *world) {
			w.faults.FailAfterCommit(0, inject)
			w.faults.FailBeforeCommit(1, inject)
		}, false, false, 2, 0},
		{"sign: the token did nothing", func(w *world) {
			w.setFail(func(func() ([]byte, error)) ([]byte, error) { return nil, errInjected })
		}, true, false, 2, 0},
		{"sign: the token signed and says it did not", func(w *world) {
			w.setFail(func(sign func() ([]byte, error)) ([]byte, error) { _, _ = sign(); return nil, errInjected })
		}, true, false, 2, 1},
		{"sign: a damaged signature", func(w *world) {
			w.setFail(func(sign func() ([]byte, error)) ([]byte, error) {
				sig, err := sign()
				sig[len(sig)-1] ^= 1
				return sig, err
			})
		}, true, false, 2, 1},
		{"publish: told to stop before it", probe("before-publish"), true, false, 2, 1},
		{"publish: not committed", func(w *world) { w.faults.FailBeforeCommit(1, inject) }, true, false, 2, 1},
		{"publish: committed, told it was not: the second look finds it", func(w *world) { w.faults.FailAfterCommit(1, inject) }, false, true, 2, 1},
		{"publish: not committed, and then the database is gone", func(w *world) {
			w.faults.FailBeforeCommit(1, inject)
			w.faults.FailBeforeCommit(2, inject)
		}, true, false, 2, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "exercise")
			c := w.supplier(t, 1)
			w.revoke(t, c.Serial, policy.ReasonKeyCompromise)
			before := w.signatures()
			row.arm(w)
			rec, err := w.register.PublishCRL(t.Context(), "issuing-oca")
			require.Equal(t, row.ok, err == nil, "%v", err)
			require.Equal(t, row.uncertain, errors.Is(err, ca.ErrUncertain), "%v", err)
			require.Equal(t, row.signed, w.signatures()-before)
			w.accounts(t)
			current, cerr := w.register.Current(t.Context(), "issuing-oca")
			if row.ok {
				require.NoError(t, cerr)
				require.Equal(t, rec, current)
			} else {
				require.ErrorIs(t, cerr, ca.ErrNotFound, "nothing was published")
			}

			w.register.SetProbe(nil)
			w.setFail(nil)
			_, err = w.issuer.Reconcile(t.Context())
			require.NoError(t, err)
			rec, err = w.register.PublishCRL(t.Context(), "issuing-oca")
			require.NoError(t, err)
			require.Equal(t, row.next, rec.Number)
			require.Equal(t, 1, rec.Entries)
			w.accounts(t)
		})
	}
}

// A revocation that is recorded while a list is signed is on the list that is
// published: the first is thrown away with its number.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"before-intent", "signed", "before-publish"} {
		w := newWorld(t, "exercise")
		late := w.supplier(t, 1)
		once := sync.OnceFunc(func() { w.revoke(t, late.Serial, policy.ReasonKeyCompromise) })
		w.register.SetProbe(func(p string) error {
			if p == point {
				once()
			}
			return nil
		})
		rec, err := w.register.PublishCRL(t.Context(), "issuing-oca")
		require.NoError(t, err)
		require.Equal(t, 1, rec.Entries, point)
		w.accounts(t)
	}

	// Without end: after some attempts it is left to the schedule.
	w := newWorld(t, "exercise")
	w.register.SetProbe(func(p string) error {
		if p == "signed" {
			w.revoke(t, w.supplier(t, 1).Serial, policy.ReasonKeyCompromise)
		}
		return nil
	})
	_, err := w.register.PublishCRL(t.Context(), "issuing-oca")
	require.ErrorContains(t, err, "overtaken")
	w.accounts(t)
}

// Two processes publish at once: the numbers are never the same, and a list is
// not published after one with a higher number.
func TestPublishTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	_, other := w.open(t)
	registers := []*revocation.Register{w.register, other}
	numbers := make(chan int64, 20)
	errs := make(chan error, 20)
	var wait sync.WaitGroup
	for n := range 20 {
		wait.Go(func() {
			rec, err := registers[n%2].PublishCRL(t.Context(), "issuing-oca")
			if err == nil {
				numbers <- rec.Number
			}
			errs <- err
		})
	}
	wait.Wait()
	close(numbers)
	close(errs)
	seen := make(map[int64]bool)
	for n := range numbers {
		require.False(t, seen[n])
		seen[n] = true
	}
	require.NotEmpty(t, seen)
	for err := range errs {
		if err != nil {
			require.ErrorContains(t, err, "overtaken", "nothing else goes wrong")
		}
	}
	w.accounts(t)
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	due, err := w.register.Due(t.Context(), noon)
	require.NoError(t, err)
	var issuers []string
	for _, s := range due {
		issuers = append(issuers, s.Issuer)
		require.Zero(t, s.Number)
		_, err := w.register.PublishCRL(t.Context(), s.Issuer)
		require.NoError(t, err)
	}
	require.ElementsMatch(t, []string{"issuing-oca-1", "root-oca-1", "issuing-dca-1"}, issuers, "a list that was never made is due")
	none, err := w.register.Due(t.Context(), noon)
	require.NoError(t, err)
	require.Empty(t, none)

	at := func(d time.Duration) revocation.Standing {
		all, err := w.register.Standings(t.Context(), noon.Add(d))
		require.NoError(t, err)
		return standing(t, all, "issuing-oca-1")
	}
	s := at(0)
	require.Equal(t, noon.Add(12*time.Hour), s.DueAt, "twice a day")
	require.Equal(t, noon.Add(48*time.Hour), s.NextUpdate)
	require.Empty(t, s.Alarm)
	require.Empty(t, at(29*time.Hour).Alarm, "late, and half of the slack is left")
	require.Contains(t, at(31*time.Hour).Alarm, "lapses in 17h0m0s")
	require.Contains(t, at(48*time.Hour).Alarm, "no valid list")
	due, err = w.register.Due(t.Context(), noon.Add(12*time.Hour))
	require.NoError(t, err)
	require.Len(t, due, 2, "both daily lists, and not the ARL")

	// A revocation makes its list due at once, and alarms after the allowed hour.
	w.set(noon.Add(time.Minute))
	w.revoke(t, w.supplier(t, 1).Serial, policy.ReasonKeyCompromise)
	due, err = w.register.Due(t.Context(), noon.Add(time.Minute))
	require.NoError(t, err)
	require.Len(t, due, 1)
	require.Equal(t, "issuing-oca-1", due[0].Issuer)
	require.EqualValues(t, 1, due[0].Pending)
	require.Empty(t, at(time.Hour).Alarm)
	require.Contains(t, at(62*time.Minute).Alarm, "1 revocations of issuing-oca-1 wait for a list")
	_, err = w.register.PublishCRL(t.Context(), "issuing-oca")
	require.NoError(t, err)
	require.Empty(t, at(62*time.Minute).Alarm)

	strict, err := revocation.New(revocation.Config{Issuer: w.issuer, Alarm: 47 * time.Hour})
	require.NoError(t, err)
	all, err := strict.Standings(t.Context(), noon.Add(2*time.Hour))
	require.NoError(t, err)
	require.NotEmpty(t, standing(t, all, "issuing-oca-1").Alarm, "the threshold is a setting")
}

func TestScheduleWithoutDeviceCRL(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "drill")
	all, err := w.register.Standings(t.Context(), noon)
	require.NoError(t, err)
	for _, s := range all {
		require.NotEqual(t, "issuing-dca-1", s.Issuer)
	}
	require.Len(t, all, 2)
}

// Any order of issuing, revoking, publishing and failing keeps the books.
func TestBooksProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, "exercise")
		defer w.store.Close()
		var certificates []*ca.Certificate
		for step := range rapid.IntRange(1, 12).Draw(rt, "steps") {
			label := fmt.Sprint(step, " ")
			switch rapid.SampledFrom([]string{"issue", "issue", "revoke", "publish", "publish", "fail before", "fail after", "token"}).Draw(rt, label) {
			case "issue":
				c, err := w.issuer.Issue(t.Context(), ca.Request{DER: supplierRequest(t, step)})
				if err == nil {
					certificates = append(certificates, c)
				}
			case "revoke":
				if len(certificates) == 0 {
					continue
				}
				c := rapid.SampledFrom(certificates).Draw(rt, label+"certificate")
				_, _ = w.register.Revoke(t.Context(), revocation.Revoke{Serial: c.Serial, Reason: policy.ReasonSuperseded, By: "x"})
			case "publish":
				w.set(w.clock().Add(time.Second))
				_, _ = w.register.PublishCRL(t.Context(), "issuing-oca")
			case "fail before":
				w.faults.FailBeforeCommit(rapid.IntRange(0, 2).Draw(rt, label+"commit"), inject)
			case "fail after":
				w.faults.FailAfterCommit(rapid.IntRange(0, 2).Draw(rt, label+"commit"), inject)
			case "token":
				var once sync.Once
				w.setFail(func(sign func() ([]byte, error)) (sig []byte, err error) {
					sig, err = sign()
					once.Do(func() { sig, err = nil, errInjected })
					return sig, err
				})
			}
		}
		w.setFail(nil)
		w.faults.Disarm()
		_, err := w.issuer.Reconcile(t.Context())
		require.NoError(rt, err)
		w.accounts(t)
	})
}

func supplierRequest(t testing.TB, n int) []byte {
	return policytest.OrganisationRequest(t, policytest.NewKey(t), "", policy.RoleSupplier, entity(n), policy.UsageDigitalSignature)
}

func standing(t testing.TB, all []revocation.Standing, issuer string) revocation.Standing {
	t.Helper()
	for _, s := range all {
		if s.Issuer == issuer {
			return s
		}
	}
	require.Fail(t, "no standing of "+issuer)
	return revocation.Standing{}
}

// A process dies with a list in its hands: the list is never published, and its
// number is never used again.
func TestPublisherDies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	issuer, register := w.open(t)
	register.SetProbe(func(point string) error {
		if point == "signed" {
			panic("power failure")
		}
		return nil
	})
	require.Panics(t, func() { _, _ = register.PublishCRL(t.Context(), "issuing-oca") })
	report, err := w.issuer.Reconcile(t.Context())
	require.NoError(t, err)
	require.Empty(t, report.Settled, "its lease is still there")
	require.NoError(t, issuer.Close(t.Context()))
	report, err = w.issuer.Reconcile(t.Context())
	require.NoError(t, err)
	require.Equal(t, []ca.Settled{{Kind: ca.CRLIntent, Issuer: "issuing-oca-1", Number: 1, Profile: "crl"}}, report.Settled)
	rec, err := w.register.PublishCRL(t.Context(), "issuing-oca")
	require.NoError(t, err)
	require.EqualValues(t, 2, rec.Number)
	w.accounts(t)
}
