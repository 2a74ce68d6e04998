package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca/iki"
	"smki.example/policy"
)

// sealed is a request as cfssl's client sends it, with the HMAC of a key.
func sealed(t testing.TB, key string, request any) string {
	t.Helper()
	inner, err := json.Marshal(request)
	require.NoError(t, err)
	secret, err := hex.DecodeString(key)
	require.NoError(t, err)
	mac := hmac.New(sha256.New, secret)
	mac.Write(inner)
	outer, err := json.Marshal(map[string][]byte{"token": mac.Sum(nil), "request": inner})
	require.NoError(t, err)
	return string(outer)
}

func cfsslHome(t testing.TB, home, client, key string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(home, "cfssl.key"), []byte(key+"\n"), 0o600))
	settings(t, home, `{"version": 1, "cfssl": {"clients": [{"name": "`+client+`", "key_file": "cfssl.key"}]}}`)
}

const cfsslKey = "000102030405060708090a0b0c0d0e0f"

func (s *site) sign(t testing.TB, h *holder, key string) (int, string) {
	t.Helper()
	return call(t, s.client(t, h), "POST", s.secure+cfsslPath+"authsign",
		sealed(t, key, map[string]string{"certificate_request": deviceRequest(t, nextEntity()), "profile": "device"}))
}

// cfssl's interface is there if services.json has it, for who has an IKI certificate and
// a key.
func TestServeCFSSL(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	cfsslHome(t, home, "cfssl-1", cfsslKey)
	s := serveHome(t, home)
	system := newHolder(t, home, "Exercise Supplier A", "adhoc-1", policy.RoleSupplier, iki.AdHoc)
	status, text := s.sign(t, system, cfsslKey)
	require.Equal(t, http.StatusOK, status, text)
	require.Contains(t, text, "BEGIN CERTIFICATE")
	status, text = s.sign(t, system, "ff0102030405060708090a0b0c0d0e0f")
	require.NotEqual(t, http.StatusOK, status, text)
	status, _ = s.sign(t, newHolder(t, home, "Exercise Supplier A", "batched-1", policy.RoleSupplier, iki.Batched), cfsslKey)
	require.Equal(t, http.StatusForbidden, status)
}

// With a register a key is of use to the system alone whose name it has, and nobody
// revokes without the registration authority.
func TestServeCFSSLRegister(t *testing.T) {
	t.Parallel()
	home, a := newAuthority(t)
	cfsslHome(t, home, "supplier-a/adhoc-a", cfsslKey)
	s := serveHome(t, home)
	a.supplier(t)
	a.system(t, "adhoc-a")
	a.system(t, "adhoc-b")
	own := newHolder(t, home, "Exercise Supplier A", "adhoc-a", policy.RoleSupplier, iki.AdHoc)
	other := newHolder(t, home, "Exercise Supplier A", "adhoc-b", policy.RoleSupplier, iki.AdHoc)
	status, _ := s.sign(t, own, cfsslKey)
	require.Equal(t, http.StatusForbidden, status, "its certificate is nobody's yet")
	a.known(t, "adhoc-a", own)
	a.known(t, "adhoc-b", other)
	status, text := s.sign(t, own, cfsslKey)
	require.Equal(t, http.StatusOK, status, text)
	status, text = s.sign(t, other, cfsslKey)
	require.Equal(t, http.StatusForbidden, status, text)

	var signed struct{ Result struct{ Certificate string } }
	_, text = s.sign(t, own, cfsslKey)
	require.NoError(t, json.Unmarshal([]byte(text), &signed))
	block, _ := pem.Decode([]byte(signed.Result.Certificate))
	require.NotNil(t, block, text)
	cert, err := policy.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	aki := cert.AuthorityKeyID
	_, text = call(t, s.client(t, own), "POST", s.secure+cfsslPath+"authrevoke", sealed(t, cfsslKey, map[string]string{
		"serial": new(big.Int).SetBytes(cert.Serial[:]).String(), "authority_key_id": hex.EncodeToString(aki[:]), "reason": "superseded"}))
	require.Contains(t, text, "the registration authority revokes")
}
