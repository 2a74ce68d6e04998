package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/cmd/clikit"
	"smki.example/policy"
	"smki.example/softhsm"
)

// A firstLine passes on the first line that is written, and keeps the rest.
type firstLine struct {
	mu   sync.Mutex
	b    bytes.Buffer
	line chan string
}

func (f *firstLine) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.b.Write(p)
	if line, _, whole := strings.Cut(f.b.String(), "\n"); whole {
		select {
		case f.line <- line:
		default:
		}
	}
	return len(p), nil
}

// serving starts the server of a home and returns its address, its log, and what ends
// it.
func serving(t *testing.T, home string) (string, *lockedBuffer, func() clikit.Code) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, log := &firstLine{line: make(chan string, 1)}, &lockedBuffer{}
	ended := make(chan clikit.Code, 1)
	go func() {
		app := application()
		app.Writer, app.ErrWriter = out, log
		ended <- clikit.Run(ctx, app, []string{"smki", "serve", "--home", home, "--listen", "127.0.0.1:0"}, meanings()...)
	}()
	stop := sync.OnceValue(func() clikit.Code { cancel(); return <-ended })
	t.Cleanup(func() { stop() })
	select {
	case line := <-out.line:
		return strings.TrimPrefix(line, "listening on "), log, stop
	case code := <-ended:
		ended <- code
		require.FailNow(t, "the server ended", "exit %d: %s", code, log)
		return "", nil, nil
	}
}

func fetch(t *testing.T, url string) (int, []byte) {
	t.Helper()
	answer, err := http.Get(url)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, body
}

func TestServe(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	url, log, stop := serving(t, home)
	status, body := fetch(t, url+"/healthz")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "ok\n", string(body))

	// Other commands work on the home meanwhile, and what they do is served.
	csr := filepath.Join(t.TempDir(), "d.csr")
	der, err := makeRequest("device", nextEntity())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(csr, der, 0o600))
	code, out, errs := smki(t, "issue", "--home", home, "--csr", csr, "--json")
	require.Equal(t, clikit.Done, code, errs)
	var got struct{ Serial policy.Serial }
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	status, _ = fetch(t, url+"/certificates/"+got.Serial.String()+".pem")
	require.Equal(t, http.StatusOK, status)
	code, _, errs = smki(t, "revoke", "--home", home, "--serial", got.Serial.String(), "--reason", "keyCompromise")
	require.Equal(t, clikit.Done, code, errs)
	status, body = fetch(t, url+"/crls/issuing-dca.crl")
	require.Equal(t, http.StatusOK, status)
	list, err := policy.ParseCRL(body)
	require.NoError(t, err)
	require.EqualValues(t, 2, list.Number)
	_, revoked := list.Find(got.Serial)
	require.True(t, revoked)

	status, body = fetch(t, url+"/metrics")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, string(body), `smki_crl_number{issuer="issuing-dca-1"} 2`)
	require.Contains(t, string(body), `smki_crl_alarm{issuer="issuing-dca-1"} 0`)
	status, _ = fetch(t, url+"/nothing")
	require.Equal(t, http.StatusNotFound, status)
	require.Equal(t, clikit.Done, stop())
	require.NotContains(t, log.String(), "level=ERROR")
}

// Without its token, or without its database, the CA is not ready, and says which;
// when the token is back it is.
func TestReadiness(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	d, err := openCA(context.Background(), home, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.Close(context.Background()) })
	look := func() readyReport {
		r := &readiness{desk: d, publisher: newPublisher(d, serveLogger(io.Discard, false))}
		return r.look()
	}
	require.True(t, look().Ready)
	require.False(t, look().Alarm)

	token, err := softhsm.Open(filepath.Join(home, tokenDir))
	require.NoError(t, err)
	require.NoError(t, token.Break())
	report := look()
	require.False(t, report.Ready)
	require.NotEqual(t, "ok", report.Token)
	require.Equal(t, "ok", report.Store)
	require.NoError(t, token.Restore())
	require.True(t, look().Ready)
}

// A list that cannot be published is an alarm in the log, in /readyz and in /metrics.
func TestAlarm(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	csr := filepath.Join(t.TempDir(), "d.csr")
	der, err := makeRequest("device", nextEntity())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(csr, der, 0o600))
	code, out, errs := smki(t, "issue", "--home", home, "--csr", csr, "--json")
	require.Equal(t, clikit.Done, code, errs)
	var got struct{ Serial policy.Serial }
	require.NoError(t, json.Unmarshal([]byte(out), &got))

	d, err := openCA(context.Background(), home, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.Close(context.Background()) })
	token, err := softhsm.Open(filepath.Join(home, tokenDir))
	require.NoError(t, err)
	require.NoError(t, token.Break())
	code, _, errs = smki(t, "revoke", "--home", home, "--serial", got.Serial.String(), "--reason", "keyCompromise", "--no-publish")
	require.Equal(t, clikit.Done, code, "revoking needs no token: %s", errs)

	var log lockedBuffer
	p := newPublisher(d, serveLogger(&log, false))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	require.NoError(t, p.publish(ctx))
	p.tell(ctx)
	require.Contains(t, log.String(), `level=ERROR msg="list is late" issuer=issuing-dca-1`)
	r := &readiness{desk: d, publisher: p}
	require.True(t, r.look().Alarm)

	require.NoError(t, token.Restore())
	require.NoError(t, p.publish(context.Background()))
	require.Contains(t, log.String(), "list published")
	p.mu.Lock()
	defer p.mu.Unlock()
	require.Empty(t, p.failed)
	require.Equal(t, map[string]int64{"issuing-dca-1": 1}, p.published, fmt.Sprint(log.String()))
}

// A change in the database shows in audit verify, with the record.
func TestAuditVerifyFindsAChange(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	path := filepath.Join(home, storeFile)
	code, note, errs := smki(t, "audit", "checkpoint", "--home", home)
	require.Equal(t, clikit.Done, code, errs)
	kept := filepath.Join(t.TempDir(), "kept")
	require.NoError(t, os.WriteFile(kept, []byte(note), 0o600))
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(text), `"by":"ceremony"`)
	require.NoError(t, os.WriteFile(path, bytes.ReplaceAll(text, []byte(`"by":"ceremony"`), []byte(`"by":"somebody"`)), 0o600))
	code, _, errs = smki(t, "audit", "verify", "--home", home, "--checkpoint", kept)
	require.Equal(t, clikit.Failed, code)
	require.Contains(t, errs, "CHANGED")
	code, out, _ := smki(t, "audit", "verify", "--home", home, "--json")
	require.Equal(t, clikit.Failed, code)
	require.Contains(t, out, `"intact": false`)
}
