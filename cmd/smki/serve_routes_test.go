package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca/iki"
	"smki.example/ca/ra"
	"smki.example/ca/smkiws"
	"smki.example/ca/store"
	"smki.example/cmd/clikit"
	"smki.example/policy"
)

// A door of the secure side: which interfaces open it, which role goes in, and what who
// goes in is answered. Role "" is anybody whom the interface lets in.
type route struct {
	method, path, body string
	interfaces         []iki.Interface
	role               ra.Role
	want               int
}

const (
	anyone = ra.Role("")
	nobody = ra.Role("nobody")
)

// secureTable is every route of the secure side.
func secureTable(t *testing.T) []route {
	adHocs, batched, portal, desk := []iki.Interface{iki.AdHoc}, []iki.Interface{iki.Batched}, []iki.Interface{iki.PortalDevice}, []iki.Interface{iki.Console, iki.PortalOrganisation}
	return []route{
		{"POST", smkiws.DefaultAdHocPath, adHoc(deviceRequest(t, nextEntity())), adHocs, ra.System, 200},
		{"GET", smkiws.DefaultAdHocPath, "", adHocs, anyone, 405},
		{"POST", smkiws.SubmitPath, batchXML(t, 1), batched, ra.System, 200},
		{"GET", smkiws.ResultPath + "?BatchId=99", "", batched, ra.System, 200},
		{"DELETE", smkiws.ResultPath + "?BatchId=99", "", batched, anyone, 405},
		{"GET", smkiws.AdHocSchemaPath, "", iki.Interfaces(), anyone, 200},
		{"GET", smkiws.BatchSchemaPath, "", iki.Interfaces(), anyone, 200},
		{"GET", "/portal/", "", portal, ra.ARO, 200},
		{"GET", "/portal/portal.css", "", portal, anyone, 200},
		{"GET", "/portal/batches/99", "", portal, ra.ARO, 404},
		{"GET", "/portal/nothing", "", portal, ra.ARO, 404},
		{"POST", "/portal/request", "csr=none", portal, ra.ARO, 422},
		{"POST", "/portal/upload", "none", portal, ra.ARO, 422},
		{"POST", smkiws.PortalPath + "?name=a.zip", "x", portal, ra.ARO, 415},
		{"GET", smkiws.PortalPath + "/99", "", portal, ra.ARO, 404},
		{"GET", smkiws.PortalPath + "/99/report.txt", "", portal, ra.ARO, 404},
		{"GET", smkiws.PortalPath + "/99/certificates.zip", "", portal, ra.ARO, 404},
		{"GET", smkiws.PortalPath + "/99/response.zip", "", portal, ra.ARO, 404},
		{"GET", "/ra/", "", desk, ra.ARO, 200},
		{"GET", "/ra/approvals", "", desk, ra.RAManager, 200},
		{"GET", "/ra/parties", "", desk, ra.RAManager, 200},
		{"POST", "/ra/act/enrol-party", "party=x", desk, nobody, 0},
		{"POST", cfsslPath + "info", `{"label": "issuing-dca"}`, adHocs, ra.System, 200},
		{"POST", cfsslPath + "authsign", sealed(t, "ff0102030405060708090a0b0c0d0e0f", map[string]string{}), adHocs, ra.System, 401},
		{"POST", cfsslPath + "authrevoke", sealed(t, "ff0102030405060708090a0b0c0d0e0f", map[string]string{}), adHocs, ra.System, 401},
		{"POST", cfsslPath + "sign", `{}`, adHocs, ra.System, 401},
		{"POST", cfsslPath + "init_ca", `{}`, adHocs, ra.System, 404},
		{"GET", "/", "", iki.Interfaces(), anyone, 303},
		{"GET", "/metrics", "", iki.Interfaces(), anyone, 404},
		{"GET", "/services/certificatesearch", "", iki.Interfaces(), anyone, 404},
		{"GET", "/nothing", "", iki.Interfaces(), anyone, 404},
		{"GET", "/ra/../portal/", "", iki.Interfaces(), anyone, 307},
	}
}

func (s *site) knock(c *http.Client, r route) (int, string, error) {
	request, err := http.NewRequest(r.method, s.secure+r.path, strings.NewReader(r.body))
	if err != nil {
		return 0, "", err
	}
	switch {
	case r.path == "/portal/request":
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	case strings.HasPrefix(r.body, "<?xml"):
		request.Header.Set("Content-Type", "application/xml")
	}
	answer, err := c.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(b), err
}

// Every route of the secure side, with every certificate: none, another CA's, expired,
// revoked, for each interface; of every role, right and wrong; of nobody in the register.
func TestEveryRoute(t *testing.T) {
	t.Parallel()
	home, a := newAuthority(t)
	cfsslHome(t, home, "supplier-a/adhoc-a", cfsslKey)
	a.supplier(t)
	holderOf := func(name string, i iki.Interface) *holder {
		return newHolder(t, home, "Exercise Supplier A", name, policy.RoleSupplier, i)
	}
	type knocker struct {
		holder *holder
		i      iki.Interface
		role   ra.Role // as the register has it; nobody: it has not
	}
	knockers := map[string]knocker{}
	for name, row := range map[string]struct {
		i    iki.Interface
		role ra.Role
	}{
		"adhoc-a":   {iki.AdHoc, ra.System},
		"batched-a": {iki.Batched, ra.System},
		"lost-a":    {iki.PortalDevice, ra.System},
		"desk-a":    {iki.Console, ra.System},
	} {
		a.system(t, ra.OfficerID(name))
		h := holderOf(name, row.i)
		a.known(t, ra.OfficerID(name), h)
		knockers["system "+name] = knocker{h, row.i, row.role}
	}
	for _, i := range iki.Interfaces() {
		h := holderOf("aro-"+i.String(), i)
		a.known(t, "aro-a", h)
		knockers["ARO for "+i.String()] = knocker{h, i, ra.ARO}
		knockers["nobody for "+i.String()] = knocker{holderOf("stranger-"+i.String(), i), i, nobody}
	}
	knockers["manager"] = knocker{a.managers[0], iki.Console, ra.RAManager}
	manager := newHolder(t, home, "EXERCISE SMKI", "manager-at-portal", policy.RoleOther, iki.PortalDevice)
	a.known(t, "manager-1", manager)
	knockers["manager at the portal"] = knocker{manager, iki.PortalDevice, ra.RAManager}

	revoked := holderOf("revoked", iki.AdHoc)
	code, _, errs := smki(t, "revoke", "--home", home, "--serial", revoked.serial.String(), "--reason", "keyCompromise")
	require.Equal(t, clikit.Done, code, errs)
	expired := expiredClient(t, home)
	other := newHome(t)
	foreign := newHolder(t, other, "Exercise Supplier A", "adhoc-a", policy.RoleSupplier, iki.AdHoc)

	s := serveHome(t, home)
	table := secureTable(t)
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for name, h := range map[string]*holder{"no certificate": nil, "another CA's": foreign, "revoked": revoked, "expired": expired} {
		for _, tls13 := range []bool{false, true} {
			c := s.client(t, h)
			config := c.Transport.(*http.Transport).TLSClientConfig
			if h != nil { // Go's client leaves out a certificate whose issuer the server does not name
				config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &h.certificate, nil }
			}
			if tls13 {
				config.MinVersion = tls.VersionTLS13
			}
			for _, r := range table {
				_, _, err := s.knock(c, r)
				require.Error(t, err, "%s at %s %s", name, r.method, r.path)
			}
		}
	}
	for name, k := range knockers {
		c := s.client(t, k.holder)
		c.CheckRedirect = stay
		for _, r := range table {
			status, text, err := s.knock(c, r)
			require.NoError(t, err, "%s at %s %s", name, r.method, r.path)
			opened := false
			for _, i := range r.interfaces {
				opened = opened || i == k.i
			}
			says := "%s at %s %s: %s"
			switch {
			case !opened:
				require.Equal(t, http.StatusForbidden, status, says, name, r.method, r.path, text)
				require.Contains(t, text, "for another interface", says, name, r.method, r.path, text)
			case r.role == nobody: // the console's own table says what each office may: here only that nothing is done
				require.GreaterOrEqual(t, status, 400, says, name, r.method, r.path, text)
				require.Less(t, status, 500, says, name, r.method, r.path, text)
			case r.role == anyone:
				require.Equal(t, r.want, status, says, name, r.method, r.path, text)
			case strings.HasPrefix(r.path, "/ra/"):
				// What each office sees is the console's own table, and tested there.
				if k.role == nobody {
					require.Equal(t, http.StatusForbidden, status, says, name, r.method, r.path, text)
				} else {
					require.Contains(t, []int{http.StatusOK, http.StatusForbidden}, status, says, name, r.method, r.path, text)
				}
				if k.role == r.role {
					require.Equal(t, r.want, status, says, name, r.method, r.path, text)
				}
			case k.role != r.role:
				require.Equal(t, http.StatusForbidden, status, says, name, r.method, r.path, text)
			default:
				require.Equal(t, r.want, status, says, name, r.method, r.path, text)
			}
		}
	}
	// What is behind the gate is not beside it.
	for _, r := range table {
		if r.path == "/metrics" || strings.HasPrefix(r.path, "/services/") {
			continue
		}
		request, err := http.NewRequest(r.method, s.public+r.path, strings.NewReader(r.body))
		require.NoError(t, err)
		answer, err := (&http.Client{CheckRedirect: stay}).Do(request)
		require.NoError(t, err)
		answer.Body.Close()
		require.Contains(t, []int{http.StatusNotFound, http.StatusTemporaryRedirect, http.StatusMovedPermanently}, answer.StatusCode, "%s %s on the public side", r.method, r.path)
	}
	// A certificate that is taken from its officer opens nothing that needs one.
	_, err := a.registry.Do(t.Context(), "sro-a", ra.WithdrawCredential{Serial: knockers["system adhoc-a"].holder.serial, Why: "lost"})
	require.NoError(t, err)
	status, _, err := s.knock(s.client(t, knockers["system adhoc-a"].holder), table[0])
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, status)
	batches := 0
	require.NoError(t, a.store.Read(t.Context(), func(tx store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM smkiws_batch`).Scan(&batches)
	}))
	require.Equal(t, 1, batches, "of all who knocked one has left a batch")
}

// expiredClient is a certificate that the IKI authority's key has signed, and that has
// expired: what this CA issued years ago.
func expiredClient(t *testing.T, home string) *holder {
	t.Helper()
	d, err := openCA(t.Context(), home, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close(t.Context())) }()
	parent, err := x509.ParseCertificate(d.iki.Certificate())
	require.NoError(t, err)
	token, err := d.token.Key(t.Context(), d.home.IKI.label())
	require.NoError(t, err)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(77), Subject: pkix.Name{Organization: []string{"Exercise Supplier A"}, OrganizationalUnit: []string{"02"}, CommonName: "old"},
		NotBefore: time.Now().AddDate(-2, 0, 0), NotAfter: time.Now().AddDate(0, 0, -1), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, parent, key.Public(), token.Signer(t.Context()))
	require.NoError(t, err)
	return &holder{certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}
}
