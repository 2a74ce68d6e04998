package cfsslapi

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cloudflare/cfssl/auth"
	"github.com/cloudflare/cfssl/certdb"
	"github.com/cloudflare/cfssl/config"
	cferr "github.com/cloudflare/cfssl/errors"
	"github.com/cloudflare/cfssl/info"
	"github.com/cloudflare/cfssl/signer"

	"smki.example/ca"
	"smki.example/policy"
)

// A Signer is the CA as cfssl's signer.Signer, for one requester. All methods may
// be called concurrently.
//
// The policy it shows is package policy's and is shown only: what is signed does
// not depend on it. Two methods of the interface hand the signer something to use
// and cannot say no, [Signer.SetPolicy] and [Signer.SetDBAccessor]. A caller who
// has used one believes that it holds; every Sign after it is refused.
type Signer struct {
	face      *Face
	ctx       context.Context // the interface has no other place for it
	requester string
	provider  auth.Provider // nil: cfssl's handlers ask for no token
	misused   atomic.Pointer[string]
}

var _ signer.Signer = (*Signer)(nil)

// Signer returns a signer for a requester, whose operations end with ctx. It asks
// nobody who they are: the requester is the caller's word. cfssl's HTTP handlers
// over it refuse every request; those of [Face.Handler] do not.
func (f *Face) Signer(ctx context.Context, requester string) *Signer {
	return &Signer{face: f, ctx: ctx, requester: requester, provider: nobody{}}
}

// Sign issues a certificate for the PKCS#10 request, in PEM or in base64, and
// returns it in PEM once it is in the ledger. What it promises on failure is what
// [ca.Issuer.Issue] does; the error is one of cfssl's, *errors.Error for a refusal
// and *errors.HTTPError otherwise, with one line.
func (s *Signer) Sign(r signer.SignRequest) ([]byte, error) {
	if misuse := s.misused.Load(); misuse != nil {
		return nil, invalid(errors.New(*misuse))
	}
	profile, err := s.face.choose(r.Profile, r.Label)
	if err != nil {
		return nil, err
	}
	if err := refuseOverrides(r); err != nil {
		return nil, err
	}
	der, err := policy.DecodePEMOrBase64([]byte(r.Request), "certificate_request")
	if err != nil {
		return nil, cferr.Wrap(cferr.CSRError, cferr.DecodeFailed, oneLine(err))
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.face.timeout)
	defer cancel()
	c, err := s.face.ca.Issue(ctx, ca.Request{DER: der, Requester: s.requester, Type: profile})
	if err != nil {
		return nil, s.face.answer("signing", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.DER}), nil
}

// choose maps profile and label to the profile of ours. Both may be empty: then the
// request's form decides. A name that is not ours is never taken for the default.
func (f *Face) choose(profile, label string) (policy.ProfileName, error) {
	name := policy.ProfileName(profile)
	if profile != "" && !slices.Contains(subscriberProfiles, name) {
		return "", cferr.Wrap(cferr.PolicyError, cferr.UnknownProfile,
			fmt.Errorf("unknown profile %q; this CA has %q and %q", profile, policy.ProfileDevice, policy.ProfileOrganisation))
	}
	if label == "" {
		return name, nil
	}
	a, served, err := f.labelled(label)
	if err != nil {
		return "", err
	}
	if served == "" {
		return "", invalid(fmt.Errorf("label %q names an authority that issues nothing on request", label))
	}
	if issues, err := f.ca.Authority(a.Name); err != nil || issues.ID() != a.ID() {
		return "", invalid(fmt.Errorf("label %q names a generation that does not issue any more; use label %q", label, a.Name))
	}
	if name != "" && name != served {
		return "", invalid(fmt.Errorf("label %q names the issuer of profile %q, and profile %q is asked for", label, served, name))
	}
	return served, nil
}

// labelled finds the authority that a label names and the profile that it issues on
// request, which may be none.
func (f *Face) labelled(label string) (*ca.Authority, policy.ProfileName, error) {
	a, err := f.ca.Authority(label)
	if err != nil {
		return nil, "", invalid(fmt.Errorf("unknown label %q; a label is the name of an authority, as %q", label, policy.ProfileIssuingDCA))
	}
	for _, p := range subscriberProfiles {
		if p.Issuer() == a.Profile() {
			return a, p, nil
		}
	}
	return a, "", nil
}

// Info returns the certificate of the authority that the label names, or that
// issues the profile, with the profile's usages and validity. An empty expiry means
// that certificates of the profile have no end (99991231235959Z). Label and profile
// may both be empty only where one authority issues on request.
func (s *Signer) Info(r info.Req) (*info.Resp, error) {
	profile, a, err := s.face.informs(r)
	if err != nil {
		return nil, err
	}
	resp := &info.Resp{Certificate: string(a.Certificate.PEM()), Usage: []string{}}
	if profile != "" {
		p, err := s.face.signingProfile(profile)
		if err != nil {
			return nil, s.face.answer("describing a profile", err)
		}
		resp.Usage, resp.ExpiryString = p.Usage, p.ExpiryString
	}
	return resp, nil
}

func (f *Face) informs(r info.Req) (policy.ProfileName, *ca.Authority, error) {
	if r.Label != "" {
		a, served, err := f.labelled(r.Label)
		if err == nil && r.Profile != "" {
			// The profile must be one of ours, and this authority's.
			_, err = f.choose(r.Profile, r.Label)
		}
		return served, a, err
	}
	profile, err := f.choose(r.Profile, "")
	if err != nil {
		return "", nil, err
	}
	if profile != "" {
		a, err := f.ca.Authority(string(profile.Issuer()))
		if err != nil {
			return "", nil, f.answer("finding the issuer", err)
		}
		return profile, a, nil
	}
	var issuers []*ca.Authority
	for _, p := range subscriberProfiles {
		if a, err := f.ca.Authority(string(p.Issuer())); err == nil {
			issuers, profile = append(issuers, a), p
		}
	}
	if len(issuers) != 1 {
		return "", nil, invalid(fmt.Errorf("this CA has more than one issuer or none; name one by label (%q, %q) or by profile (%q, %q)",
			policy.ProfileIssuingDCA, policy.ProfileIssuingOCA, policy.ProfileDevice, policy.ProfileOrganisation))
	}
	return profile, issuers[0], nil
}

// Policy returns the profiles as cfssl writes them, with the same provider for
// each. Every call returns a new one, so that changing it changes nothing.
func (s *Signer) Policy() *config.Signing {
	profiles := map[string]*config.SigningProfile{}
	for _, name := range subscriberProfiles {
		p, err := s.face.signingProfile(name)
		if err != nil {
			continue // Issue says what is missing
		}
		p.Provider = s.provider
		profiles[string(name)] = p
	}
	// The default has no usage. cfssl's handlers ask it for the provider of a
	// profile that they do not know; Sign then refuses that profile by name.
	return &config.Signing{Profiles: profiles, Default: &config.SigningProfile{Provider: s.provider}}
}

// signingProfile is one of our profiles in cfssl's words.
func (f *Face) signingProfile(name policy.ProfileName) (*config.SigningProfile, error) {
	p, err := f.ca.Environment().Profile(name)
	if err != nil {
		return nil, err
	}
	out := &config.SigningProfile{Usage: []string{}}
	for _, u := range []struct {
		usage policy.KeyUsage
		word  string
	}{{policy.UsageDigitalSignature, "digital signature"}, {policy.UsageKeyAgreement, "key agreement"}} {
		if slices.ContainsFunc(p.Usages, func(have policy.KeyUsage) bool { return have&u.usage != 0 }) {
			out.Usage = append(out.Usage, u.word)
		}
	}
	if p.Years > 0 {
		// cfssl knows no years; it says a year as 8760 hours.
		out.Expiry = time.Duration(p.Years) * 8760 * time.Hour
		out.ExpiryString = fmt.Sprintf("%dh", p.Years*8760)
	}
	return out, nil
}

// SigAlgo returns the one algorithm of SMKI.
func (s *Signer) SigAlgo() x509.SignatureAlgorithm { return x509.ECDSAWithSHA256 }

// GetDBAccessor returns the ledger.
func (s *Signer) GetDBAccessor() certdb.Accessor { return s.face.Accessor(s.ctx, s.requester) }

// SetDBAccessor makes every further Sign fail, unless it is given our own ledger:
// certificates are recorded there and nowhere else.
func (s *Signer) SetDBAccessor(a certdb.Accessor) {
	if ours, is := a.(*Accessor); is && ours != nil && ours.face == s.face {
		return
	}
	s.misuse("this signer was given a certificate database, and records in its own ledger only; do not call SetDBAccessor")
}

// SetPolicy makes every further Sign fail: the profiles are those of the
// environment.
func (s *Signer) SetPolicy(*config.Signing) {
	s.misuse("this signer was given a signing policy, and has that of its environment; do not call SetPolicy")
}

// SetReqModifier does nothing: it is for signers that ask another over HTTP.
func (s *Signer) SetReqModifier(func(*http.Request, []byte)) {}

func (s *Signer) misuse(what string) { s.misused.CompareAndSwap(nil, &what) }

// refuseOverrides refuses what a sign request would have differently from the
// profile.
func refuseOverrides(r signer.SignRequest) error {
	var set []string
	for _, o := range []struct {
		name string
		set  bool
	}{
		{"hosts", len(r.Hosts) > 0},
		{"subject", r.Subject != nil && (r.Subject.CN != "" || r.Subject.SerialNumber != "" || len(r.Subject.Names) > 0)},
		{"crl_override", r.CRLOverride != ""},
		{"serial", r.Serial != nil},
		{"extensions", len(r.Extensions) > 0},
		{"NotBefore", !r.NotBefore.IsZero()},
		{"NotAfter", !r.NotAfter.IsZero()},
		{"ReturnPrecert", r.ReturnPrecert},
		{"metadata", len(r.Metadata) > 0},
	} {
		if o.set {
			set = append(set, o.name)
		}
	}
	if set == nil {
		return nil
	}
	return invalid(fmt.Errorf("refused: override: the request sets %s; the PKCS#10 request and the profile decide that, leave it out", strings.Join(set, ", ")))
}
