package ra

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

// A Deed is something that is done once as many have agreed as the table of rights
// asks. The deeds are the types of this package that have these methods; the caller
// fills in what it decides, and the Registry completes the deed from the register
// before it is bound.
type Deed interface {
	// Act is the row of the table that it falls under.
	Act() Act
	// Subject names what it is about; one decision at a time is open on a subject.
	Subject() string
	// Words say what will be done, in sentences, from the deed alone.
	Words() string

	// complete checks the deed against the register in tx and fills in everything
	// that it leaves to the register. It is asked again when the deed is executed.
	complete(ctx context.Context, tx store.Tx, r *Registry) (Deed, facts, error)
}

// An inside deed is done in the database alone, in the transaction that settles its
// approval, so that it happens once by construction.
type inside interface {
	Deed
	apply(ctx context.Context, tx store.Tx, r *Registry, a *Approval, now time.Time) error
}

// An outside deed is carried out by the Hands. Its three methods are called in this
// order, find only if it is not known what carry has done.
type outside interface {
	Deed
	carry(ctx context.Context, h Hands, a *Approval) (result string, err error)
	find(ctx context.Context, h Hands, a *Approval) (result string, found bool, err error)
	settle(ctx context.Context, tx store.Tx, r *Registry, a *Approval, result string, now time.Time) error
}

// facts are what a deed rests on besides itself.
type facts struct {
	party   PartyID            // whose business it is
	on      any                // the state of the register that is decided on; JSON
	profile policy.ProfileName // under which something will be issued
	handle  []byte             // what the execution is known by outside
	// barred may not vote, and why.
	barred map[PersonID]string
}

// deeds reads each act's deed from its bytes.
var deeds = map[Act]func([]byte) (Deed, error){
	ActEnrolParty:         decode[EnrolParty],
	ActChangeParty:        decode[ChangeParty],
	ActWithdrawParty:      decode[WithdrawParty],
	ActAssignIdentifiers:  decode[AssignIdentifiers],
	ActReleaseIdentifiers: decode[ReleaseIdentifiers],
	ActAppointSRO:         decode[Appoint],
	ActAppointARO:         decode[Appoint],
	ActAppointSystem:      decode[Appoint],
	ActAppointRAOfficer:   decode[Appoint],
	ActWithdrawOfficer:    decode[WithdrawOfficer],
	ActWithdrawRAOfficer:  decode[WithdrawOfficer],
	ActAddCredential:      decode[AddCredential],
	ActWithdrawCredential: decode[WithdrawCredential],
	ActIssueCertificate:   decode[IssueCertificate],
	ActDeferRevocation:    decode[DeferRevocation],
	ActResumeRevocation:   decode[ResumeRevocation],
	ActWithdrawRevocation: decode[WithdrawRevocation],
	ActExecuteRevocation:  decode[ExecuteRevocation],
	ActExecuteEmergency:   decode[ExecuteRevocation],
	ActReleaseBatch:       decode[ReleaseBatch],
}

func decode[D Deed](b []byte) (Deed, error) {
	var d D
	err := ca.ReadStrict(b, &d)
	return d, err
}

// binding is what an approver agrees to, and nothing less: its bytes are hashed.
type binding struct {
	Form           int                `json:"form"` // of these bytes; 1
	Act            Act                `json:"act"`
	Subject        string             `json:"subject"`
	Party          PartyID            `json:"party"`
	Environment    string             `json:"environment"`
	PolicyVersion  int                `json:"policy_version"`
	TableVersion   int                `json:"table_version"`
	Profile        policy.ProfileName `json:"profile,omitempty"`
	ProfileVersion int                `json:"profile_version,omitempty"`
	Deed           json.RawMessage    `json:"deed"`
	On             json.RawMessage    `json:"on"` // the state of the register it was decided on
}

// A bound is a deed with its exact bytes.
type bound struct {
	binding
	deed  Deed
	facts facts
	bytes []byte
	hash  [sha256.Size]byte
}

// bind completes a deed from the register in tx and writes it down. The same deed on
// the same register, under the same versions, gives the same bytes.
func (r *Registry) bind(ctx context.Context, tx store.Tx, d Deed) (*bound, error) {
	d, f, err := d.complete(ctx, tx, r)
	if err != nil {
		return nil, err
	}
	b := &bound{deed: d, facts: f}
	b.binding = binding{Form: 1, Act: d.Act(), Subject: d.Subject(), Party: f.party,
		Environment: r.env.Name, PolicyVersion: r.env.Version, TableVersion: r.table.Version}
	if f.profile != "" {
		p, err := r.env.Profile(f.profile)
		if err != nil {
			return nil, err
		}
		b.Profile, b.ProfileVersion = p.Name, p.Version
	}
	if b.Deed, err = canonical(d, ""); err != nil {
		return nil, err
	}
	if b.On, err = canonical(f.on, ""); err != nil {
		return nil, err
	}
	if b.bytes, err = canonical(b.binding, "  "); err != nil {
		return nil, err
	}
	// What cannot be read back as what it was is not shown to anybody.
	again, err := readDeed(b.bytes)
	if err != nil {
		return nil, err
	}
	if deed, err := canonical(again, ""); err != nil || !bytes.Equal(deed, b.Deed) {
		return nil, fmt.Errorf("writing down %q: %w", b.Act, refuse("text", "the deed does not read back as it was written"))
	}
	b.deed = again
	b.hash = sha256.Sum256(b.bytes)
	return b, nil
}

// readDeed reads the deed out of the bytes of an approval.
func readDeed(b []byte) (Deed, error) {
	var v binding
	if err := ca.ReadStrict(b, &v); err != nil {
		return nil, fmt.Errorf("reading what was approved: %w", err)
	}
	read, ok := deeds[v.Act]
	if !ok {
		return nil, fmt.Errorf("reading what was approved: %q is no act that this program knows", v.Act)
	}
	d, err := read(v.Deed)
	if err == nil && (d.Act() != v.Act || d.Subject() != v.Subject) {
		err = fmt.Errorf("act %q on %q does not fit its deed", v.Act, v.Subject)
	}
	if err != nil {
		return nil, fmt.Errorf("reading what was approved: %w", err)
	}
	return d, nil
}

// canonical writes JSON in one way: fields in the order of their declaration, keys
// of maps sorted, no escapes but those that JSON asks for.
func canonical(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("writing down what will be done: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Hands carry out what was decided. A deed whose hand is missing stays approved.
type Hands struct {
	Issuer  Issuer
	Revoker Revoker
}

// Issuer issues certificates; *ca.Issuer is one. An error of Issue that wraps
// [ca.ErrRefused] says that nothing was signed and nothing will be; after any other
// the certificate is looked for by its key. BySPKI sees every certificate of which
// an Issue has returned, or may have failed to return.
type Issuer interface {
	Issue(ctx context.Context, r ca.Request) (*ca.Certificate, error)
	BySPKI(ctx context.Context, key ca.KeyHash) ([]*ca.Certificate, error)
}

// Revoker revokes certificates. Revoke revokes all of an order or none of it and
// may be asked again: what is revoked stays as it is. An error that wraps
// [ca.ErrRefused] or [ca.ErrNotFound] says that nothing was done. Revoked sees every
// revocation that Revoke has made, or may have failed to tell of.
type Revoker interface {
	Revoke(ctx context.Context, o Order) error
	Revoked(ctx context.Context, serial policy.Serial) (bool, error)
}

// An Order is certificates to be revoked together, for one reason, from now on.
type Order struct {
	Serials []policy.Serial
	Reason  policy.Reason
	By      string // who decided it: "ra/approval-17"
}

var _ Issuer = (*ca.Issuer)(nil)

// hashText is a hash as people compare it.
func hashText(h [sha256.Size]byte) string { return hex.EncodeToString(h[:]) }
