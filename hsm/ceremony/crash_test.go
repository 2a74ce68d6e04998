package ceremony_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/hsm"
	"smki.example/hsm/ceremony"
)

var errDied = errors.New("the process died here")

// TestDyingAtEveryPoint lets a ceremony die before and after everything that it
// does to the disk or the token, and asks what a person needs to know then.
func TestDyingAtEveryPoint(t *testing.T) {
	t.Parallel()
	token := open(t, "EXERCISE ca")
	script := parse(t, small)

	// die runs a ceremony that stops for good at point number n, and returns the
	// points it passed.
	die := func(out string, n int) (passed []string, err error) {
		passed = []string{}
		c := ceremony.Config{Script: script, Out: out, Clock: fixedClock, Token: always(token)}
		c.SetFault(func(point string) error {
			if len(passed) >= n {
				return errDied
			}
			passed = append(passed, point)
			return nil
		})
		_, err = ceremony.Run(t.Context(), c)
		for _, label := range []hsm.KeyLabel{"root-dca-1", "issuing-dca-1"} {
			if destroyErr := token.Destroy(t.Context(), label); destroyErr != nil && !errors.Is(destroyErr, hsm.ErrNotFound) {
				require.NoError(t, destroyErr)
			}
		}
		return passed, err
	}

	all, err := die(filepath.Join(t.TempDir(), "whole"), 1<<20)
	require.NoError(t, err)
	require.Contains(t, all, "after signing issuing-dca")
	require.Greater(t, len(all), 60)

	for n := range all {
		out := filepath.Join(t.TempDir(), "out")
		passed, err := die(out, n)
		require.ErrorIs(t, err, errDied, all[n])
		require.Equal(t, all[:n], passed)

		st, err := ceremony.Inspect(out)
		require.NoError(t, err, all[n])
		again := ceremony.Config{Script: script, Out: out, Clock: fixedClock, Token: always(token)}
		if st.Finished {
			require.Equal(t, "after writing SHA256SUMS", all[n])
			_, err = ceremony.Load(out)
			require.NoError(t, err, "dying after the last write is no loss")
			continue
		}

		intents, err := os.ReadFile(filepath.Join(out, "intents.jsonl"))
		if !errors.Is(err, os.ErrNotExist) {
			require.NoError(t, err)
		}
		for _, name := range []string{"root-dca", "issuing-dca"} {
			maySigned := slices.Contains(passed, "before signing "+name)
			if maySigned {
				require.Contains(t, string(intents), `"kind":"intent","certificate":"`+name+`"`, "%s: what the token may have signed is on disk", all[n])
			}
			_, noFile := os.Stat(filepath.Join(out, "certificates", name+".pem"))
			if noFile == nil {
				require.Contains(t, string(intents), `"kind":"signed","certificate":"`+name+`"`, all[n])
			}
			named := func(list []ceremony.Intent) bool {
				return slices.ContainsFunc(list, func(i ceremony.Intent) bool { return i.Certificate == name })
			}
			if maySigned && noFile != nil {
				require.True(t, named(st.Open) || named(st.Signed), "%s: %s must be named", all[n], name)
			}
		}

		if st.Empty {
			continue // nothing was begun; the directory may be used
		}
		_, err = ceremony.Run(t.Context(), again)
		require.ErrorIs(t, err, ceremony.ErrUnfinished, all[n])
		require.ErrorContains(t, err, "Do this: keep the directory as evidence")
		for _, i := range append(st.Open, st.Signed...) {
			require.ErrorContains(t, err, i.Serial.String())
		}
		_, err = ceremony.Load(out)
		require.ErrorIs(t, err, ceremony.ErrUnfinished, all[n])
	}
}

func TestAdviceNamesTheKeyThatMayExist(t *testing.T) {
	t.Parallel()
	c := config(t)
	c.SetFault(func(point string) error {
		if point == "after generating issuing-dca-1" {
			return errDied
		}
		return nil
	})
	_, err := ceremony.Run(t.Context(), c)
	require.ErrorIs(t, err, errDied)
	for _, want := range []string{"Done: up to step 3. Under way: step 4, generate issuing-dca-1.", "Key issuing-dca-1 may be on the token.", "Keys recorded: root-dca-1. Certificates written: root-dca."} {
		require.ErrorContains(t, err, want)
	}
}

func TestAnyChangeShows(t *testing.T) {
	t.Parallel()
	c := config(t)
	r, err := ceremony.Run(t.Context(), c)
	require.NoError(t, err)
	require.Len(t, r.Fingerprint, 64)

	err = filepath.WalkDir(c.Out, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		whole, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, at := range []int{0, len(whole) / 2, len(whole) - 1} {
			changed := bytes.Clone(whole)
			changed[at] ^= 1
			require.NoError(t, os.WriteFile(path, changed, 0o644))
			_, err = ceremony.Load(c.Out)
			require.Error(t, err, "%s, octet %d", path, at)
		}
		require.NoError(t, os.Remove(path))
		_, err = ceremony.Load(c.Out)
		require.Error(t, err, "%s removed", path)
		require.NoError(t, os.WriteFile(path, whole, 0o644))
		return nil
	})
	require.NoError(t, err)
	_, err = ceremony.Load(c.Out)
	require.NoError(t, err, "all is put back")

	extra := filepath.Join(c.Out, "certificates", "extra.pem")
	require.NoError(t, os.WriteFile(extra, nil, 0o644))
	_, err = ceremony.Load(c.Out)
	require.ErrorContains(t, err, "does not belong to the ceremony")
	require.NoError(t, os.Remove(extra))

	// Sums made anew do not help: the transcript knows the files too.
	evidence := filepath.Join(c.Out, "evidence.json")
	content, err := os.ReadFile(evidence)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(evidence, bytes.Replace(content, []byte(`"extractable": false`), []byte(`"extractable": true`), 1), 0o644))
	sums, err := os.ReadFile(filepath.Join(c.Out, "SHA256SUMS"))
	require.NoError(t, err)
	var names []string
	for line := range strings.Lines(string(sums)) {
		names = append(names, strings.Fields(line)[1])
	}
	shell(t, c.Out, "sh", "-c", "sha256sum "+strings.Join(names, " ")+" > SHA256SUMS")
	_, err = ceremony.Load(c.Out)
	require.ErrorContains(t, err, `"evidence.json" was changed: its SHA-256 is not that of transcript.txt`)
}

func TestLoadSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := ceremony.Load(filepath.Join(t.TempDir(), "nowhere"))
	require.ErrorContains(t, err, "there is no ceremony in it")
}
