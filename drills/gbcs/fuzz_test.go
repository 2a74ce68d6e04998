package gbcs_test

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/gbcs"
	"smki.example/policy"
)

var update = flag.Bool("update", false, "write testdata/messages anew")

// The committed messages were made by this package with keys that were thrown
// away. They must stay readable: what is in an evidence pack is read years later.
func TestCommittedMessages(t *testing.T) {
	t.Parallel()
	if *update {
		require.NoError(t, os.RemoveAll("testdata/messages"))
		require.NoError(t, os.MkdirAll("testdata/messages", 0o755))
		for _, s := range newWorld(t).samples(t) {
			// All forms of one mode, and the command and answer of the others.
			everyForm := strings.HasPrefix(s.name, gbcs.SupplierBySupplier.String())
			if mode, ok := s.message.Header.MessageCode.Mode(); ok && mode.Known() && !everyForm && !strings.HasSuffix(s.name, " command") && !strings.HasSuffix(s.name, " two-octet lengths") {
				continue
			}
			name := strings.ReplaceAll(s.name, " ", "-") + ".hex"
			require.NoError(t, os.WriteFile(filepath.Join("testdata/messages", name), []byte(hex.EncodeToString(s.octets)+"\n"), 0o644))
		}
	}
	for name, octets := range committed(t) {
		m, err := gbcs.Decode(octets)
		require.NoError(t, err, name)
		require.NoError(t, m.Malformed(), name)
		again, err := m.Encode()
		require.NoError(t, err, name)
		require.Equal(t, octets, again, name)
		for _, f := range m.Check() {
			require.Less(t, f.Level, gbcs.LevelWarning, "%s: %s", name, f)
		}
	}
}

func committed(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/messages/*.hex")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all := map[string][]byte{}
	for _, f := range files {
		all[filepath.Base(f)] = readHex(t, f)
	}
	return all
}

// What decodes encodes to the same octets, and nothing that looks at a message
// panics, whatever the octets are.
func FuzzDecode(f *testing.F) {
	for _, octets := range committed(f) {
		f.Add(octets)
	}
	keyring := &gbcs.Keyring{}
	require.NoError(f, keyring.AddSecret("seed", policy.EntityID{1}, entity(0xD0), make([]byte, 32)))
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, octets []byte) {
		m, err := gbcs.Decode(octets)
		if err != nil {
			return
		}
		again, err := m.Encode()
		require.NoError(t, err)
		require.Equal(t, octets, again)
		in := gbcs.Inspect(m, keyring, now)
		require.NotEqual(t, gbcs.ResultValid, in.Signature.Result)
		for _, tree := range []gbcs.Tree{m.Header.Describe(), m.Payload.Describe()} {
			_, err := json.Marshal(tree)
			require.NoError(t, err)
		}
	})
}
