package cfsslapi_test

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/cloudflare/cfssl/api/client"
	"github.com/cloudflare/cfssl/auth"
	"github.com/cloudflare/cfssl/config"
	"github.com/cloudflare/cfssl/info"
	"github.com/cloudflare/cfssl/log"
	"github.com/cloudflare/cfssl/signer"
	"github.com/cloudflare/cfssl/signer/remote"
	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/cfsslapi"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

// one is a configuration with one client, "meter maker".
func one(file string) func(*cfsslapi.Config) {
	return func(c *cfsslapi.Config) { c.Clients = []cfsslapi.Client{{Name: "meter maker", KeyFile: file}} }
}

// cfssl's own client signs and revokes, without a change but its address and key.
func TestClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	file, provider := keyFile(t, 1)
	url := serve(t, w.face(t, one(file)))
	cfssl := client.NewAuthServer(url, nil, provider)

	for name, row := range map[string]struct {
		request string
		profile string
		want    policy.ProfileName
		issuer  policytest.Authority
	}{
		"device":                    {device(t, 1), "device", policy.ProfileDevice, w.hierarchy.IssuingDCA},
		"device by form":            {device(t, 2), "", policy.ProfileDevice, w.hierarchy.IssuingDCA},
		"organisation":              {organisation(t, 3), "organisation", policy.ProfileOrganisation, w.hierarchy.IssuingOCA},
		"organisation by form":      {organisation(t, 4), "", policy.ProfileOrganisation, w.hierarchy.IssuingOCA},
		"organisation, empty hosts": {organisation(t, 5), "organisation", policy.ProfileOrganisation, w.hierarchy.IssuingOCA},
	} {
		t.Run(name, func(t *testing.T) {
			request := signer.SignRequest{Request: row.request, Profile: row.profile}
			if strings.HasSuffix(name, "empty hosts") {
				request.Hosts, request.Subject = []string{}, &signer.Subject{}
			}
			b, err := json.Marshal(request)
			require.NoError(t, err)
			text, err := cfssl.Sign(b)
			require.NoError(t, err)
			cert := parse(t, text)
			require.Equal(t, row.want, cert.Kind())
			require.NoError(t, policy.VerifyTBS(&row.issuer.Key.PublicKey, cert.RawTBS, cert.Signature))
			recorded, err := w.issuer.BySerial(t.Context(), cert.Serial)
			require.NoError(t, err)
			require.Equal(t, "meter maker", recorded.Requester)
			require.Equal(t, cert.Raw, recorded.DER)
			if row.want == policy.ProfileOrganisation {
				_, err := x509.ParseCertificate(cert.Raw)
				require.Error(t, err, "if crypto/x509 reads such a certificate one day, this package's comments are out of date")
			} else {
				require.False(t, cert.DeviceID.IsZero(), "the device's identity came from its own request")
			}

			revoke := client.NewServer(url)
			revoke.SetReqModifier(cfsslapi.Authenticated("authrevoke", provider))
			for _, reason := range []string{"keyCompromise", "superseded"} {
				_, err = revoke.Info(body(t, map[string]any{"serial": decimal(cert.Serial), "authority_key_id": keyID(cert.AuthorityKeyID), "reason": reason}))
				require.NoError(t, err, "revoking twice is no error")
			}
			v, err := w.register.Find(t.Context(), cert.Serial)
			require.NoError(t, err)
			require.Equal(t, policy.ReasonKeyCompromise, v.Reason, "the first reason stands")
			require.Equal(t, "meter maker", v.By)

			_, err = cfssl.Sign(b)
			require.ErrorContains(t, err, "refused: key-reuse", "a recorded request that is sent again signs nothing")
		})
	}
	require.Equal(t, log.LevelFatal, log.Level, "cfssl says no line for every request")
}

// cfssl's signer that forwards to another signs through this CA, so that cfssl
// serve and cfssl sign -remote do.
func TestRemoteSigner(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	file, _ := keyFile(t, 1)
	digits, err := os.ReadFile(file)
	require.NoError(t, err)
	forward := map[string]any{"auth_remote": map[string]any{"remote": "ca", "auth_key": "ours"}}
	cfg, err := config.LoadConfig(body(t, map[string]any{
		"signing":   map[string]any{"default": forward, "profiles": map[string]any{"device": forward, "organisation": forward}},
		"auth_keys": map[string]any{"ours": map[string]any{"type": "standard", "key": strings.TrimSpace(string(digits))}},
		"remotes":   map[string]any{"ca": serve(t, w.face(t, one(file)))},
	}))
	require.NoError(t, err)
	s, err := remote.NewSigner(cfg.Signing)
	require.NoError(t, err)

	text, err := s.Sign(signer.SignRequest{Request: device(t, 1), Profile: "device", Label: "issuing-dca"})
	require.NoError(t, err)
	require.Equal(t, policy.ProfileDevice, parse(t, text).Kind())

	_, err = s.Sign(signer.SignRequest{Request: device(t, 2), Profile: "device",
		Extensions: []signer.Extension{{ID: config.OID{2, 5, 29, 17}, Value: "0500"}}})
	require.ErrorContains(t, err, "the request sets extensions", "cfssl's handler alone would sign without them")

	got, err := s.Info(info.Req{Profile: "device"})
	require.NoError(t, err)
	require.Equal(t, string(w.hierarchy.IssuingDCA.Certificate.PEM()), got.Certificate)
	require.Equal(t, []string{"digital signature", "key agreement"}, got.Usage)
	require.Empty(t, got.ExpiryString, "a device certificate has no end")

	got, err = s.Info(info.Req{Label: "issuing-oca-1"})
	require.NoError(t, err)
	require.Equal(t, string(w.hierarchy.IssuingOCA.Certificate.PEM()), got.Certificate)
	require.NotEmpty(t, got.ExpiryString)
	require.Len(t, w.ledger(t), 1)
}

// Nothing is signed or revoked for somebody who is not known.
func TestAuthentication(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	file, provider := keyFile(t, 1)
	_, stranger := keyFile(t, 2)
	url := serve(t, w.face(t, one(file))) + "/api/v1/cfssl/"
	sign := body(t, map[string]any{"certificate_request": device(t, 1)})
	c := w.issue(t, "somebody", deviceDER(t, policytest.NewKey(t), 2))
	cert, err := c.Parse()
	require.NoError(t, err)
	revoke := body(t, map[string]any{"serial": decimal(c.Serial), "authority_key_id": keyID(cert.AuthorityKeyID), "reason": "superseded"})
	altered := envelope(t, provider, sign)
	var a auth.AuthenticatedRequest
	require.NoError(t, json.Unmarshal(altered, &a))
	a.Request = body(t, map[string]any{"certificate_request": device(t, 3)})
	altered, err = json.Marshal(a)
	require.NoError(t, err)

	for name, row := range map[string]struct {
		route  string
		body   []byte
		status int
		says   string
	}{
		"sign, no key":           {"sign", sign, 401, "authentication required: use authsign"},
		"revoke, no key":         {"revoke", revoke, 401, "authentication required: use authrevoke"},
		"sign, strange key":      {"authsign", envelope(t, stranger, sign), 401, "invalid token"},
		"revoke, strange key":    {"authrevoke", envelope(t, stranger, revoke), 401, "invalid token"},
		"sign, altered":          {"authsign", altered, 401, "invalid token"},
		"sign, no token":         {"authsign", body(t, map[string]any{"request": sign}), 401, "invalid token"},
		"sign, no envelope":      {"authsign", sign, 401, "invalid token"},
		"sign, no JSON":          {"authsign", []byte("x"), 400, "not an authenticated request"},
		"sign, null":             {"authsign", []byte("null"), 401, "invalid token"},
		"another's certificate":  {"authrevoke", envelope(t, provider, revoke), 400, `was not issued to "meter maker"`},
		"a signing as revoking":  {"authrevoke", envelope(t, provider, sign), 400, "unknown field"},
		"a revoking as signing":  {"authsign", envelope(t, provider, revoke), 400, "reading the request"},
		"a token in clear route": {"sign", envelope(t, provider, sign), 401, "authentication required"},
	} {
		t.Run(name, func(t *testing.T) {
			got := send(t, http.MethodPost, url+row.route, row.body)
			require.Equal(t, row.status, got.Status)
			require.Contains(t, got.message(t), row.says)
		})
	}
	require.Len(t, w.ledger(t), 1)
	_, err = w.register.Find(t.Context(), c.Serial)
	require.ErrorIs(t, err, ca.ErrNotFound)
}

// Without clients only info is answered.
func TestNobodyMay(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	_, provider := keyFile(t, 1)
	url := serve(t, w.face(t, nil)) + "/api/v1/cfssl/"
	require.Equal(t, 401, send(t, http.MethodPost, url+"authsign", envelope(t, provider, body(t, map[string]any{"certificate_request": device(t, 1)}))).Status)
	require.Equal(t, 401, send(t, http.MethodPost, url+"sign", body(t, map[string]any{"certificate_request": device(t, 1)})).Status)
	require.True(t, send(t, http.MethodPost, url+"info", body(t, map[string]any{"label": "issuing-dca"})).Success)
	require.Empty(t, w.ledger(t))
}

func TestUnauthenticated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	file, provider := keyFile(t, 1)
	url := serve(t, w.face(t, func(c *cfsslapi.Config) {
		one(file)(c)
		c.Unauthenticated = "anybody"
	}))
	text, err := client.NewServer(url).Sign(body(t, map[string]any{"certificate_request": device(t, 1)}))
	require.NoError(t, err)
	open := parse(t, text)
	text, err = client.NewAuthServer(url, nil, provider).Sign(body(t, map[string]any{"certificate_request": device(t, 2)}))
	require.NoError(t, err)
	keyed := parse(t, text)
	ledger := w.ledger(t)
	require.Equal(t, []string{"anybody", "meter maker"}, []string{ledger[0].Requester, ledger[1].Requester})

	revoke := func(c *policy.Certificate) answer {
		return send(t, http.MethodPost, url+"/api/v1/cfssl/revoke", body(t, map[string]any{"serial": decimal(c.Serial), "authority_key_id": keyID(c.AuthorityKeyID), "reason": "superseded"}))
	}
	require.True(t, revoke(open).Success)
	require.Contains(t, revoke(keyed).message(t), `was not issued to "anybody"`)

	_, err = cfsslapi.New(cfsslapi.Config{CA: newWorld(t, "production").issuer, Revocations: w.register, Unauthenticated: "anybody"})
	require.ErrorContains(t, err, `environment "production" knows whom it issues to`)
}

// A client that is allowed to revokes what others were issued; its old key works
// while it has one.
func TestRevokeAny(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	file, _ := keyFile(t, 1)
	old, provider := keyFile(t, 2)
	url := serve(t, w.face(t, func(c *cfsslapi.Config) {
		c.Clients = []cfsslapi.Client{{Name: "operator", KeyFile: file, PreviousKeyFile: old, RevokeAny: true}}
	}))
	cert, err := w.issue(t, "somebody", deviceDER(t, policytest.NewKey(t), 1)).Parse()
	require.NoError(t, err)
	got := send(t, http.MethodPost, url+"/api/v1/cfssl/authrevoke", envelope(t, provider,
		body(t, map[string]any{"serial": decimal(cert.Serial), "authority_key_id": strings.ToUpper(keyID(cert.AuthorityKeyID)), "reason": "cessationOfOperation"})))
	require.True(t, got.Success, "%v", got.Errors)
	v, err := w.register.Find(t.Context(), cert.Serial)
	require.NoError(t, err)
	require.Equal(t, policy.ReasonCessationOfOperation, v.Reason)
	require.Equal(t, "operator", v.By)
}

// What is refused comes out in cfssl's form, with our line, and signs nothing.
func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	file, provider := keyFile(t, 1)
	url := serve(t, w.face(t, one(file))) + "/api/v1/cfssl/"
	csr := device(t, 1)
	with := func(more map[string]any) []byte {
		fields := map[string]any{"certificate_request": csr}
		for k, v := range more {
			fields[k] = v
		}
		return body(t, fields)
	}
	forged := deviceDER(t, policytest.NewKey(t), 2)
	forged[len(forged)-1] ^= 1
	for name, row := range map[string]struct {
		route string
		body  []byte
		code  int
		says  string
	}{
		"unknown profile":       {"authsign", with(map[string]any{"profile": "server"}), 5400, `unknown profile "server"; this CA has "device" and "organisation"`},
		"default by name":       {"authsign", with(map[string]any{"profile": "default"}), 5400, "unknown profile"},
		"an authority's":        {"authsign", with(map[string]any{"profile": "issuing-oca"}), 5400, "unknown profile"},
		"other profile":         {"authsign", with(map[string]any{"profile": "organisation"}), 5300, `refused: request-type: a certificate of type "organisation" is asked for`},
		"unknown label":         {"authsign", with(map[string]any{"label": "primary"}), 5300, "unknown label"},
		"label of a root":       {"authsign", with(map[string]any{"label": "root-oca"}), 5300, "issues nothing on request"},
		"label of other":        {"authsign", with(map[string]any{"label": "issuing-oca"}), 5300, "request-type"},
		"label against profile": {"authsign", with(map[string]any{"label": "issuing-oca", "profile": "device"}), 5300, "is asked for"},
		"hosts":                 {"authsign", with(map[string]any{"hosts": []string{"meter.example"}}), 5300, "refused: override: the request sets hosts"},
		"hostname":              {"authsign", with(map[string]any{"hostname": "meter.example"}), 5300, "sets hosts"},
		"subject":               {"authsign", with(map[string]any{"subject": map[string]any{"CN": "x"}}), 5300, "sets subject"},
		"subject's serial":      {"authsign", with(map[string]any{"subject": map[string]any{"SerialNumber": "x"}}), 5300, "sets subject"},
		"serial":                {"authsign", with(map[string]any{"serial": 7}), 5300, "sets serial"},
		"extensions":            {"authsign", with(map[string]any{"extensions": []any{map[string]any{"id": "2.5.29.17", "value": "0500"}}}), 5300, "sets extensions"},
		"validity":              {"authsign", with(map[string]any{"NotBefore": "2026-01-01T00:00:00Z", "NotAfter": "2027-01-01T00:00:00Z"}), 5300, "sets NotBefore, NotAfter"},
		"crl":                   {"authsign", with(map[string]any{"crl_override": "http://x"}), 5300, "sets crl_override"},
		"metadata":              {"authsign", with(map[string]any{"metadata": map[string]any{"a": 1}}), 5300, "sets metadata"},
		"precertificate":        {"authsign", with(map[string]any{"ReturnPrecert": true}), 5300, "sets ReturnPrecert"},
		"bundle":                {"authsign", with(map[string]any{"bundle": true}), 5300, "sets bundle"},
		"unheard of":            {"authsign", with(map[string]any{"usages": []string{"any"}}), 400, `unknown field "usages"`},
		"twice":                 {"authsign", append(with(nil), with(nil)...), 400, "something follows"},
		"no request":            {"authsign", body(t, map[string]any{"profile": "device"}), 400, "missing parameter 'certificate_request'"},
		"no PEM":                {"authsign", body(t, map[string]any{"certificate_request": "hello?"}), 9002, "certificate_request"},
		"not its key":           {"authsign", body(t, map[string]any{"certificate_request": asPEM(forged)}), 5300, "refused: "},
		"info, nothing":         {"info", []byte("{}"), 5300, "name one by label"},
		"info, profile":         {"info", body(t, map[string]any{"profile": "server"}), 5400, "unknown profile"},
		"info, label":           {"info", body(t, map[string]any{"label": "primary"}), 5300, "unknown label"},
		"info, both":            {"info", body(t, map[string]any{"label": "root-oca", "profile": "device"}), 5300, "issues nothing"},
		"info, no JSON":         {"info", []byte("x"), 400, "invalid character"},
		"revoke, no serial":     {"authrevoke", body(t, map[string]any{"reason": "superseded"}), 400, "serial number is required"},
		"revoke, hex":           {"authrevoke", body(t, map[string]any{"serial": "00AF", "reason": "superseded"}), 5300, "in decimal"},
		"revoke, unknown":       {"authrevoke", body(t, map[string]any{"serial": "7", "reason": "superseded"}), 11200, "not found"},
		"revoke, reason":        {"authrevoke", body(t, map[string]any{"serial": "7", "reason": "boredom"}), 400, "Invalid reason code"},
		"revoke, at":            {"authrevoke", body(t, map[string]any{"serial": "7", "reason": "superseded", "at": "then"}), 400, "unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			b := row.body
			if row.route != "info" {
				b = envelope(t, provider, b)
			}
			got := send(t, http.MethodPost, url+row.route, b)
			require.Equal(t, 400, got.Status)
			require.Contains(t, got.message(t), row.says)
			require.Equal(t, row.code, got.Errors[0].Code)
		})
	}
	require.Empty(t, w.ledger(t))
	require.True(t, send(t, http.MethodPost, url+"authsign", envelope(t, provider, with(nil))).Success, "and the same request without any of it is signed")
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise")
	file, provider := keyFile(t, 1)
	url := serve(t, w.face(t, one(file))) + "/api/v1/cfssl/"
	for _, route := range []string{"", "bundle", "newcert", "certinfo", "scan", "crl", "ocspsign", "init_ca", "authinfo", "authsign/"} {
		got := send(t, http.MethodPost, url+route, []byte("{}"))
		require.Equal(t, 404, got.Status, route)
		require.Contains(t, got.message(t), "is not among what this CA offers")
	}
	for _, route := range []string{"authsign", "authrevoke", "sign", "revoke", "info"} {
		got := send(t, http.MethodGet, url+route, nil)
		require.Equal(t, 405, got.Status, route)
	}
	got := send(t, http.MethodPost, url+"authsign", envelope(t, provider, []byte(strings.Repeat(" ", 64<<10))))
	require.Equal(t, 413, got.Status)
	require.Contains(t, got.message(t), "larger than")
}

// What is not the caller's doing is logged with its cause, and told without it.
func TestOutage(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		arm  func(w *world)
		says string
		left int // certificates in the ledger
	}{
		"the intent is not written": {func(w *world) { w.faults.FailBeforeCommit(0, injected) }, "signing: the CA is unavailable; try again later (reference ", 0},
		"the record is not written": {func(w *world) { w.faults.FailBeforeCommit(1, injected) }, "a signature may have been made under serial ", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "exercise")
			file, provider := keyFile(t, 1)
			url := serve(t, w.face(t, one(file))) + "/api/v1/cfssl/authsign"
			b := envelope(t, provider, body(t, map[string]any{"certificate_request": device(t, 1)}))
			row.arm(w)
			got := send(t, http.MethodPost, url, b)
			require.Equal(t, 503, got.Status)
			message := got.message(t)
			require.Contains(t, message, row.says)
			require.NotContains(t, message, errInjected.Error())
			_, reference, _ := strings.Cut(message, "(reference ")
			require.Contains(t, w.logged(), "reference="+strings.TrimSuffix(reference, ")"))
			require.Contains(t, w.logged(), errInjected.Error())
			require.Len(t, w.ledger(t), row.left)
			require.True(t, send(t, http.MethodPost, url, b).Success, "the same request may be sent again")
		})
	}
}

var errInjected = errors.New("injected fault with details of the disk")

func injected() error { return errInjected }
