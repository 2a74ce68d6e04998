package console

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"

	"smki.example/ca"
	"smki.example/ca/ra"
)

// ByCertificate knows an officer by the client certificate of the connection, for
// Config.Officer. The listener must ask for one and verify it against the IKI
// authority's certificate alone (tls.VerifyClientCertIfGiven with ClientCAs): a
// certificate that was not verified is refused here. The Registry is asked with every
// request, so that a withdrawn or revoked officer is cut off on an open connection too.
func ByCertificate(registry *ra.Registry) func(*http.Request) (ra.Officer, error) {
	return func(r *http.Request) (ra.Officer, error) {
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(r.TLS.PeerCertificates) == 0 {
			return ra.Officer{}, &ca.Refusal{Rule: "credential", Err: errors.New("the connection has no client certificate that was verified")}
		}
		return registry.Authenticate(r.Context(), r.TLS.PeerCertificates[0].Raw)
	}
}

// A visit is one request of an officer.
type visit struct {
	*http.Request
	officer ra.Officer
	token   string // for the forms of the page
	// Of a form that was refused and is shown again:
	problem *problem
	form    string     // which
	posted  url.Values // what was typed
}

// by is the officer as the Registry wants him.
func (v *visit) by() ra.OfficerID { return v.officer.ID }

// own is the party whose business alone the officer may see; empty: everybody's.
func (c *Console) own(v *visit) ra.PartyID {
	if c.partys(v) {
		return v.officer.Party
	}
	return ""
}

// partys tells whether the officer is a party's.
func (c *Console) partys(v *visit) bool {
	return c.table.Roles[v.officer.Role].Side != ra.SideRA
}

// sees refuses a party's officer what is not his party's.
func (c *Console) sees(v *visit, party ra.PartyID) error {
	if c.partys(v) && (v.officer.Party == "" || party != v.officer.Party) {
		return &ca.Refusal{Rule: "scope", Err: errors.New("officers of a party see their own party's business only")}
	}
	return nil
}

// token is what the forms of an officer's pages carry: only who has the page key can
// make it, and it is of no use with another client certificate or under another
// office.
func (c *Console) token(certificate []byte, officer ra.OfficerID) string {
	sum := sha256.Sum256(certificate)
	h := hmac.New(sha256.New, c.key)
	h.Write([]byte("smki console form v1\x00"))
	h.Write(sum[:])
	h.Write([]byte(officer))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// genuine refuses a form that no page of ours has sent. Each of the two checks is
// enough by itself; a browser passes both.
func genuine(r *http.Request, token string) error {
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	switch {
	case site == "" && origin == "":
		return errors.New("the browser does not say which page the form comes from")
	case site != "" && site != "same-origin":
		return errors.New("the form comes from another site")
	case origin != "" && origin != "https://"+r.Host:
		return errors.New("the form comes from another site")
	case !hmac.Equal([]byte(r.PostForm.Get("token")), []byte(token)):
		return errors.New("the form is from before the service was started, or was made for another certificate")
	}
	return nil
}
