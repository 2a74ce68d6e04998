package verbs

import (
	"slices"

	"smki.example/drills/fleet"
	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// A plan is what a campaign's command says to one kind of device. Devices that
// have the same cells and are commanded with the same keys share a plan, so that
// a command's certificates are put together once and not for each of a million.
type plan struct {
	cells []gbcs.TrustAnchorCell
	put   filling
	// signer signs; nil where the key is guarded, or where the command has a MAC only.
	signer *credential
	// seal is the broker's key of the MAC; nil where there is none.
	seal *credential
	// update is the payload without counters.
	update gbcs.UpdateSecurityCredentials
}

// A planKey is what devices that share a plan have in common: what goes into their
// cells, in the order of cellOrder and nil where they have none, and which keys
// command them.
type planKey struct {
	put          [len(cellOrder)]*credential
	signer, seal *credential
	hub          bool
}

// signedUnder is the certificate that the broker looks for on the CRL, or nil.
func (p *plan) signedUnder() *policy.Certificate {
	if p.signer == nil {
		return nil
	}
	return p.signer.certificate
}

// planFor makes, or finds, the plan for a device.
func (w *World) planFor(c *campaign, device int) *plan {
	d := w.fleet.Device(device)
	p := &plan{put: c.put(device)}
	p.cells = p.put.cells(d)
	hub := hasCell(d, cellBrokerSigning)
	if c.signer != nil && (c.mode != gbcs.AccessControlBrokerByACB || hub) {
		p.signer = c.signer(device)
	}
	if !withoutMAC(c.mode) {
		p.seal = w.sealFor(c, device)
	}
	key := planKey{signer: p.signer, seal: p.seal, hub: hub}
	for i, cell := range cellOrder {
		if slices.Contains(p.cells, cell) {
			key.put[i] = p.put[cell]
		}
	}
	if known := c.plans[key]; known != nil {
		return known
	}
	path := c.path
	if path == nil {
		path = w.pathOf(p.put)
	}
	p.update = gbcs.UpdateSecurityCredentials{Mode: c.mode, Path: path, ExecuteAt: c.executeAt}
	if cell, ok := c.mode.AuthorisingCell(); ok && (c.mode != gbcs.AccessControlBrokerByACB || hub) {
		p.update.AuthorisingCell = &cell
	}
	for _, cell := range p.cells {
		p.update.Replacements = append(p.update.Replacements, gbcs.Replacement{Certificate: p.put[cell].certificate.Raw, Cell: cell})
	}
	if c.plans == nil {
		c.plans = map[planKey]*plan{}
	}
	c.plans[key] = p
	return p
}

// withoutMAC reports whether commands of a mode pass no broker (GBCS v0.8.1 p.163).
func withoutMAC(m gbcs.ReplacementMode) bool {
	return m == gbcs.AnyExceptAbnormalRootByRecovery || m == gbcs.AnyByContingency
}

// sealFor is the broker's key that a device is believed to know: the one of the
// last answer that proved one. An intruder with the broker's own key uses that.
func (w *World) sealFor(c *campaign, device int) *credential {
	if c.seal != nil {
		return c.seal
	}
	return w.broker.keyFor(w, device)
}

// pathOf are the certificates that lead from a filling to the root, which is not
// among them.
func (w *World) pathOf(f filling) [][]byte {
	var path [][]byte
	seen := map[policy.KeyID]bool{}
	for _, cell := range cellOrder {
		c := f[cell]
		if c == nil || c.certificate.IsCA || seen[c.certificate.AuthorityKeyID] {
			continue
		}
		seen[c.certificate.AuthorityKeyID] = true
		if issuer := w.authority.issuerOf(c.certificate); issuer != nil {
			path = append(path, issuer.Raw)
		}
	}
	return path
}

// hasCell reports whether a device has a cell.
func hasCell(d *fleet.Device, cell gbcs.TrustAnchorCell) bool {
	_, has := d.Cell(cell)
	return has
}
