package verbs_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/journal"
	"smki.example/drills/verbs"
)

// custodiansAsked are people with envelopes: what each says, by seat.
type custodiansAsked struct {
	mu    sync.Mutex
	codes map[string]string // by seat and key
	says  map[string]func(verbs.ShareCall, string) (string, bool)
	calls []verbs.ShareCall
}

func (p *custodiansAsked) envelope(seat, key, code string) { p.codes[seat+" "+key] = code }

func (p *custodiansAsked) share(_ context.Context, call verbs.ShareCall) (string, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, call)
	code := p.codes[call.Seat+" "+call.Key]
	if says := p.says[call.Seat]; says != nil {
		code, given := says(call, code)
		return code, given, nil
	}
	return code, true, nil
}

func asked(t *testing.T) (*stage, *custodiansAsked) {
	p := &custodiansAsked{codes: map[string]string{}, says: map[string]func(verbs.ShareCall, string) (string, bool){}}
	s := newStageWith(t, estate, func(cfg *verbs.Config) { cfg.Envelope, cfg.Share = p.envelope, p.share })
	s.begin()
	s.advance(0)
	return s, p
}

func (s *stage) custody(t *testing.T) []verbs.Custody {
	var all []verbs.Custody
	for _, e := range s.entries(journal.KindCustody) {
		var c verbs.Custody
		require.NoError(t, e.Decode(&c))
		all = append(all, c)
	}
	return all
}

// Custodians who came are asked for the codes of their envelopes; one mistypes his,
// and is asked again. Neither a code nor a share is on any disk.
func TestCustodiansAreAskedForTheirCodes(t *testing.T) {
	t.Parallel()
	s, p := asked(t)
	require.Len(t, p.codes, 5+5+4, "recovery, contingency, and the symmetric key, which the DCC has no share of")
	p.says["custodian 2"] = func(call verbs.ShareCall, code string) (string, bool) {
		if call.Call == 1 {
			return "not these four words", true
		}
		require.True(t, call.Mistyped)
		return "  " + string(bytes.ToUpper([]byte(code))) + " ", true
	}
	require.NoError(t, s.required(0, "recovery"))
	s.advance(3 * time.Hour)
	s.holds(`key("recovery").open`)
	opened := s.custody(t)[1]
	require.True(t, opened.Opened)
	given := 0
	for _, g := range opened.Shares {
		require.Equal(t, g.Handed, g.Given, g.Custodian)
		require.False(t, g.Withheld)
		if g.Given {
			given++
		}
		require.Equal(t, map[bool]int{true: 1}[g.Custodian == "custodian 2"], g.Mistyped, g.Custodian)
	}
	require.Equal(t, opened.Needed, given)
	for _, call := range p.calls {
		require.Equal(t, "recovery-1", call.Key)
		require.Equal(t, "the Recovery key", call.Words)
		require.Equal(t, opened.DecisionHash, call.Hash)
	}
	require.NoError(t, s.act(s.now, "replace", "supplier", "by", "method 3"))
	s.rest()
	s.holds(`fleet.reachable.recovered("supplier").share == 1.0`)
	s.seal()
	s.verified()
	for _, dir := range []string{s.pack, s.scratch} {
		require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			for of, code := range p.codes {
				require.NotContains(t, string(text), code, "the code of %s in %s", of, path)
			}
			return nil
		}))
	}
}

// A share that is kept back leaves the key closed: its custodian is asked again, and
// whoever comes later makes it good.
func TestAShareIsKeptBack(t *testing.T) {
	t.Parallel()
	s, p := asked(t)
	p.says["custodian 1"] = func(verbs.ShareCall, string) (string, bool) { return "", false }
	require.NoError(t, s.required(0, "recovery"))
	s.advance(3 * time.Hour)
	s.holds(`!key("recovery").open`, `key("recovery").coming`)
	require.Contains(t, s.notices(), "the Recovery key is not open: a share was kept back. The next custodian is expected at 3:30")
	s.advance(4 * time.Hour)
	s.holds(`key("recovery").open`) // custodians 2, 3 and 4, the third of them at 3:30
	entries := s.custody(t)
	require.Len(t, entries, 3, "called, not opened, opened")
	for _, entry := range entries[1:] {
		i := slices.IndexFunc(entry.Shares, func(g verbs.ShareGiven) bool { return g.Custodian == "custodian 1" })
		require.True(t, entry.Shares[i].Withheld)
		require.False(t, entry.Shares[i].Given)
	}
	require.Contains(t, entries[1].Refused, "too few shares")
	s.rest()
}

// Nobody but the one who keeps a share back could make it enough: the others are not
// asked for ever.
func TestAShareIsKeptBackForGood(t *testing.T) {
	t.Parallel()
	s, p := asked(t)
	for _, away := range []string{"custodian 3", "custodian 5"} {
		require.NoError(t, s.act(0, "custodian", away, "is", "away"))
	}
	p.says["custodian 4"] = func(verbs.ShareCall, string) (string, bool) { return "", false }
	require.NoError(t, s.required(0, "recovery"))
	s.rest()
	s.holds(`!key("recovery").open`, `key("recovery").coming`)
	require.Contains(t, s.notices(), "a share was kept back. Those who are there are asked again at")
	require.Contains(t, s.notices(), "nobody else is coming")
	tries := 0
	for _, entry := range s.custody(t) {
		if len(entry.Shares) > 0 {
			tries++
		}
	}
	require.Equal(t, 3, tries)
	require.NoError(t, s.act(s.now, "custodian", "custodian 3", "is", "back"))
	s.rest()
	s.holds(`key("recovery").uses == 0`)
	require.True(t, slices.ContainsFunc(s.custody(t), func(c verbs.Custody) bool { return c.Opened }), "custodian 3 came")
}

// Both halves of the contingency material are asked for at once; one half alone opens
// nothing, and the record tells what was done about either.
func TestOneHalfIsKeptBack(t *testing.T) {
	t.Parallel()
	s, p := asked(t)
	kept := true
	p.says["custodian 2"] = func(call verbs.ShareCall, code string) (string, bool) {
		return code, !kept || call.Key != "contingency-symmetric-1"
	}
	require.NoError(t, s.required(0, "contingency"))
	s.advance(3*time.Hour + 30*time.Minute)
	s.holds(`!key("contingency").open`)
	entries := s.custody(t)
	last := entries[len(entries)-1]
	require.Equal(t, "contingency-symmetric-1", entries[len(entries)-2].Key)
	require.Equal(t, "contingency-1", last.Key)
	require.Contains(t, last.Refused, "the symmetric key")
	require.True(t, entries[len(entries)-2].Shares[1].Withheld, "custodian 2")
	kept = false
	s.advance(4 * time.Hour)
	s.holds(`key("contingency").open`)
}

// An error of the asking ends the drill, and no call outlives it.
func TestAskingCustodiansFails(t *testing.T) {
	t.Parallel()
	var out sync.WaitGroup
	s := newStageWith(t, estate, func(cfg *verbs.Config) {
		cfg.Envelope = func(string, string, string) {}
		cfg.Share = func(ctx context.Context, call verbs.ShareCall) (string, bool, error) {
			out.Add(1)
			defer out.Done()
			if call.Seat == "custodian 4" {
				return "", false, fmt.Errorf("the room is on fire")
			}
			<-ctx.Done()
			return "", false, ctx.Err()
		}
	})
	s.begin()
	s.advance(0)
	require.NoError(t, s.required(0, "recovery"))
	require.ErrorContains(t, s.Advance(t.Context(), 3*time.Hour), "asking custodian 4 for a share of the Recovery key: the room is on fire")
	out.Wait()
}

func TestKeyWords(t *testing.T) {
	t.Parallel()
	for label, words := range map[string]string{
		"recovery-1": "the Recovery key", "recovery-2": "the Recovery key (number 2)", "contingency-1": "the Contingency key",
		"contingency-symmetric-1": "the symmetric key", "contingency-symmetric-3": "the symmetric key (number 3)", "root-oca-1": "root-oca-1", "x": "x",
	} {
		require.Equal(t, words, verbs.KeyWords(label))
	}
}
