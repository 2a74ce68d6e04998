package batch_test

import (
	"archive/zip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca/batch"
)

func TestReadRefusesTheWholeBatch(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, text, want string }{
		{"an id that stands twice is named with both lines", "{\"id\":\"a\",\"csr\":\"x\"}\n\n{\"id\":\"a\",\"csr\":\"y\"}\n", `line 3: id "a" stands in line 1 already`},
		{"an id with a path in it", `{"id":"../x","csr":"x"}`, `line 1: id "../x": want 1 to 64`},
		{"an empty id", `{"id":"","csr":"x"}`, `line 1: id ""`},
		{"an id of 65 characters", `{"id":"` + strings.Repeat("a", 65) + `","csr":"x"}`, "line 1: id"},
		{"a line that is no object", "[1]\n", "line 1: want"},
		{"a line with a field that nobody knows", `{"id":"a","csr":"x","type":"device"}`, `unknown field "type"`},
		{"a line without a request", `{"id":"a"}`, `line 1: the field "csr" is missing`},
		{"a line without an id", `{"csr":"a"}`, `line 1: the field "id" is missing`},
		{"a line that was cut off", `{"id":"a","csr":"x"}` + "\n" + `{"id":"b","cs`, "line 2: want"},
		{"two objects in a line", `{"id":"a","csr":"x"} {"id":"b","csr":"x"}`, "line 1: want"},
		{"a line without end", `{"id":"` + strings.Repeat("a", 200<<10), "line 1: longer than"},
		{"XML", "  <BatchRequest/>", "it is XML"},
		{"an empty file", "\n\n", "there is no request in it"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "in.jsonl")
			require.NoError(t, os.WriteFile(path, []byte(row.text), 0o600))
			items, err := batch.Read(path)
			require.Empty(t, items)
			var input *batch.InputError
			require.ErrorAs(t, err, &input)
			require.ErrorContains(t, err, row.want)
			require.NotContains(t, err.Error(), "\n", "one line")
		})
	}
}

func TestReadTellsOfManyProblemsInOneLine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "in.jsonl")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("nonsense\n", 5000)), 0o600))
	_, err := batch.Read(path)
	require.ErrorContains(t, err, "and 4980 more")
}

func TestReadCountsWhatItRefuses(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for n := range batch.MaxItems + 1 {
		fmt.Fprintf(&text, "{\"id\":\"%d\",\"csr\":\"x\"}\n", n)
	}
	path := filepath.Join(t.TempDir(), "in.jsonl")
	require.NoError(t, os.WriteFile(path, []byte(text.String()), 0o600))
	_, err := batch.Read(path)
	require.ErrorContains(t, err, "it has 50001 requests")
}

func TestReadFolderAndArchive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := filepath.Join(dir, "csrs")
	require.NoError(t, os.Mkdir(folder, 0o700))
	archive, err := os.Create(filepath.Join(dir, "csrs.zip"))
	require.NoError(t, err)
	z := zip.NewWriter(archive)
	for _, name := range []string{"a.csr", "b.PEM", "c.v1", "d"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte("request "+name), 0o600))
		w, err := z.Create(name)
		require.NoError(t, err)
		_, err = w.Write([]byte("request " + name))
		require.NoError(t, err)
	}
	require.NoError(t, os.WriteFile(filepath.Join(folder, ".hidden"), nil, 0o600))
	require.NoError(t, z.Close())
	require.NoError(t, archive.Close())
	for _, path := range []string{folder, archive.Name()} {
		items, err := batch.Read(path)
		require.NoError(t, err)
		var ids []string
		for _, item := range items {
			ids = append(ids, item.ID+"="+string(item.Request))
		}
		require.Equal(t, []string{"a=request a.csr", "b=request b.PEM", "c.v1=request c.v1", "d=request d"}, ids)
	}

	require.NoError(t, os.WriteFile(filepath.Join(folder, "a.pem"), nil, 0o600))
	_, err = batch.Read(folder)
	require.ErrorContains(t, err, `file "a.pem": id "a" stands in file "a.csr" already`)
	require.NoError(t, os.Remove(filepath.Join(folder, "a.pem")))
	require.NoError(t, os.Mkdir(filepath.Join(folder, "more"), 0o700))
	_, err = batch.Read(folder)
	require.ErrorContains(t, err, `file "more": not a file`)
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"id":"a","csr":"x"}`))
	f.Add([]byte("PK\x03\x04"))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "in")
		require.NoError(t, os.WriteFile(path, b, 0o600))
		items, err := batch.Read(path)
		if err != nil {
			require.Empty(t, items)
			return
		}
		seen := map[string]bool{}
		for _, item := range items {
			require.Regexp(t, `^[A-Za-z0-9._-]{1,64}$`, item.ID)
			require.False(t, seen[item.ID])
			seen[item.ID] = true
		}
	})
}
