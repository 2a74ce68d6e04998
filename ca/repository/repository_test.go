package repository_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/repository"
	"smki.example/ca/revocation"
	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// serve makes a CA in an environment with a certificate and a list where there is
// one, and serves it.
func serve(t *testing.T, environment string) (*httptest.Server, *ca.Certificate, *revocation.Register) {
	t.Helper()
	ctx := context.Background()
	h := policytest.NewHierarchyIn(t, environment, policytest.Began)
	s, err := store.Open(ctx, store.Config{URL: storetest.Fresh(t)})
	require.NoError(t, err)
	authority := func(name string, a policytest.Authority) ca.Authority {
		return ca.Authority{Name: name, Generation: 1, Certificate: a.Certificate, Signer: func(context.Context) crypto.Signer { return a.Key }}
	}
	issuer, err := ca.Open(ctx, ca.Config{Store: s, Environment: h.Environment, Clock: func() time.Time { return now },
		LogKey: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), Authorities: []ca.Authority{authority("issuing-dca", h.IssuingDCA), authority("issuing-oca", h.IssuingOCA)}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, issuer.Close(ctx)); require.NoError(t, s.Close()) })
	id, err := policy.ParseEntityID("90-B3-D5-1F-30-01-00-02")
	require.NoError(t, err)
	c, err := issuer.Issue(ctx, ca.Request{DER: policytest.DeviceRequest(t, policytest.NewKey(t), id, policy.UsageDigitalSignature), Requester: "test"})
	require.NoError(t, err)
	register, err := revocation.New(revocation.Config{Issuer: issuer})
	require.NoError(t, err)
	server := httptest.NewServer(repository.Handler(repository.Config{Issuer: issuer, Register: register}))
	t.Cleanup(server.Close)
	return server, c, register
}

func get(t *testing.T, url string, headers ...string) (*http.Response, []byte) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	require.NoError(t, err)
	for n := 0; n+1 < len(headers); n += 2 {
		request.Header.Set(headers[n], headers[n+1])
	}
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer, body
}

func TestCertificate(t *testing.T) {
	t.Parallel()
	server, c, register := serve(t, "drill") // which has no device CRL
	url := server.URL + "/certificates/" + c.Serial.String()

	answer, body := get(t, url)
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Equal(t, "application/pkix-cert", answer.Header.Get("Content-Type"))
	require.Equal(t, c.DER, body)
	require.Equal(t, "I", answer.Header.Get("Smki-Status"))

	again, body := get(t, url, "If-None-Match", answer.Header.Get("ETag"))
	require.Equal(t, http.StatusNotModified, again.StatusCode)
	require.Empty(t, body)

	for _, form := range []struct{ url, accept string }{{url + ".pem", ""}, {url, "text/html, application/x-pem-file;q=0.9"}} {
		answer, body := get(t, form.url, "Accept", form.accept)
		require.Equal(t, "application/x-pem-file", answer.Header.Get("Content-Type"))
		block, _ := pem.Decode(body)
		require.Equal(t, c.DER, block.Bytes)
	}

	_, err := register.Revoke(context.Background(), revocation.Revoke{Serial: c.Serial, Reason: policy.ReasonKeyCompromise, By: "test"})
	require.NoError(t, err)
	answer, _ = get(t, url)
	require.Equal(t, "N", answer.Header.Get("Smki-Status"), "the status is the only place that tells")
}

func TestList(t *testing.T) {
	t.Parallel()
	server, _, register := serve(t, "exercise")
	answer, _ := get(t, server.URL+"/crls/issuing-oca.crl")
	require.Equal(t, http.StatusNotFound, answer.StatusCode, "there is none yet")
	require.Equal(t, "no-store", answer.Header.Get("Cache-Control"))

	record, err := register.PublishCRL(context.Background(), "issuing-oca")
	require.NoError(t, err)
	answer, body := get(t, server.URL+"/crls/issuing-oca.crl")
	require.Equal(t, http.StatusOK, answer.StatusCode)
	require.Equal(t, "application/pkix-crl", answer.Header.Get("Content-Type"))
	require.Equal(t, record.DER, body)
	require.Equal(t, "public, max-age=300", answer.Header.Get("Cache-Control"))
	require.Equal(t, "1", answer.Header.Get("Smki-Crl-Number"))
	_, body = get(t, server.URL+"/crls/issuing-oca.pem")
	block, _ := pem.Decode(body)
	require.Equal(t, "X509 CRL", block.Type)
	require.Equal(t, record.DER, block.Bytes)
}

func TestWhatIsNotThere(t *testing.T) {
	t.Parallel()
	server, _, _ := serve(t, "exercise")
	for path, status := range map[string]int{
		"/certificates/":       http.StatusNotFound,
		"/certificates/00FF":   http.StatusNotFound,
		"/certificates/xyz":    http.StatusBadRequest,
		"/certificates/1.html": http.StatusBadRequest,
		"/crls/nobody.crl":     http.StatusNotFound,
		"/crls/issuing-oca":    http.StatusNotFound,
		"/crls/root-dca.crl":   http.StatusNotFound,
		"/authorities/x.pem":   http.StatusNotFound,
		"/":                    http.StatusNotFound,
	} {
		answer, _ := get(t, server.URL+path)
		require.Equal(t, status, answer.StatusCode, path)
	}
	answer, err := http.Post(server.URL+"/crls/issuing-oca.crl", "text/plain", nil)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusMethodNotAllowed, answer.StatusCode)
}

// Who has an answer already is told so in a few octets, by tag or by date; and with
// the status of this moment.
func TestAskingAgain(t *testing.T) {
	t.Parallel()
	server, c, register := serve(t, "drill")
	url := server.URL + "/certificates/" + c.Serial.String() + ".cer"
	answer, body := get(t, url)
	tag, date := answer.Header.Get("ETag"), answer.Header.Get("Last-Modified")
	head, err := http.Head(url)
	require.NoError(t, err)
	require.NoError(t, head.Body.Close())
	require.EqualValues(t, len(body), head.ContentLength)
	require.Equal(t, tag, head.Header.Get("ETag"))
	_, err = register.Revoke(context.Background(), revocation.Revoke{Serial: c.Serial, Reason: policy.ReasonKeyCompromise, By: "test"})
	require.NoError(t, err)
	for _, row := range []struct {
		says    string
		headers []string
		status  int
	}{
		{"the tag", []string{"If-None-Match", tag}, http.StatusNotModified},
		{"one of several", []string{"If-None-Match", `"x", W/` + tag}, http.StatusNotModified},
		{"another", []string{"If-None-Match", `"x"`}, http.StatusOK},
		{"part of it", []string{"If-None-Match", tag[:10]}, http.StatusOK},
		{"the date", []string{"If-Modified-Since", date}, http.StatusNotModified},
		{"an older date", []string{"If-Modified-Since", now.Add(-time.Hour).Format(http.TimeFormat)}, http.StatusOK},
		{"no date", []string{"If-Modified-Since", "yesterday"}, http.StatusOK},
		{"a tag counts more than a date", []string{"If-None-Match", `"x"`, "If-Modified-Since", date}, http.StatusOK},
		{"a range", []string{"Range", "bytes=4-13"}, http.StatusPartialContent},
		{"a range of what it was", []string{"Range", "bytes=4-13", "If-Range", tag}, http.StatusPartialContent},
		{"a range of another answer", []string{"Range", "bytes=4-13", "If-Range", `"x"`}, http.StatusOK},
		{"a range behind the end", []string{"Range", "bytes=999999-"}, http.StatusRequestedRangeNotSatisfiable},
		{"a range of nothing known", []string{"Range", "lines=1-2"}, http.StatusRequestedRangeNotSatisfiable},
	} {
		answer, got := get(t, url, row.headers...)
		require.Equal(t, row.status, answer.StatusCode, row.says)
		switch answer.StatusCode {
		case http.StatusOK:
			require.Equal(t, body, got, row.says)
		case http.StatusPartialContent:
			require.Equal(t, body[4:14], got, row.says)
		}
		require.Equal(t, "N", answer.Header.Get("Smki-Status"), row.says)
	}
}
