package fleet

import (
	"bytes"
	"crypto/ecdsa"

	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// issueLocked makes the next key pair of a usage and a request for it (CS02c).
// The present pair stays in use until a certificate for the new one is stored.
func (d *Device) issueLocked(p *gbcs.IssueCredentials, check *Check) gbcs.Payload {
	fail := func(r gbcs.IssueResult) gbcs.Payload {
		check.Effect, check.Result = Refused, r.String()
		return &gbcs.IssueResponse{Result: r}
	}
	pair, ok := pairOf(p.Usage)
	if !ok {
		return fail(gbcs.IssueInvalidKeyUsage)
	}
	key, err := deviceKey(d.fleet.seed, d.ID, p.Usage, d.pairs[pair].made+1)
	if err != nil {
		return fail(gbcs.IssueKeyPairGenerationFailed)
	}
	request, err := d.request(p.Usage, key)
	if err != nil {
		return fail(gbcs.IssueRequestProductionFailed)
	}
	d.pairs[pair].made++
	return &gbcs.IssueResponse{Request: request}
}

// storeCertificateLocked puts a Device Certificate in place (CS02d). One for
// the pair that CS02c made brings that pair into use; one for the present pair,
// a renewal, replaces the present certificate. A device holds no anchor of the
// authority that issues Device Certificates and so cannot check a path.
func (d *Device) storeCertificateLocked(p *gbcs.UpdateDeviceCertificate, check *Check) gbcs.Payload {
	result, usage := d.store(p.Certificate)
	succeeded, failed := gbcs.AlertSigningCertificateReplaced, gbcs.AlertSigningCertificateFailed
	if usage == policy.UsageKeyAgreement {
		succeeded, failed = gbcs.AlertAgreementCertificateReplaced, gbcs.AlertAgreementCertificateFailed
	}
	if result == gbcs.DeviceCertificateStored {
		check.Alerts = append(check.Alerts, succeeded)
	} else {
		check.Effect, check.Result = Refused, result.String()
		check.Alerts = append(check.Alerts, failed)
	}
	return &gbcs.UpdateDeviceCertificateResponse{Result: result}
}

func (d *Device) store(der []byte) (gbcs.DeviceCertificateResult, policy.KeyUsage) {
	c, err := policy.ParseCertificate(der)
	if err != nil {
		return gbcs.DeviceCertificateInvalid, 0
	}
	pair, ok := pairOf(c.Usage)
	switch {
	case !ok:
		return gbcs.DeviceCertificateInvalidKeyUsage, c.Usage
	case c.DeviceID != d.ID:
		return gbcs.DeviceCertificateWrongIdentity, c.Usage
	case d.publicLocked(pair).Equal(c.PublicKey):
		d.moreLocked().certificates[pair] = bytes.Clone(c.Raw)
		return gbcs.DeviceCertificateStored, c.Usage
	case d.pairs[pair].made == d.pairs[pair].present:
		return gbcs.DeviceCertificateNoKeyPair, c.Usage
	}
	next, err := d.nextPublicLocked(pair)
	if err != nil {
		return gbcs.DeviceCertificateKeyChangeFailed, c.Usage
	}
	if !next.Equal(c.PublicKey) {
		return gbcs.DeviceCertificateWrongPublicKey, c.Usage
	}
	if err := d.useLocked(pair, next); err != nil {
		return gbcs.DeviceCertificateKeyChangeFailed, c.Usage
	}
	d.moreLocked().certificates[pair] = bytes.Clone(c.Raw)
	return gbcs.DeviceCertificateStored, c.Usage
}

// nextPublicLocked returns the public half of the pair that CS02c made last.
func (d *Device) nextPublicLocked(pair int) (*ecdsa.PublicKey, error) {
	if d.more != nil && d.more.injected[pair] != nil {
		return d.more.injected[pair], nil
	}
	key, err := deviceKey(d.fleet.seed, d.ID, pairUsages[pair], d.pairs[pair].made)
	if err != nil {
		return nil, err
	}
	return &key.PublicKey, nil
}

// readCertificateLocked sends one of the device's own certificates (CS02e).
func (d *Device) readCertificateLocked(p *gbcs.ReadDeviceCertificate, check *Check) gbcs.Payload {
	fail := func(r gbcs.ReadCertificateResult) gbcs.Payload {
		check.Effect, check.Result = Refused, r.String()
		return &gbcs.DeviceCertificateResponse{Result: r}
	}
	pair, ok := pairOf(p.Usage)
	switch {
	case !ok:
		return fail(gbcs.ReadInvalidKeyUsage)
	case d.more == nil || d.more.certificates[pair] == nil:
		return fail(gbcs.ReadNoCertificateHeld)
	}
	return &gbcs.DeviceCertificateResponse{Certificate: d.more.certificates[pair]}
}
