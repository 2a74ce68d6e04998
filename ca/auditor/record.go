package auditor

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"smki.example/ca/audit"
)

// The bodies of records, as the log has them. They are written down here a second
// time: a field that a writer renames without a word is found by the first test.

// item is an intent, or what became of it.
type item struct {
	ID        int64     `json:"id"`
	Issuer    string    `json:"issuer"`
	Serial    string    `json:"serial"`
	Number    int64     `json:"number"`
	Profile   string    `json:"profile"`
	TBS       string    `json:"tbs_sha256"`
	DER       string    `json:"sha256"`
	Interface string    `json:"interface"`
	State     string    `json:"state"`
	SettledAt time.Time `json:"settled_at"`
	Cause     string    `json:"cause"`
}

// String names the intent for people.
func (it item) String() string { return intentName(it.ID, it.Issuer, it.Serial, it.Number) }

func intentName(id int64, issuer, serial string, number int64) string {
	if serial == "" {
		return fmt.Sprintf("intent %d (list %d of %s)", id, number, issuer)
	}
	return fmt.Sprintf("intent %d (certificate %s of %s)", id, serial, issuer)
}

// revocation is one certificate taken out of use. A record without on_crl is of an
// authority all of whose revocations stand on its list.
type revocation struct {
	Serial string    `json:"serial"`
	Issuer string    `json:"issuer"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	OnCRL  *bool     `json:"on_crl"`
}

// onList tells whether lists show it.
func (r revocation) onList() bool { return r.OnCRL == nil || *r.OnCRL }

// body holds what any of the records says; each kind fills its part.
type body struct {
	Owner        string       `json:"owner"`
	Intents      []item       `json:"intents"`
	Certificates []item       `json:"certificates"`
	Revocations  []revocation `json:"revocations"`
	From         string       `json:"from"` // revocations taken over from a list, after a restore

	ID         int64     `json:"id"`
	Issuer     string    `json:"issuer"`
	Number     int64     `json:"number"`
	Entries    int64     `json:"entries"`
	ThisUpdate time.Time `json:"this_update"`
	NextUpdate time.Time `json:"next_update"`
	DER        string    `json:"sha256"`

	SPKI   string `json:"spki_sha256"`
	Reason string `json:"reason"`
}

// record is one line of the log.
type record struct {
	Seq  int64           `json:"seq"`
	At   time.Time       `json:"at"`
	Kind audit.Kind      `json:"kind"`
	By   string          `json:"by"`
	Body json.RawMessage `json:"body"`

	says body
}

// begun are the intents that it is the first to tell of.
func (r *record) begun() []item {
	switch r.Kind {
	case audit.KindIntent, audit.KindCeremony:
		return r.says.Intents
	case kindAdopted:
		return r.says.Certificates
	}
	return nil
}

// certificates are the certificates that it is the first to tell of.
func (r *record) certificates() []item {
	if r.Kind != audit.KindCeremony {
		return r.says.Certificates
	}
	var items []item
	for _, it := range r.says.Intents {
		if it.Serial != "" {
			items = append(items, it)
		}
	}
	return items
}

// items is how many things it tells of.
func (r *record) items() int {
	return len(r.says.Intents) + len(r.says.Certificates) + len(r.says.Revocations) + 1
}

// kindAdopted is the record of certificates that were found outside, signed by an
// authority of this CA, and taken into the ledger: intent and certificate in one.
const kindAdopted audit.Kind = "adopted"

// ours are the kinds that tell of the tables that are audited.
var ours = map[audit.Kind]bool{
	audit.KindIntent: true, audit.KindCertificate: true, audit.KindWrittenOff: true, audit.KindCeremony: true,
	audit.KindRevocation: true, audit.KindCRL: true, audit.KindBlockedKey: true, kindAdopted: true,
}

// recordPage is how many lines are read at once: one that tells of a batch of a
// thousand has a quarter of a megabyte.
const recordPage = 32

// records reads the next lines from seq on and returns those that are about the
// ledger, and how many there were.
func (a *inspection) records(ctx context.Context, seq int64) (page []*record, n int, err error) {
	rows, err := a.tx.Query(ctx, `SELECT line FROM audit_record WHERE seq >= $1 ORDER BY seq LIMIT $2`, seq, recordPage)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var line []byte
		if err := rows.Scan(&line); err != nil {
			return nil, 0, err
		}
		n++
		r := new(record)
		if err := json.Unmarshal(line, r); err != nil {
			return nil, 0, differ(seq+int64(n)-1, "the log: its line does not parse: %v", err)
		}
		if officeRecords[r.Kind] != nil {
			page = append(page, r)
			continue
		}
		if !ours[r.Kind] {
			continue
		}
		if err := json.Unmarshal(r.Body, &r.says); err != nil {
			return nil, 0, differ(r.Seq, "the log: what it says of %s does not parse: %v", r.Kind, err)
		}
		page = append(page, r)
	}
	return page, n, rows.Err()
}
