package backup

import (
	"crypto/x509"
	"errors"
	"fmt"

	"smki.example/policy"
)

// An openList is a list that was read, of either form.
type openList struct {
	number         int64
	der            []byte
	tbs, signature []byte
	entries        []policy.CRLEntry
}

// open reads a list and finds the authority whose it is, by its signature; -1: none
// of them.
func (b *Book) open(der []byte) (*openList, int, error) {
	list, err := policy.ParseCRL(der)
	if err == nil {
		for n, a := range b.Authorities {
			if a.Certificate != nil && list.CheckSignature(a.Certificate) == nil {
				return &openList{list.Number, der, list.RawTBS, list.Signature, list.Entries}, n, nil
			}
		}
	}
	// Not of SMKI's form, or not of its authorities: perhaps the IKI authority's.
	other, otherErr := x509.ParseRevocationList(der)
	if otherErr != nil {
		return nil, -1, errors.Join(err, otherErr)
	}
	for n, a := range b.Authorities {
		if a.IKI != nil && other.CheckSignatureFrom(a.IKI) == nil {
			o, err := openIKI(other)
			return o, n, err
		}
	}
	number := int64(0)
	if other.Number != nil {
		number = other.Number.Int64()
	}
	return &openList{number: number}, -1, nil
}

func openIKI(list *x509.RevocationList) (*openList, error) {
	o := &openList{der: list.Raw, tbs: list.RawTBSRevocationList, signature: list.Signature}
	if list.Number == nil || !list.Number.IsInt64() {
		return nil, fmt.Errorf("the list has no number that fits")
	}
	o.number = list.Number.Int64()
	for _, e := range list.RevokedCertificateEntries {
		if e.SerialNumber.Sign() < 0 || e.SerialNumber.BitLen() > 8*len(policy.Serial{}) {
			return nil, fmt.Errorf("serial number %X is longer than any of this CA's", e.SerialNumber)
		}
		entry := policy.CRLEntry{At: e.RevocationTime, Reason: policy.Reason(e.ReasonCode)}
		e.SerialNumber.FillBytes(entry.Serial[:])
		o.entries = append(o.entries, entry)
	}
	return o, nil
}

// table is where the ledger keeps a thing of this authority: the IKI authority's
// tables are apart.
func (l *ListStanding) table(name string) string {
	if l.Optional {
		return "iki_" + name
	}
	return name
}
