package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/cmd/clikit"
	"smki.example/drills/console"
)

// A served room is drill serve in this process.
type servedRoom struct {
	URL, Facilitator, Join, Code, Observers, Screen, Fingerprint, Home string

	stop func() clikit.Code
}

// serving runs drill serve until the test stops it, and reads the links that it
// prints.
func serving(t *testing.T, args ...string) *servedRoom {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	read, write := io.Pipe()
	a := app()
	a.Writer, a.ErrWriter = write, io.Discard
	ended := make(chan clikit.Code, 1)
	go func() {
		code := clikit.Run(ctx, a, append([]string{"drill", "serve", "--json", "--record-key", filepath.Join(t.TempDir(), "record.key")}, args...))
		ended <- code
		_ = write.Close()
	}()
	s := &servedRoom{}
	s.stop = func() clikit.Code {
		cancel()
		code := <-ended
		ended <- code
		return code
	}
	t.Cleanup(func() { s.stop() })
	require.NoError(t, json.NewDecoder(read).Decode(s))
	go func() { _, _ = io.Copy(io.Discard, read) }()
	return s
}

// A room on loopback: the links lead in, other names are refused, and it stops
// cleanly; the next time it is the same exercise, with the same codes.
func TestServe(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	s := serving(t, "--listen", "127.0.0.1:0", "--home", home)
	require.True(t, strings.HasPrefix(s.URL, "http://127.0.0.1:"))
	require.Empty(t, s.Fingerprint)
	for link, says := range map[string]string{s.Facilitator: "Your name", s.Join: "Your name", s.Observers: "Your name", s.Screen: "Show the room screen"} {
		a, err := http.Get(link)
		require.NoError(t, err)
		body, err := io.ReadAll(a.Body)
		require.NoError(t, err)
		require.NoError(t, a.Body.Close())
		require.Equal(t, http.StatusOK, a.StatusCode, link)
		require.Contains(t, string(body), says)
		require.NotContains(t, string(body), "is not known here")
	}
	r, err := http.NewRequest(http.MethodGet, s.URL, nil)
	require.NoError(t, err)
	r.Host = "rebound.example"
	a, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, a.Body.Close())
	require.Equal(t, http.StatusMisdirectedRequest, a.StatusCode)
	http.DefaultClient.CloseIdleConnections()
	require.Equal(t, clikit.Done, s.stop())

	again := serving(t, "--listen", "127.0.0.1:0", "--home", home)
	require.Equal(t, s.Code, again.Code, "an exercise that is not closed goes on")
	require.Equal(t, clikit.Done, again.stop())
	third := serving(t, "--listen", "127.0.0.1:0", "--home", home, "--new")
	require.NotEqual(t, s.Code, third.Code)
	exercises, err := filepath.Glob(filepath.Join(home, "*", "room.jsonl"))
	require.NoError(t, err)
	require.Len(t, exercises, 2)
}

// A room on a network: TLS with a certificate whose fingerprint is the one that is
// printed and that stands in the link, and that stays from one time to the next.
func TestServeOnANetwork(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	s := serving(t, "--listen", "0.0.0.0:0", "--home", home)
	at, err := url.Parse(s.Join)
	require.NoError(t, err)
	require.Equal(t, "https", at.Scheme)
	require.Equal(t, strings.ReplaceAll(s.Fingerprint, ":", ""), at.Fragment)
	secure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true, // the fingerprint is what is checked
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			require.Equal(t, s.Fingerprint, console.Fingerprint(raw[0]))
			return nil
		},
	}}}
	defer secure.CloseIdleConnections()
	local := "https://127.0.0.1:" + at.Port()
	a, err := secure.Get(local + "/")
	require.NoError(t, err)
	body, err := io.ReadAll(a.Body)
	require.NoError(t, err)
	require.NoError(t, a.Body.Close())
	require.Contains(t, string(body), s.Fingerprint)
	require.NotEmpty(t, a.Header.Get("Strict-Transport-Security"))
	a, err = http.Get("http://127.0.0.1:" + at.Port() + "/")
	require.NoError(t, err)
	require.NoError(t, a.Body.Close())
	require.Equal(t, http.StatusBadRequest, a.StatusCode, "nothing is said in the clear")
	info, err := os.Stat(filepath.Join(home, certificateFile))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	http.DefaultClient.CloseIdleConnections()
	secure.CloseIdleConnections()
	require.Equal(t, clikit.Done, s.stop())
	again := serving(t, "--listen", "0.0.0.0:0", "--home", home)
	require.Equal(t, s.Fingerprint, again.Fingerprint)
}

// What is asked for wrongly is said before anything is made.
func TestServeRefuses(t *testing.T) {
	t.Parallel()
	for says, c := range map[string]struct {
		want string
		args []string
	}{
		"no port":                  {"is no HOST:PORT", []string{"--listen", "127.0.0.1"}},
		"in the clear elsewhere":   {"in the clear over a network", []string{"--listen", "0.0.0.0:0", "--url", "http://room.example"}},
		"no address":               {"is no address of a server", []string{"--url", "room.example"}},
		"a path":                   {"is no address of a server", []string{"--url", "https://room.example/x"}},
		"one and another":          {"give one of the two", []string{"--new", "--exercise", "monday"}},
		"a name that leads out":    {"is no name of a folder", []string{"--exercise", "../monday"}},
		"a word that nobody knows": {"monday", []string{"monday"}},
	} {
		r := drillLine(t, append([]string{"serve", "--home", t.TempDir(), "--record-key", filepath.Join(t.TempDir(), "k")}, c.args...)...)
		require.Equal(t, clikit.Usage, r.code, says)
		require.Contains(t, r.err, c.want, says)
	}
}
