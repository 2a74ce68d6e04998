package fleet

import (
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
	pair := d.pairLocked(p.Usage)
	if pair == nil {
		return fail(gbcs.IssueInvalidKeyUsage)
	}
	key, err := deviceKey(d.fleet.seed, d.ID, p.Usage, pair.generation+1)
	if err != nil {
		return fail(gbcs.IssueKeyPairGenerationFailed)
	}
	request, err := d.request(p.Usage, key)
	if err != nil {
		return fail(gbcs.IssueRequestProductionFailed)
	}
	pair.generation++
	pair.next = key
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
	pair := d.pairLocked(c.Usage)
	switch {
	case pair == nil:
		return gbcs.DeviceCertificateInvalidKeyUsage, c.Usage
	case c.DeviceID != d.ID:
		return gbcs.DeviceCertificateWrongIdentity, c.Usage
	case pair.private.PublicKey.Equal(c.PublicKey):
		pair.certificate = c
		return gbcs.DeviceCertificateStored, c.Usage
	case pair.next == nil:
		return gbcs.DeviceCertificateNoKeyPair, c.Usage
	case !pair.next.PublicKey.Equal(c.PublicKey):
		return gbcs.DeviceCertificateWrongPublicKey, c.Usage
	}
	if err := pair.use(pair.next); err != nil {
		return gbcs.DeviceCertificateKeyChangeFailed, c.Usage
	}
	pair.certificate, pair.next = c, nil
	d.secret = secretMemo{}
	return gbcs.DeviceCertificateStored, c.Usage
}

// readCertificateLocked sends one of the device's own certificates (CS02e).
func (d *Device) readCertificateLocked(p *gbcs.ReadDeviceCertificate, check *Check) gbcs.Payload {
	fail := func(r gbcs.ReadCertificateResult) gbcs.Payload {
		check.Effect, check.Result = Refused, r.String()
		return &gbcs.DeviceCertificateResponse{Result: r}
	}
	pair := d.pairLocked(p.Usage)
	switch {
	case pair == nil:
		return fail(gbcs.ReadInvalidKeyUsage)
	case pair.certificate == nil:
		return fail(gbcs.ReadNoCertificateHeld)
	}
	return &gbcs.DeviceCertificateResponse{Certificate: pair.certificate.Raw}
}
