package repository

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"

	"smki.example/ca"
	"smki.example/policy"
)

// maxKeystore bounds a key store that is read: two million certificates.
const maxKeystore = 4 << 30

// maxEntry bounds the names in a key store.
const maxEntry = 256

// A Difference is how a certificate of a key store stands to our ledger.
type Difference string

// The differences. They stand in reports: never rename one.
const (
	Same       Difference = "same"       // the ledger has exactly this one
	Unknown    Difference = "unknown"    // the ledger has none of this serial number
	Other      Difference = "other"      // the ledger has another of this serial number
	Misplaced  Difference = "misplaced"  // it stands where its own entity, usage, serial number or role does not belong
	Unreadable Difference = "unreadable" // it is no certificate
	Bare       Difference = "bare"       // an entry without a certificate
)

// A Finding is one entry of a key store. What the entry has of a private key is not
// in it, but for the fact that it has one.
type Finding struct {
	Entity     string // as it stands in the key store, like Usage and Serial
	Usage      string
	Serial     string // decimal
	Name       string
	PrivateKey bool // the entry has one; it was neither looked at nor kept
	Difference Difference
	// Detail says in one line what is wrong, if something is.
	Detail string
	// Certificate is what was read, if it could be.
	Certificate *policy.Certificate
	// Status is that of the ledger's certificate, where Difference is Same.
	Status ca.Status
}

// A Comparison counts findings.
type Comparison struct {
	Entities    int
	Entries     int
	PrivateKeys int // entries that have one
	Differences map[Difference]int
}

// CompareKeystore reads a key store and says of every certificate in it how it
// stands to the ledger. It is a dry run and there is no other: a certificate that
// this CA did not sign has no intent and cannot stand in its ledger, and one that it
// did sign is there.
//
// each, if not nil, hears of every entry in the order of the document; an error of it
// ends the reading. Private keys are passed over: they are not kept, logged or in any error. A
// document that is not of the schema is an error that says at which octet; what was
// found before has been told by then.
func (r *Repository) CompareKeystore(ctx context.Context, in io.Reader, each func(Finding) error) (Comparison, error) {
	report := Comparison{Differences: map[Difference]int{}}
	k := &keystoreReader{decoder: json.NewDecoder(io.LimitReader(in, maxKeystore))}
	err := k.object(func(entity string) error {
		report.Entities++
		return k.object(func(usage string) error {
			if usage != "digitalSignature" && usage != "keyAgreement" {
				return k.fail("want digitalSignature or keyAgreement")
			}
			return k.object(func(serial string) error {
				f := Finding{Entity: entity, Usage: usage, Serial: serial}
				text, role, err := k.entry(&f)
				if err != nil {
					return err
				}
				if err := r.compare(ctx, &f, text, role); err != nil {
					return err
				}
				report.Entries++
				report.Differences[f.Difference]++
				if f.PrivateKey {
					report.PrivateKeys++
				}
				if each == nil {
					return nil
				}
				return each(f)
			})
		})
	})
	if err == nil {
		if _, more := k.decoder.Token(); !errors.Is(more, io.EOF) {
			err = k.fail("want nothing behind the object")
		}
	}
	if err != nil {
		return report, fmt.Errorf("reading key store: %w", err)
	}
	return report, nil
}

// compare finds out what one entry is.
func (r *Repository) compare(ctx context.Context, f *Finding, text string, role *int64) error {
	if text == "" {
		f.Difference, f.Detail = Bare, "there is no certificate in it"
		return nil
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 {
		f.Difference, f.Detail = Unreadable, "want one CERTIFICATE in PEM"
		return nil
	}
	// Published certificates differ from the profile in small things, and are read
	// all the same.
	cert, _, err := policy.ReadCertificate(block.Bytes)
	if err != nil {
		f.Difference, f.Detail = Unreadable, err.Error()
		return nil
	}
	f.Certificate = cert
	if f.Detail = misplaced(f, cert, role); f.Detail != "" {
		f.Difference = Misplaced
		return nil
	}
	ours, err := r.Issuer.BySerial(ctx, cert.Serial)
	switch {
	case errors.Is(err, ca.ErrNotFound):
		f.Difference = Unknown
	case err != nil:
		return err
	case bytes.Equal(ours.DER, block.Bytes):
		f.Difference, f.Status = Same, r.Transitions.StatusAt(ours, r.Issuer.Now(), r.Acceptance)
	default:
		f.Difference, f.Detail = Other, "another certificate has this serial number here"
	}
	return nil
}

// misplaced says what in the place of an entry is not what its certificate says.
func misplaced(f *Finding, cert *policy.Certificate, role *int64) string {
	entity, _ := cert.EntityID()
	if entity.Hex() != f.Entity {
		return fmt.Sprintf("the certificate is of %s", entity.Hex())
	}
	if want := keystoreUsage(cert.Usage); want != f.Usage {
		return "the certificate is for " + want
	}
	if number, ok := new(big.Int).SetString(f.Serial, 10); !ok || number.Cmp(new(big.Int).SetBytes(cert.Serial[:])) != 0 {
		return "the certificate's serial number is " + decimal(cert.Serial)
	}
	if has, is := cert.Role(); role != nil && (!is || int64(has) != *role) {
		return "the certificate has another role"
	}
	return ""
}

// A keystoreReader reads the document token by token, so that its size costs no
// memory.
type keystoreReader struct{ decoder *json.Decoder }

func (k *keystoreReader) fail(format string, args ...any) error {
	return fmt.Errorf("octet %d: %s", k.decoder.InputOffset(), fmt.Sprintf(format, args...))
}

// object reads an object and has each member's value read. A name that stands twice
// is refused, for which the names of an object are remembered while it is read: those
// of all entities are what a large key store costs. Errors do not repeat names, since
// anything may stand anywhere in a document that is wrong.
func (k *keystoreReader) object(member func(name string) error) error {
	if token, err := k.decoder.Token(); err != nil || token != json.Delim('{') {
		return k.fail("want an object")
	}
	seen := map[string]bool{}
	for k.decoder.More() {
		token, err := k.decoder.Token()
		name, is := token.(string)
		switch {
		case err != nil || !is:
			return k.fail("want the name of a member")
		case name == "" || len(name) > maxEntry:
			return k.fail("want a name of 1 to %d characters", maxEntry)
		case seen[name]:
			return k.fail("a name stands twice")
		}
		seen[name] = true
		if err := member(name); err != nil {
			return err
		}
	}
	if _, err := k.decoder.Token(); err != nil {
		return k.fail("the document ends too early")
	}
	return nil
}

// entry reads one entry. Its errors say nothing of what was in the entry, because it
// may have been a private key.
func (k *keystoreReader) entry(f *Finding) (certificate string, role *int64, err error) {
	err = k.object(func(name string) error {
		switch name {
		case "certificate":
			return k.value(&certificate, "certificate: want a text")
		case "privateKey":
			f.PrivateKey = true
			return k.value(&passedOver{}, "privateKey: want a text")
		case "role":
			return k.value(&role, "role: want a number")
		case "name":
			return k.value(&f.Name, "name: want a text")
		default:
			return k.fail("an entry has certificate, privateKey, role and name, and nothing else")
		}
	})
	return certificate, role, err
}

func (k *keystoreReader) value(into any, want string) error {
	if err := k.decoder.Decode(into); err != nil {
		return k.fail("%s", want)
	}
	return nil
}

// passedOver is a text that is not kept.
type passedOver struct{}

// UnmarshalJSON refuses what is no text and forgets the rest.
func (*passedOver) UnmarshalJSON(b []byte) error {
	if len(b) == 0 || b[0] != '"' {
		return errors.New("want a text")
	}
	return nil
}
