package console_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/drills/console"
)

// A room's certificate is made once, and anew when it has run out or does not serve
// where it must.
func TestCertificate(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "server.pem")
	now := time.Now()
	_, first, err := console.Certificate(file, []string{"localhost", "127.0.0.1", "room.example"}, now)
	require.NoError(t, err)
	require.Regexp(t, `^([0-9A-F]{2}:){31}[0-9A-F]{2}$`, first)
	c, again, err := console.Certificate(file, []string{"127.0.0.1"}, now.Add(300*24*time.Hour))
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.NoError(t, c.Leaf.VerifyHostname("room.example"))
	require.LessOrEqual(t, c.Leaf.NotAfter.Sub(c.Leaf.NotBefore), 398*24*time.Hour, "browsers take no longer ones")
	_, late, err := console.Certificate(file, []string{"127.0.0.1"}, now.Add(397*24*time.Hour))
	require.NoError(t, err)
	require.NotEqual(t, first, late)
	_, other, err := console.Certificate(file, []string{"192.0.2.7"}, now.Add(397*24*time.Hour))
	require.NoError(t, err)
	require.NotEqual(t, late, other)
	left, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.NoError(t, os.WriteFile(file, []byte("not a certificate"), 0o600))
	_, _, err = console.Certificate(file, []string{"127.0.0.1"}, now)
	require.ErrorContains(t, err, "remove the file and it is made anew")
}
