package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/urfave/cli/v2"

	"smki.example/ca/ra"
	"smki.example/cmd/clikit"
	"smki.example/policy"
)

// shownSerials is how many serial numbers a statement lists one by one; its digest is
// over all of them.
const shownSerials = 1000

// A revokeStatement is what two managers sign before certificates are revoked that the
// console's requests do not name.
type revokeStatement struct {
	Form         int             `json:"form"` // 1
	Act          ra.Act          `json:"act"`
	Log          string          `json:"log"` // the audit log's public key: which CA it is
	Decision     string          `json:"decision"`
	Reason       policy.Reason   `json:"reason"`
	Certificates int             `json:"certificates"`
	SHA256       string          `json:"sha256"` // of the serial numbers in hex, in order, a line each
	Serials      []policy.Serial `json:"serials"`
}

// decided returns who has decided a revocation that the console cannot carry out: two
// managers, by their signatures over exactly these certificates. What they signed is in
// the audit log before anything is revoked.
func (d *desk) decided(c *cli.Context, serials []policy.Serial, reason policy.Reason) (string, error) {
	if c.String("statement") == "" {
		return "", clikit.Usagef("smki revoke: in environment %q two managers of the registration authority sign for it: give --statement FILE, and then --signature CERTIFICATE.pem,SIGNATURE twice", d.home.env.Name)
	}
	if c.IsSet("by") {
		return "", clikit.Usagef("smki revoke: --by: in environment %q those are named who have signed", d.home.env.Name)
	}
	sorted := slices.Clone(serials)
	slices.SortFunc(sorted, func(a, b policy.Serial) int { return slices.Compare(a[:], b[:]) })
	h := sha256.New()
	for _, s := range sorted {
		h.Write([]byte(s.String() + "\n"))
	}
	s := revokeStatement{Form: 1, Act: ra.ActRevokeByDecision, Log: d.issuer.Log().VerifierKey(), Decision: c.String("decision"), Reason: reason,
		Certificates: len(sorted), SHA256: hex.EncodeToString(h.Sum(nil)), Serials: sorted[:min(len(sorted), shownSerials)]}
	statement, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return "", err
	}
	statement = append(statement, '\n')
	officers, signatures, err := d.sworn(c, s.Act, statement)
	if err != nil {
		return "", err
	}
	by := swornName(officers[0]) + " and " + swornName(officers[1])
	return by + ", decision " + s.Decision, d.registry.RecordSworn(c.Context, s.Act, by, statement, signatures)
}
