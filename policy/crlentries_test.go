package policy_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"smki.example/policy"
	"smki.example/policy/policytest"
)

// A list that is joined from kept entries is the list that is built at once, for
// any entries, and the fast reader reads what the other one reads.
func TestJoinedListIsTheBuiltOne(t *testing.T) {
	t.Parallel()
	h := policytest.NewHierarchy(t)
	reasons := []policy.Reason{0, 1, 2, 3, 4, 5, 9}
	rapid.Check(t, func(t *rapid.T) {
		var entries []policy.CRLEntry
		seen := map[policy.Serial]bool{}
		for range rapid.IntRange(0, 300).Draw(t, "entries") {
			var s policy.Serial
			copy(s[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "serial"))
			if rapid.IntRange(0, 9).Draw(t, "short") == 0 {
				clear(s[:rapid.IntRange(1, 15).Draw(t, "zeros")])
			}
			s[0] &= 0x7f
			if s.IsZero() || seen[s] {
				continue
			}
			seen[s] = true
			at := time.Unix(rapid.Int64Range(-631152000, 4102444800).Draw(t, "at"), 0) // 1950 to 2100
			entries = append(entries, policy.CRLEntry{Serial: s, At: at, Reason: rapid.SampledFrom(reasons).Draw(t, "reason")})
		}
		template := policy.CRLTemplate{Issuer: h.IssuingOCA.Certificate, Number: rapid.Int64Range(1, 1<<40).Draw(t, "number"), ThisUpdate: policytest.Began, NextUpdate: policytest.Began.Add(time.Hour), Entries: entries}
		want, err := policy.TBSCRL(template)
		if err != nil {
			t.Fatal(err)
		}
		sorted := slices.Clone(entries)
		slices.SortFunc(sorted, func(a, b policy.CRLEntry) int { return slices.Compare(a.Serial[:], b.Serial[:]) })
		var kept []byte
		for _, e := range sorted {
			if kept, err = policy.AppendCRLEntry(kept, e); err != nil {
				t.Fatal(err)
			}
		}
		before, behind, err := policy.TBSCRLAround(template, len(kept))
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Concat(before, kept, behind); !slices.Equal(got, want) {
			t.Fatalf("joined %x\nbuilt  %x", got, want)
		}
		signature := []byte{0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01}
		whole, err := policy.Assemble(want, signature)
		if err != nil {
			t.Fatal(err)
		}
		if list, err := policy.AssembleList(slices.Concat(make([]byte, policy.ListRoom), want), signature); err != nil || !slices.Equal(list, whole) {
			t.Fatalf("%v: assembled %x, want %x", err, list, whole)
		}
		n := 0
		err = policy.ReadCRLEntries(kept, func(der []byte, e policy.CRLEntry) error {
			if w := sorted[n]; e.Serial != w.Serial || e.Reason != w.Reason || !e.At.Equal(w.At) {
				return fmt.Errorf("read %v, want %v", e, w)
			}
			n++
			return nil
		})
		if err != nil || n != len(sorted) {
			t.Fatalf("read %d of %d: %v", n, len(sorted), err)
		}
	})
}

// Whatever the fast reader of entries takes, the other reader takes too, as the
// same entries: it lets nothing through that the rules refuse.
func FuzzCRLEntries(f *testing.F) {
	h := policytest.NewHierarchy(f)
	at := policytest.Began
	for _, e := range []policy.CRLEntry{
		{Serial: policy.Serial{15: 1}, At: at}, {Serial: policy.Serial{0: 0x7f, 15: 1}, At: at, Reason: 1}, {Serial: policy.Serial{8: 0x80}, At: at.AddDate(60, 0, 0), Reason: 9},
	} {
		der, err := policy.AppendCRLEntry(nil, e)
		require.NoError(f, err)
		f.Add(der)
	}
	f.Add([]byte{0x30, 0x00})
	f.Fuzz(func(t *testing.T, entries []byte) {
		if n, err := policy.LintCRLEntries(entries, at); err != nil || n == 0 {
			return
		}
		var fast []policy.CRLEntry
		require.NoError(t, policy.ReadCRLEntries(entries, func(_ []byte, e policy.CRLEntry) error {
			fast = append(fast, e)
			return nil
		}))
		template := policy.CRLTemplate{Issuer: h.IssuingOCA.Certificate, Number: 1, ThisUpdate: at, NextUpdate: at.Add(time.Hour)}
		before, behind, err := policy.TBSCRLAround(template, len(entries))
		require.NoError(t, err)
		tbs := slices.Concat(before, entries, behind)
		require.NoError(t, policy.LintTBSCRL(tbs, h.IssuingOCA.Certificate))
		template.Entries = fast
		again, err := policy.TBSCRL(template)
		require.NoError(t, err)
		require.Equal(t, again, tbs)
	})
}

func TestReadCRLEntriesRefuses(t *testing.T) {
	t.Parallel()
	entry := func(serial byte, reason policy.Reason) []byte {
		der, err := policy.AppendCRLEntry(nil, policy.CRLEntry{Serial: policy.Serial{0: 1, 15: serial}, At: policytest.Began, Reason: reason})
		require.NoError(t, err)
		return der
	}
	change := func(at int, to byte) []byte {
		der := entry(1, 1)
		der[at] = to
		return der
	}
	late, err := policy.AppendCRLEntry(nil, policy.CRLEntry{Serial: policy.Serial{15: 1}, At: policytest.Began.Add(time.Second)})
	require.NoError(t, err)
	for _, row := range []struct {
		says, want string
		entries    []byte
	}{
		{"the same serial twice", "does not ascend", slices.Concat(entry(1, 1), entry(1, 1))},
		{"serials that fall", "does not ascend", slices.Concat(entry(2, 1), entry(1, 1))},
		{"a serial below zero", "not in its one form", change(4, 0x80)},
		{"a serial with a needless zero", "not in its one form", change(4, 0)},
		{"an entry that is cut off", "no SEQUENCE", entry(1, 1)[:20]},
		{"a month that there is not", "revocationDate", change(24, '9')},
		{"a critical reason, or another extension", "not one reasonCode", change(40, 1)},
		{"a hold", "reason", change(len(entry(1, 1))-1, 6)},
		{"a date after the list's", "no later than thisUpdate", late},
		{"unspecified, written out", "reason", change(len(entry(1, 1))-1, 0)},
	} {
		_, err := policy.LintCRLEntries(row.entries, policytest.Began)
		require.ErrorContains(t, err, row.want, row.says)
	}
	stop := errors.New("enough")
	require.ErrorIs(t, policy.ReadCRLEntries(entry(1, 1), func([]byte, policy.CRLEntry) error { return stop }), stop)
}
