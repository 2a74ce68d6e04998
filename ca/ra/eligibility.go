package ra

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

var _ ca.Eligibility = (*Registry)(nil)

// Eligible decides for the CA whether who asks may have the certificate. With open
// registration it demands nothing. With a register, requester is "PARTY/OFFICER", and
//
//   - the officer is an ARO or a system of that party, and neither is withdrawn;
//   - for a device, the party is an Authorised Subscriber for Device Certificates and
//     the table of Section L3.16 allows it for one of its Remote Party Roles and the
//     device's provisioning state;
//   - for an organisation, requester is "PARTY/OFFICER/APPROVAL": role and EUI-64 are
//     the party's, and that approval is being executed for this very request. No
//     Organisation Certificate is issued past the registration authority.
//
// Any other error than a refusal wraps [ca.ErrOutage]. The officer of a party is
// asked for his rights again here, although the interface that took his request did.
func (r *Registry) Eligible(ctx context.Context, requester string, req *policy.Request) error {
	if r.env.Registration == policy.RegistrationOpen {
		return nil
	}
	err := r.eligible(ctx, requester, req)
	var refusal *ca.Refusal
	switch {
	case err == nil:
		return nil
	case !isNo(err):
		return fmt.Errorf("asking the register of parties: %w: %w", ca.ErrOutage, err)
	case errors.As(err, &refusal):
		return notEligible("%w", refusal.Err)
	}
	return err
}

// notEligible is a refusal in one line; the CA says in front that it is one.
func notEligible(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errNotEligible, fmt.Errorf(format, args...))
}

var errNotEligible = notEligibleError{}

type notEligibleError struct{}

func (notEligibleError) Error() string        { return "not an Eligible Subscriber" }
func (notEligibleError) Is(target error) bool { return target == ca.ErrRefused }

func (r *Registry) eligible(ctx context.Context, requester string, req *policy.Request) error {
	words := strings.Split(requester, "/")
	if len(words) < 2 || len(words) > 3 || words[0] == "" {
		return notEligible("the requester %.140q names no party and officer in the register", requester)
	}
	party, officer := PartyID(words[0]), OfficerID(words[1])
	var p Party
	err := r.store.Read(ctx, func(tx store.Tx) (err error) {
		o, err := activeOfficerIn(ctx, tx, officer)
		if err != nil {
			return err
		}
		if o.Party != party {
			return notEligible("officer %q is not of party %q", officer, party)
		}
		if p, err = activePartyIn(ctx, tx, party); err != nil {
			return err
		}
		if req.Kind() == policy.ProfileOrganisation {
			return r.eligibleOrganisation(ctx, tx, party, words, req)
		}
		return r.eligibleSubscriber(ctx, tx, o, p, req.EntityID())
	})
	if err != nil || req.Kind() == policy.ProfileOrganisation {
		return err
	}
	return r.eligibleDevice(ctx, p, req.EntityID())
}

func (r *Registry) eligibleOrganisation(ctx context.Context, tx store.Tx, party PartyID, words []string, req *policy.Request) error {
	if err := r.entitled(ctx, tx, party, req); err != nil {
		return err
	}
	if len(words) != 3 {
		return notEligible("an Organisation Certificate is issued on an approval of the registration authority only")
	}
	hash := sha256.Sum256(req.Raw)
	var id int64
	err := tx.QueryRow(ctx, `SELECT COALESCE(MAX(id), 0) FROM ra_approval WHERE handle = $1 AND state = 'executing' AND act = $2 AND party = $3`,
		hash[:], string(ActIssueCertificate), string(party)).Scan(&id)
	if err != nil {
		return err
	}
	if id == 0 || strconv.FormatInt(id, 10) != words[2] {
		return notEligible("no approval %.20q of this request is being executed", words[2])
	}
	return nil
}

func (r *Registry) eligibleSubscriber(ctx context.Context, tx store.Tx, o Officer, p Party, device policy.EntityID) error {
	switch {
	case r.table.May(o.Role, ActSubmitDeviceRequests) != Yes:
		return notEligible("%s %q may not %s", o.Role, o.ID, r.table.Acts[ActSubmitDeviceRequests].Says)
	case !p.Subscriber.Device:
		return notEligible("party %q is no Authorised Subscriber for Device Certificates", p.ID)
	case r.table.Setting["deviceIdentifiers"].Value == "advisory":
		return nil
	}
	i, err := ownerIn(ctx, tx, device)
	if errors.Is(err, ca.ErrNotFound) || err == nil && i.Party != p.ID {
		return notEligible("Device ID %s does not belong to party %q", device, p.ID)
	}
	return err
}

// eligibleDevice asks the table of Section L3.16.
func (r *Registry) eligibleDevice(ctx context.Context, p Party, device policy.EntityID) error {
	state, responsible := Unknown, PartyID("")
	if r.devices != nil {
		var err error
		if state, responsible, err = r.devices.Provisioning(ctx, device); err != nil {
			return fmt.Errorf("asking for the provisioning state of %s: %w", device, err)
		}
	}
	if slices.ContainsFunc(p.Roles, func(role policy.RemotePartyRole) bool {
		cell := r.table.L316.Allows(role, state)
		return cell == "any" || cell == "responsible" && responsible == p.ID
	}) {
		return nil
	}
	return notEligible("device %s is %s, and no role of party %q may have certificates for it then (L3.16)", device, state, p.ID)
}
