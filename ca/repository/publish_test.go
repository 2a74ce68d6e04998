package repository_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/repository"
	"smki.example/ca/store"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

// content is what a file has in it, with its own digests checked.
type content struct {
	serials  []string
	status   map[string]string
	changes  []string
	pem      [][]byte
	manifest map[string]any
}

func read(t *testing.T, path string) content {
	t.Helper()
	archive, err := zip.OpenReader(path)
	require.NoError(t, err)
	defer archive.Close()
	entries := map[string][]byte{}
	var names []string
	for _, f := range archive.File {
		in, err := f.Open()
		require.NoError(t, err)
		entries[f.Name], err = io.ReadAll(in)
		require.NoError(t, err, "the archive's own sum")
		names = append(names, f.Name)
	}
	require.Equal(t, []string{"certificates.csv", "certificates.pem", "changes.csv", "manifest.json", "SHA256SUMS"}, names)
	lines := strings.Split(strings.TrimSpace(string(entries["SHA256SUMS"])), "\n")
	require.Len(t, lines, 4)
	for _, line := range lines {
		sum, name, _ := strings.Cut(line, "  ")
		require.Equal(t, fmt.Sprintf("%x", sha256.Sum256(entries[name])), sum, name)
	}
	c := content{status: map[string]string{}}
	rows, err := csv.NewReader(bytes.NewReader(entries["certificates.csv"])).ReadAll()
	require.NoError(t, err)
	digests := map[string]bool{}
	for _, row := range rows[1:] {
		c.serials = append(c.serials, row[1])
		c.status[row[1]] = row[9]
		digests[row[11]] = true
	}
	rows, err = csv.NewReader(bytes.NewReader(entries["changes.csv"])).ReadAll()
	require.NoError(t, err)
	for _, row := range rows[1:] {
		c.changes = append(c.changes, row[1]+" "+row[2]+" "+row[3])
	}
	for rest := entries["certificates.pem"]; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			require.Empty(t, rest)
			break
		}
		digest := sha256.Sum256(block.Bytes)
		require.True(t, digests[hex.EncodeToString(digest[:])])
		c.pem = append(c.pem, block.Bytes)
	}
	require.Len(t, c.pem, len(c.serials))
	require.NoError(t, json.Unmarshal(entries["manifest.json"], &c.manifest))
	require.EqualValues(t, len(c.serials), c.manifest["certificates"])
	return c
}

func (w *world) path(f *repository.File) string { return filepath.Join(w.config.Directory, f.Name) }

func TestPublish(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise", nil)
	ctx := context.Background()
	first := w.device(t, w.entity(), policy.UsageDigitalSignature)
	second := w.organisation(t, w.entity(), policy.RoleSupplier, policy.UsageKeyAgreement)
	delta := repository.Publication{Kind: repository.DeltaFile, By: "officer-1"}

	dueDelta, dueFull, err := w.Due(ctx)
	require.NoError(t, err)
	require.True(t, dueDelta && dueFull)
	one, err := w.Publish(ctx, delta)
	require.NoError(t, err)
	require.Equal(t, "smki-exercise-delta-000001-20261124.zip", one.Name)
	got := read(t, w.path(one))
	require.Equal(t, []string{first.Serial.String(), second.Serial.String()}, got.serials)
	require.Equal(t, [][]byte{first.DER, second.DER}, got.pem)
	require.Empty(t, got.changes)
	dueDelta, dueFull, err = w.Due(ctx)
	require.NoError(t, err)
	require.False(t, dueDelta)
	require.True(t, dueFull)

	w.pass(24 * time.Hour)
	w.revoke(t, second)
	third := w.device(t, w.entity(), policy.UsageDigitalSignature)
	w.revoke(t, third)
	two, err := w.Publish(ctx, delta)
	require.NoError(t, err)
	require.Equal(t, one.To, two.After, "neither gap nor overlap")
	got = read(t, w.path(two))
	require.Equal(t, []string{third.Serial.String()}, got.serials)
	require.Equal(t, []string{second.Serial.String() + " R keyCompromise", third.Serial.String() + " R keyCompromise"}, got.changes)
	require.Equal(t, "R", got.status[third.Serial.String()])

	empty, err := w.Publish(ctx, delta)
	require.NoError(t, err)
	require.Empty(t, read(t, w.path(empty)).serials, "a day without anything has a file that says so")

	full, err := w.Publish(ctx, repository.Publication{Kind: repository.FullFile, By: "officer-1"})
	require.NoError(t, err)
	got = read(t, w.path(full))
	require.Equal(t, map[string]string{first.Serial.String(): "I", second.Serial.String(): "R", third.Serial.String(): "R"}, got.status)
	require.Len(t, got.changes, 2)
	require.Len(t, w.records(t, repository.KindFile), 4)

	// What is beside a file is the line of sha256sum.
	sum, err := os.ReadFile(w.path(full) + ".sha256")
	require.NoError(t, err)
	require.Equal(t, full.SHA256+"  "+full.Name+"\n", string(sum))
	require.Empty(t, w.halfMade(t))
}

func (w *world) halfMade(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(w.config.Directory)
	require.NoError(t, err)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names
}

// Where devices have no list, what was revoked is not in use.
func TestPublishWithoutADeviceList(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "drill", nil)
	c := w.device(t, w.entity(), policy.UsageDigitalSignature)
	w.revoke(t, c)
	f, err := w.Publish(context.Background(), repository.Publication{Kind: repository.FullFile, By: "officer-1"})
	require.NoError(t, err)
	require.Equal(t, "N", read(t, w.path(f)).status[c.Serial.String()])
}

// Whatever dies and when, the deltas together have everything once, and nothing that
// is half-made is to be seen or given.
func TestPublishAfterACrash(t *testing.T) {
	t.Parallel()
	died := errors.New("the power failed")
	for _, row := range []struct {
		name string
		arm  func(w *world) (context.Context, func(done, of int64))
	}{
		{"before it was begun", func(w *world) (context.Context, func(int64, int64)) {
			w.faults.FailBeforeCommit(0, func() error { return died })
			return context.Background(), nil
		}},
		{"when it was begun but nobody was told", func(w *world) (context.Context, func(int64, int64)) {
			w.faults.FailAfterCommit(0, func() error { return died })
			return context.Background(), nil
		}},
		{"while it was written", func(w *world) (context.Context, func(int64, int64)) {
			ctx, cancel := context.WithCancelCause(context.Background())
			return ctx, func(int64, int64) { cancel(died) }
		}},
		{"before it was recorded", func(w *world) (context.Context, func(int64, int64)) {
			w.faults.FailBeforeCommit(1, func() error { return died })
			return context.Background(), nil
		}},
		{"when it was recorded but nobody was told", func(w *world) (context.Context, func(int64, int64)) {
			w.faults.FailAfterCommit(1, func() error { return died })
			return context.Background(), nil
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "exercise", nil)
			c := w.client(t)
			var want []string
			for range 3 {
				want = append(want, w.device(t, w.entity(), policy.UsageDigitalSignature).Serial.String())
			}
			ctx, progress := row.arm(w)
			_, err := w.Publish(ctx, repository.Publication{Kind: repository.DeltaFile, By: "officer-1", Progress: progress})
			require.Error(t, err)
			require.Empty(t, w.halfMade(t))
			listed, err := w.Files(context.Background())
			require.NoError(t, err)
			for _, f := range listed {
				require.FileExists(t, w.path(&f), "what is listed is there")
			}
			answer, _ := get(t, c.base+"files/smki-exercise-delta-000001-20261124.zip?apikey="+c.key)
			require.Equal(t, len(listed) == 1, answer.StatusCode == http.StatusOK, "what is not recorded is not given")

			// More is issued and revoked before anybody looks after it.
			w.pass(time.Hour)
			late := w.device(t, w.entity(), policy.UsageDigitalSignature)
			want = append(want, late.Serial.String())
			w.revoke(t, late)
			for range 2 {
				_, err := w.Publish(context.Background(), repository.Publication{Kind: repository.DeltaFile, By: "officer-1"})
				require.NoError(t, err)
			}
			files, err := w.Files(context.Background())
			require.NoError(t, err)
			var got, changes []string
			end := repository.Bound{}
			for _, f := range files {
				require.Equal(t, end, f.After)
				end = f.To
				content := read(t, w.path(&f))
				got, changes = append(got, content.serials...), append(changes, content.changes...)
			}
			require.Equal(t, want, got)
			require.Equal(t, []string{late.Serial.String() + " R keyCompromise"}, changes)
		})
	}
}

// A file that is finished late shows the moment for which it was begun: what was
// revoked since is in the next one.
func TestFinishedLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise", nil)
	c := w.device(t, w.entity(), policy.UsageDigitalSignature)
	w.faults.FailAfterCommit(0, func() error { return errors.New("the power failed") })
	p := repository.Publication{Kind: repository.FullFile, By: "officer-1"}
	_, err := w.Publish(context.Background(), p)
	require.Error(t, err)
	w.pass(time.Hour)
	w.revoke(t, c)
	f, err := w.Publish(context.Background(), p)
	require.NoError(t, err)
	require.Equal(t, now, f.At)
	require.Equal(t, "I", read(t, w.path(f)).status[c.Serial.String()])
	f, err = w.Publish(context.Background(), p)
	require.NoError(t, err)
	require.Equal(t, "R", read(t, w.path(f)).status[c.Serial.String()])
}

// Two processes at once publish one file after the other, or one file together; the
// chain of deltas is whole.
func TestPublishAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise", nil)
	want := w.device(t, w.entity(), policy.UsageDigitalSignature).Serial.String()
	other, err := repository.New(w.config)
	require.NoError(t, err)
	var wait sync.WaitGroup
	failures := make([]error, 8)
	for n := range failures {
		wait.Go(func() {
			r := []*repository.Repository{w.Repository, other}[n%2]
			_, failures[n] = r.Publish(context.Background(), repository.Publication{Kind: repository.DeltaFile, By: "officer-1"})
		})
	}
	wait.Wait()
	require.NoError(t, errors.Join(failures...))
	files, err := w.Files(context.Background())
	require.NoError(t, err)
	end, got := repository.Bound{}, []string(nil)
	for _, f := range files {
		require.Equal(t, end, f.After)
		end = f.To
		got = append(got, read(t, w.path(&f)).serials...)
	}
	require.Equal(t, []string{want}, got)
	require.Empty(t, w.halfMade(t))
}

func TestRemake(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise", nil)
	ctx := context.Background()
	c := w.device(t, w.entity(), policy.UsageDigitalSignature)
	f, err := w.Publish(ctx, repository.Publication{Kind: repository.FullFile, By: "officer-1"})
	require.NoError(t, err)
	before, err := os.ReadFile(w.path(f))
	require.NoError(t, err)
	require.NoError(t, os.Remove(w.path(f)))
	w.pass(time.Hour)
	w.revoke(t, c)
	_, err = w.Remake(ctx, f.Number)
	require.NoError(t, err)
	after, err := os.ReadFile(w.path(f))
	require.NoError(t, err)
	require.Equal(t, before, after)
	_, err = w.Remake(ctx, 99)
	require.ErrorIs(t, err, ca.ErrNotFound)
}

func TestRetain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise", func(c *repository.Config) { c.Retain = repository.Retain{Full: 1, Delta: 2} })
	ctx := context.Background()
	for range 3 {
		for _, kind := range []repository.FileKind{repository.DeltaFile, repository.FullFile} {
			_, err := w.Publish(ctx, repository.Publication{Kind: kind, By: "officer-1"})
			require.NoError(t, err)
		}
	}
	files, err := w.Files(ctx)
	require.NoError(t, err)
	var names []string
	for _, f := range files {
		names = append(names, f.Name, f.Name+".sha256")
	}
	require.Len(t, names, 6)
	entries, err := os.ReadDir(w.config.Directory)
	require.NoError(t, err)
	var there []string
	for _, e := range entries {
		there = append(there, e.Name())
	}
	require.ElementsMatch(t, names, there)
	require.Error(t, w.store.Write(ctx, func(tx store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM repository_file`)
		return err
	}), "what was published when is not forgotten with the file")
}

func TestSignedFiles(t *testing.T) {
	t.Parallel()
	edPublic, edKey, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	ecKey := policytest.NewKey(t)
	for name, key := range map[string]crypto.Signer{"ed25519": edKey, "ecdsa": ecKey} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "exercise", func(c *repository.Config) { c.Signer = func(context.Context) crypto.Signer { return key } })
			c := w.client(t)
			f, err := w.Publish(context.Background(), repository.Publication{Kind: repository.FullFile, By: "officer-1"})
			require.NoError(t, err)
			_, statement := get(t, c.base+"files/"+f.Name+".sha256?apikey="+c.key)
			_, signature := get(t, c.base+"files/"+f.Name+".sha256.sig?apikey="+c.key)
			require.Equal(t, f.SHA256+"  "+f.Name+"\n", string(statement))
			if name == "ed25519" {
				require.True(t, ed25519.Verify(edPublic, statement, signature))
				return
			}
			digest := sha256.Sum256(statement)
			require.True(t, ecdsa.VerifyASN1(&ecKey.PublicKey, digest[:], signature))
		})
	}

	// A key of an authority signs certificates and lists, and nothing else.
	w := newWorld(t, "exercise", nil)
	w.config.Signer = func(context.Context) crypto.Signer { return w.hierarchy.IssuingOCA.Key }
	_, err = repository.New(w.config)
	require.ErrorContains(t, err, "issuing-oca-1")
}

func TestFilesAreGivenToWhoHasAKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise", func(c *repository.Config) {
		c.Demand.Forecasts = map[string]repository.Forecast{"supplier-a": {Daily: 1000, FullDownload: time.Sunday}}
	})
	c := w.client(t)
	w.device(t, w.entity(), policy.UsageDigitalSignature)
	f, err := w.Publish(context.Background(), repository.Publication{Kind: repository.FullFile, By: "officer-1"})
	require.NoError(t, err)
	want, err := os.ReadFile(w.path(f))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(w.config.Directory, "secret.txt"), []byte("x"), 0o600))

	for _, path := range []string{"index.json", f.Name} {
		answer, body := get(t, c.base+"files/"+path)
		require.Equal(t, http.StatusForbidden, answer.StatusCode)
		require.NotContains(t, string(body), f.SHA256)
	}
	answer, body := get(t, c.base+"files/index.json?apikey="+c.key)
	require.Equal(t, "application/json", answer.Header.Get("Content-Type"))
	var listed []repository.File
	require.NoError(t, json.Unmarshal(body, &listed))
	require.Equal(t, []repository.File{*f}, listed)

	url := c.base + "files/" + f.Name + "?apikey=" + c.key
	answer, body = get(t, url)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Equal(t, "application/zip", answer.Header.Get("Content-Type"))
	require.Contains(t, answer.Header.Get("Cache-Control"), "private", "no shared cache may give it to who has no key")
	require.Equal(t, want, body)
	require.Contains(t, w.logged(), "full file fetched on another day than forecast")
	part, body := get(t, url, "Range", "bytes=10-19")
	require.Equal(t, http.StatusPartialContent, part.StatusCode)
	require.Equal(t, want[10:20], body)
	again, _ := get(t, url, "If-None-Match", answer.Header.Get("ETag"))
	require.Equal(t, http.StatusNotModified, again.StatusCode)

	for _, path := range []string{"secret.txt", "..%2fca.db", "%2e%2e%2fca.db", f.Name + ".sha256.sig", "smki-exercise-full-000002-20261124.zip"} {
		answer, _ := get(t, c.base+"files/"+path+"?apikey="+c.key)
		require.Equal(t, http.StatusNotFound, answer.StatusCode, path)
	}
	require.NoError(t, os.WriteFile(w.path(f), []byte("something else"), 0o644))
	answer, _ = get(t, url)
	require.Equal(t, http.StatusNotFound, answer.StatusCode, "what is not what was published is not given")
}

func TestPublishingWhatCannotBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise", nil)
	for _, p := range []repository.Publication{{}, {Kind: "half", By: "x"}, {Kind: repository.FullFile}} {
		_, err := w.Publish(context.Background(), p)
		require.ErrorIs(t, err, ca.ErrRefused)
	}
	w.config.Directory = ""
	nowhere, err := repository.New(w.config)
	require.NoError(t, err)
	_, err = nowhere.Publish(context.Background(), repository.Publication{Kind: repository.FullFile, By: "x"})
	require.ErrorIs(t, err, ca.ErrRefused)
	recorder := httptest.NewRecorder()
	nowhere.Handler().ServeHTTP(recorder, httptest.NewRequest("GET", "/files/x.zip?apikey="+w.key(t, "supplier-a"), nil))
	require.Equal(t, http.StatusNotFound, recorder.Code)
}
