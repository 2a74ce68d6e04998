package roombook_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"smki.example/drills/roombook"
)

var wall = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string) *roombook.Book {
	t.Helper()
	b, err := roombook.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { b.Close() })
	return b
}

func add(t *testing.T, b *roombook.Book, bodies ...roombook.Body) {
	t.Helper()
	for _, body := range bodies {
		_, err := b.Append(wall, 40*time.Minute, body)
		require.NoError(t, err)
	}
}

func all(t *testing.T, dir string) []roombook.Entry {
	t.Helper()
	entries, err := roombook.ReadAll(dir)
	require.NoError(t, err)
	return entries
}

var on = roombook.On{Decision: "recovery key", Asking: 1}

func cast(option, reason string) roombook.Cast {
	return roombook.Cast{Seat: "pma/chair", On: on, Option: option, Reason: roombook.Say(reason)}
}

func TestAppendAndRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, dir)
	add(t, b, roombook.Opened{Exercise: "spring"}, roombook.Run{Number: 1, Why: "begun"}, cast("required", "the key is out"), cast("", ""))
	entries := all(t, dir)
	require.Len(t, entries, 4)
	require.Equal(t, roombook.KindCast, entries[2].Kind)
	require.Equal(t, "the key is out", entries[2].Body.(roombook.Cast).Reason.Said)
	require.Equal(t, "required", entries[2].Body.(roombook.Cast).Option)
	require.True(t, entries[3].Body.(roombook.Cast).Reason.IsZero(), "nothing was typed, and nothing is hidden")
	require.Equal(t, []int{0, 1, 1, 1}, []int{entries[0].Run, entries[1].Run, entries[2].Run, entries[3].Run}, "an entry belongs to the run that was begun last")
	require.Equal(t, 40*time.Minute, entries[2].At)
	require.Equal(t, wall, entries[2].Wall)

	raw, err := os.ReadFile(filepath.Join(dir, roombook.FileName))
	require.NoError(t, err)
	require.NotContains(t, string(raw), "the key is out", "what people typed is in the file of texts alone")
	info, err := os.Stat(filepath.Join(dir, roombook.TextsName))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestSameTextTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	add(t, open(t, dir), cast("required", "yes"), cast("required", "yes"))
	entries := all(t, dir)
	require.NotEqual(t, string(entries[0].Raw), string(entries[1].Raw), "with one salt, who wrote the same would show, and short texts could be tried")
}

func TestGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, dir)
	add(t, b, roombook.Run{Number: 2, Why: "resumed"}, cast("required", "one"))
	require.NoError(t, b.Close())
	_, err := b.Append(wall, 0, cast("required", "late"))
	require.ErrorIs(t, err, roombook.ErrClosed)
	add(t, open(t, dir), cast("not required", "two"))
	entries := all(t, dir)
	require.Len(t, entries, 3)
	require.Equal(t, 2, entries[2].Run)
	require.Equal(t, "two", entries[2].Body.(roombook.Cast).Reason.Said)
}

func TestWallTimeDoesNotGoBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, dir)
	add(t, b, roombook.Phase{Phase: "briefing"})
	_, err := b.Append(wall.Add(-time.Hour), 0, roombook.Phase{Phase: "playing"})
	require.NoError(t, err)
	require.Equal(t, wall, all(t, dir)[1].Wall)
}

func TestTornTailIsKeptAside(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ file, tail string }{
		"entry, cut in the middle":            {roombook.FileName, `{"seq":3,"prev":"00`},
		"entry, whole but for its line end":   {roombook.FileName, "whole"},
		"blocks that were given and not kept": {roombook.FileName, "\x00\x00\x00\x00"},
		"text, cut in the middle":             {roombook.TextsName, `{"salt":"00`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			b := open(t, dir)
			add(t, b, cast("required", "one"), cast("not required", "two"))
			if row.tail == "whole" {
				add(t, b, cast("required", "three"))
				entries := all(t, dir)
				row.tail = string(entries[2].Line)
				cut(t, filepath.Join(dir, row.file), len(row.tail)+1)
			}
			require.NoError(t, b.Close())
			appendTo(t, filepath.Join(dir, row.file), row.tail)

			if row.file == roombook.FileName {
				entries, err := roombook.ReadAll(dir)
				require.ErrorIs(t, err, roombook.ErrTorn)
				require.Len(t, entries, 2)
			}
			add(t, open(t, dir), cast("required", "four"))
			entries := all(t, dir)
			require.Len(t, entries, 3)
			require.Equal(t, "four", entries[2].Body.(roombook.Cast).Reason.Said)
			aside, err := os.ReadFile(filepath.Join(dir, row.file+".torn-1"))
			require.NoError(t, err)
			require.Equal(t, row.tail, string(aside), "nothing is thrown away")
		})
	}
}

func TestTextsWithoutAnEntryAreKeptAside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, dir)
	add(t, b, cast("required", "one"), cast("not required", "never told"))
	last := all(t, dir)[1]
	require.NoError(t, b.Close())
	// The server died between the text and its entry.
	cut(t, filepath.Join(dir, roombook.FileName), len(last.Line)+1)
	add(t, open(t, dir), cast("required", "three"))
	texts, err := os.ReadFile(filepath.Join(dir, roombook.TextsName))
	require.NoError(t, err)
	require.NotContains(t, string(texts), "never told")
	aside, err := os.ReadFile(filepath.Join(dir, roombook.TextsName+".torn-1"))
	require.NoError(t, err)
	require.Contains(t, string(aside), "never told")
}

func TestChangedBookIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, dir)
	add(t, b, roombook.Opened{Exercise: "spring"}, cast("required", "one"), cast("not required", "two"), roombook.Phase{Phase: "hot wash"})
	require.NoError(t, b.Close())
	for _, name := range []string{roombook.FileName, roombook.TextsName} {
		good, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		for i := range good {
			if i == len(good)-1 {
				continue // without its last line end a file is torn, not changed
			}
			bad := bytes.Clone(good)
			bad[i] ^= 1
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), bad, 0o600))
			_, err := roombook.ReadAll(dir)
			require.Error(t, err, "%s: octet %d changed and nobody saw it", name, i)
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), good, 0o600))
	}
	lines := strings.SplitAfter(string(read(t, filepath.Join(dir, roombook.FileName))), "\n")
	for what, kept := range map[string][]string{"one taken out": {lines[0], lines[2], lines[3]}, "two changed places": {lines[0], lines[2], lines[1], lines[3]}, "first gone": lines[1:]} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, roombook.FileName), []byte(strings.Join(kept, "")), 0o600))
		_, err := roombook.Open(dir)
		require.ErrorIs(t, err, roombook.ErrBroken, what)
	}
}

func TestTextTakenOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := open(t, dir)
	add(t, b, cast("required", "one"), cast("required", "two"))
	require.NoError(t, b.Close())
	path := filepath.Join(dir, roombook.TextsName)
	_, rest, _ := strings.Cut(string(read(t, path)), "\n")
	require.NoError(t, os.WriteFile(path, []byte(rest), 0o600))
	entries := all(t, dir)
	gone := entries[0].Body.(roombook.Cast).Reason
	require.True(t, gone.Redacted())
	require.False(t, gone.IsZero())
	require.Equal(t, "[taken out]", gone.String())
	require.Equal(t, "two", entries[1].Body.(roombook.Cast).Reason.Said)
	require.NoError(t, os.Remove(path))
	require.True(t, all(t, dir)[1].Body.(roombook.Cast).Reason.Redacted(), "the book is read without its texts too")
}

// Every write can fail in two ways: it failed, or it happened and we were told
// that it failed.
func TestWriteFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is gone")
	for name, row := range map[string]struct {
		how  roombook.Failing
		kept bool
	}{
		"text not written": {roombook.Failing{File: roombook.TextsName, Write: func(*os.File, []byte) (int, error) { return 0, broken }}, false},
		"text half written": {roombook.Failing{File: roombook.TextsName, Write: func(f *os.File, b []byte) (int, error) {
			n, _ := f.Write(b[:len(b)/2])
			return n, broken
		}}, false},
		"text written, told that it was not": {roombook.Failing{File: roombook.TextsName, Write: func(f *os.File, b []byte) (int, error) {
			n, _ := f.Write(b)
			return n, broken
		}}, false},
		"text not synced":   {roombook.Failing{File: roombook.TextsName, Sync: func(*os.File) error { return broken }}, false},
		"entry not written": {roombook.Failing{File: roombook.FileName, Write: func(*os.File, []byte) (int, error) { return 0, broken }}, false},
		"entry half written": {roombook.Failing{File: roombook.FileName, Write: func(f *os.File, b []byte) (int, error) {
			n, _ := f.Write(b[:len(b)/2])
			return n, broken
		}}, false},
		"entry written, told that it was not": {roombook.Failing{File: roombook.FileName, Write: func(f *os.File, b []byte) (int, error) {
			n, _ := f.Write(b)
			return n, broken
		}}, true},
		"entry synced, told that it was not": {roombook.Failing{File: roombook.FileName, Sync: func(f *os.File) error {
			f.Sync()
			return broken
		}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			disk := &roombook.Failing{}
			b, err := roombook.OpenFailing(dir, disk)
			require.NoError(t, err)
			add(t, b, cast("required", "before"))
			*disk = row.how
			_, err = b.Append(wall, 0, cast("not required", "this one"))
			require.ErrorIs(t, err, roombook.ErrUncertain)
			require.ErrorIs(t, err, broken)
			*disk = roombook.Failing{}
			_, err = b.Append(wall, 0, cast("required", "after"))
			require.ErrorIs(t, err, roombook.ErrUncertain, "nothing is written behind an entry that nobody knows of")

			found, err := b.Recover()
			require.NoError(t, err)
			want := []string{"before"}
			if row.kept {
				require.Len(t, found, 1)
				require.Equal(t, "this one", found[0].Body.(roombook.Cast).Reason.Said)
				want = append(want, "this one")
			} else {
				require.Empty(t, found)
			}
			add(t, b, cast("required", "after"))
			require.NoError(t, b.Close())
			var got []string
			for _, e := range all(t, dir) {
				got = append(got, e.Body.(roombook.Cast).Reason.String())
			}
			require.Equal(t, append(want, "after"), got)
			again := open(t, dir)
			require.Equal(t, int64(len(got)), again.Len(), "and a new server reads the same")
		})
	}
}

func TestCopy(t *testing.T) {
	t.Parallel()
	dir, pack := t.TempDir(), t.TempDir()
	b := open(t, dir)
	add(t, b, cast("required", "one"))
	require.NoError(t, b.Copy(pack))
	add(t, b, cast("required", "two"))
	require.Len(t, all(t, pack), 1)
	require.NoError(t, b.Copy(pack))
	require.Len(t, all(t, pack), 2)
}

// What a body's texts say is found by its members: one in a list or in a structure
// would be written in the clear.
func TestEveryTextIsAMemberOfItsBody(t *testing.T) {
	t.Parallel()
	bodies := roombook.Bodies()
	require.Len(t, bodies, 20)
	for _, b := range bodies {
		for i := range reflect.TypeOf(b).NumField() {
			f := reflect.TypeOf(b).Field(i)
			if f.Type == reflect.TypeFor[roombook.Text]() {
				continue
			}
			require.NotContains(t, deep(f.Type), "roombook.Text", "%T.%s", b, f.Name)
		}
	}
}

func deep(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Slice, reflect.Array, reflect.Pointer, reflect.Map:
		return t.String() + " " + deep(t.Elem())
	case reflect.Struct:
		out := t.String()
		for i := range t.NumField() {
			out += " " + deep(t.Field(i).Type)
		}
		return out
	}
	return t.String()
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "roombook-")
		require.NoError(t, err)
		defer os.RemoveAll(dir)
		b, err := roombook.Open(dir)
		require.NoError(t, err)
		var want []roombook.Note
		for range rapid.IntRange(0, 6).Draw(t, "entries") {
			text := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune("\u2028\"\\<>&\x00é\n\t ")))).Draw(t, "text")
			n := roombook.Note{Person: rapid.String().Draw(t, "person"), Entry: rapid.Int64().Draw(t, "entry"), Text: roombook.Say(text)}
			n.Person = strings.ToValidUTF8(n.Person, "")
			_, err := b.Append(wall, time.Duration(rapid.Int64Range(-1e15, 1e15).Draw(t, "at")), n)
			require.NoError(t, err)
			want = append(want, n)
			if rapid.Bool().Draw(t, "reopened") {
				require.NoError(t, b.Close())
				b, err = roombook.Open(dir)
				require.NoError(t, err)
			}
		}
		require.NoError(t, b.Close())
		entries, err := roombook.ReadAll(dir)
		require.NoError(t, err)
		require.Len(t, entries, len(want))
		for i, e := range entries {
			got := e.Body.(roombook.Note)
			require.Equal(t, want[i].Text.Said, got.Text.Said)
			require.Equal(t, want[i].Person, got.Person)
			require.Equal(t, want[i].Entry, got.Entry)
		}
	})
}

// FuzzRead: whatever lies in the two files, reading ends, and what it gives out
// reads the same again once it is written.
func FuzzRead(f *testing.F) {
	dir := f.TempDir()
	b, err := roombook.Open(dir)
	require.NoError(f, err)
	for _, body := range []roombook.Body{roombook.Opened{Exercise: "spring"}, cast("required", "one"), roombook.Survey{Person: "p1", Answers: map[string]int{"a": 4}, Well: roombook.Say("calm")}} {
		_, err := b.Append(wall, time.Minute, body)
		require.NoError(f, err)
	}
	require.NoError(f, b.Close())
	entries, err := os.ReadFile(filepath.Join(dir, roombook.FileName))
	require.NoError(f, err)
	texts, err := os.ReadFile(filepath.Join(dir, roombook.TextsName))
	require.NoError(f, err)
	f.Add(entries, texts)
	f.Add(entries, []byte{})
	f.Add(entries[:len(entries)-4], texts[:9])
	f.Add([]byte("{}\n"), []byte("{}\n"))
	f.Add([]byte(`{"seq":1,"body":null}`+"\n"), []byte(`{"salt":""}`+"\n"))
	f.Fuzz(func(t *testing.T, entries, texts []byte) {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, roombook.FileName), entries, 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, roombook.TextsName), texts, 0o600))
		got, err := roombook.ReadAll(dir)
		var again []byte
		for _, e := range got {
			again = append(append(again, e.Line...), '\n')
		}
		require.True(t, bytes.HasPrefix(entries, again), "what is given out is what is written")
		if err == nil {
			require.Equal(t, len(entries), len(again))
		}
		b, err := roombook.Open(dir)
		if err != nil {
			return
		}
		defer b.Close()
		require.Equal(t, int64(len(got)), b.Len())
	})
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	octets, err := os.ReadFile(path)
	require.NoError(t, err)
	return octets
}

func cut(t *testing.T, path string, octets int) {
	t.Helper()
	whole := read(t, path)
	require.NoError(t, os.WriteFile(path, whole[:len(whole)-octets], 0o600))
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, append(read(t, path), text...), 0o600))
}
