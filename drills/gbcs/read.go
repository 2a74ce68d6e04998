package gbcs

import (
	"fmt"

	"smki.example/policy"
)

// ReadCredentials is the payload of a CS02a or CS02f command: which credentials
// does the device hold for these roles (GBCS 13.2).
type ReadCredentials struct {
	AuthorisingCell TrustAnchorCell
	Roles           []policy.RemotePartyRole
}

// CredentialDetails is the answer: an entry for each role that was asked for.
type CredentialDetails struct {
	Roles []RoleCredentials
}

// RoleCredentials is what a device holds for one role. Counter and Credentials
// are there on success only.
type RoleCredentials struct {
	Role        policy.RemotePartyRole
	Status      StatusCode
	Counter     OriginatorCounter // the role's current one
	Credentials []Credential
}

// A Credential identifies what is in one cell of the role.
type Credential struct {
	Usage policy.KeyUsage
	Cell  CellUsage
	ID    policy.EntityID
	KeyID policy.KeyID
}

func (c *ReadCredentials) append(w *derWriter) {
	mark := w.open(tagSequence)
	c.AuthorisingCell.append(w, tagSequence)
	roles := w.open(tagSequence)
	for _, r := range c.Roles {
		w.unsigned(tagInteger, uint64(r))
	}
	w.close(roles)
	w.close(mark)
}

func readReadCredentials(r *derReader) (*ReadCredentials, error) {
	fields, err := r.sequence(tagSequence)
	if err != nil {
		return nil, fmt.Errorf("reading the command: %w", err)
	}
	c := &ReadCredentials{}
	if c.AuthorisingCell, err = readCell(&fields, tagSequence); err != nil {
		return nil, fmt.Errorf("reading the authorising cell: %w", err)
	}
	roles, err := fields.sequence(tagSequence)
	for err == nil && !roles.empty() {
		var role uint8
		if role, err = roles.small(tagInteger); err == nil {
			c.Roles = append(c.Roles, policy.RemotePartyRole(role))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading the roles: %w", err)
	}
	if err := fields.end(); err != nil {
		return nil, fmt.Errorf("after the roles: %w", err)
	}
	return c, nil
}

func (d *CredentialDetails) append(w *derWriter) {
	all := w.open(tagSequence)
	for _, r := range d.Roles {
		mark := w.open(tagSequence)
		w.unsigned(tagInteger, uint64(r.Role))
		w.unsigned(tagEnumerated, uint64(r.Status))
		if r.Status == StatusSuccess {
			w.unsigned(tagInteger, uint64(r.Counter))
			list := w.open(tagSequence)
			for _, c := range r.Credentials {
				one := w.open(tagSequence)
				w.keyUsage(c.Usage)
				w.cellUsage(c.Cell)
				w.octets(c.ID[:])
				w.octets(c.KeyID[:])
				w.close(one)
			}
			w.close(list)
		}
		w.close(mark)
	}
	w.close(all)
}

func readCredentialDetails(r *derReader) (*CredentialDetails, error) {
	all, err := r.sequence(tagSequence)
	if err != nil {
		return nil, fmt.Errorf("reading the details: %w", err)
	}
	d := &CredentialDetails{}
	for !all.empty() {
		role, err := readRoleCredentials(&all)
		if err != nil {
			return nil, fmt.Errorf("reading the details of role %d in the list: %w", len(d.Roles)+1, err)
		}
		d.Roles = append(d.Roles, role)
	}
	return d, nil
}

func readRoleCredentials(r *derReader) (rc RoleCredentials, err error) {
	fields, err := r.sequence(tagSequence)
	if err != nil {
		return rc, err
	}
	role, err := fields.small(tagInteger)
	if err != nil {
		return rc, fmt.Errorf("role: %w", err)
	}
	rc.Role = policy.RemotePartyRole(role)
	status, err := fields.small(tagEnumerated)
	if err != nil {
		return rc, fmt.Errorf("status code: %w", err)
	}
	rc.Status = StatusCode(status)
	if rc.Status != StatusSuccess {
		return rc, fields.end()
	}
	counter, err := fields.unsigned(tagInteger)
	if err != nil {
		return rc, fmt.Errorf("counter: %w", err)
	}
	rc.Counter = OriginatorCounter(counter)
	list, err := fields.sequence(tagSequence)
	for err == nil && !list.empty() {
		var c Credential
		if c, err = readCredential(&list); err == nil {
			rc.Credentials = append(rc.Credentials, c)
		}
	}
	if err != nil {
		return rc, fmt.Errorf("credential %d: %w", len(rc.Credentials)+1, err)
	}
	return rc, fields.end()
}

func readCredential(r *derReader) (c Credential, err error) {
	fields, err := r.sequence(tagSequence)
	if err != nil {
		return c, err
	}
	if c.Usage, err = fields.keyUsage(); err != nil {
		return c, fmt.Errorf("key usage: %w", err)
	}
	if c.Cell, err = fields.cellUsage(); err != nil {
		return c, fmt.Errorf("cell usage: %w", err)
	}
	if err = fields.octets((*[8]byte)(&c.ID)); err != nil {
		return c, err
	}
	if err = fields.octets((*[8]byte)(&c.KeyID)); err != nil {
		return c, err
	}
	return c, fields.end()
}
