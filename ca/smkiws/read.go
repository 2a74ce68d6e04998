package smkiws

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"smki.example/policy"
)

// An Item is one request of a batch.
type Item struct {
	// Name is the ID of a DeviceCSR, or the name of an archive's file without .csr.
	Name string
	// DER is the request, if its text could be read.
	DER []byte
	// Err says why the text could not be read. Such an item is refused for itself and
	// does not spoil its batch (AppM 2.5.1.2).
	Err error
}

// ErrTooMany is returned by readers of batches that met one request more than
// allowed. The batch is refused as a whole (AppM 2.3.1.7, 2.5.1.2).
var ErrTooMany = errors.New("too many requests")

// readAdHoc reads a DeviceCertificateSigningRequest (AppM, App. A, B). A request text
// that is no base64 is in the second result's place, as a failure of that check.
func readAdHoc(r io.Reader, max int64) (id string, der []byte, bad *failure, err error) {
	d, root, err := openDocument(r, max, "DeviceCertificateSigningRequest")
	if err != nil {
		return "", nil, nil, noEOF(err)
	}
	if id, err = d.attribute(root, "ID"); err == nil {
		err = d.stringID(id, 32)
	}
	if err == nil {
		err = d.version()
	}
	if err != nil {
		return "", nil, nil, err
	}
	t, err := d.expect("CertificateSigningRequest")
	if err == nil {
		_, err = d.attribute(t, "")
	}
	var text string
	if err == nil {
		text, err = d.text()
	}
	if err != nil {
		return "", nil, nil, err
	}
	if t, more, err := d.child(); err != nil {
		return "", nil, nil, err
	} else if more {
		return "", nil, nil, d.fail("element %.40q is not expected here", t.Name.Local)
	}
	if err := d.end(); err != nil {
		return "", nil, nil, err
	}
	der, cerr := decodeRequest(text)
	if cerr != nil {
		bad = &failure{check: checkEncoding, detail: cerr.Error()}
	}
	return id, der, bad, nil
}

// ReadBatch reads a SubmitCSRBatch (AppM, App. C, E) as a stream and calls item for
// each DeviceCSR as it is met, in order; an error of item ends the reading. It
// returns the document's ID.
//
// The error is a *[FormatError] for a document that is not valid, [ErrTooMany] at
// the first request above limits.BatchItems, with the ID, and otherwise the
// reader's or item's own.
func ReadBatch(r io.Reader, limits Limits, item func(Item) error) (id string, err error) {
	if limits, err = limits.withDefaults(); err != nil {
		return "", err
	}
	d, root, err := openDocument(r, limits.BatchOctets, "SubmitCSRBatch")
	if err != nil {
		return "", noEOF(err)
	}
	if id, err = d.attribute(root, "ID"); err == nil {
		err = d.stringID(id, 256)
	}
	if err == nil {
		err = d.version()
	}
	if err != nil {
		return "", err
	}
	seen := make(map[string]struct{})
	for {
		t, more, err := d.child()
		if err != nil {
			return "", err
		}
		if !more {
			break
		}
		if t.Name.Local != "DeviceCSR" {
			return "", d.fail("want element DeviceCSR, got %.40q", t.Name.Local)
		}
		name, err := d.attribute(t, "ID")
		if err == nil {
			name, err = d.xsID(name)
		}
		if err != nil {
			return "", err
		}
		if _, twice := seen[name]; twice {
			return "", d.fail("ID %.100q of DeviceCSR stands twice", name)
		}
		if len(seen) == limits.BatchItems {
			return id, ErrTooMany
		}
		seen[name] = struct{}{}
		text, err := d.text()
		if err != nil {
			return "", err
		}
		it := Item{Name: name}
		it.DER, it.Err = decodeRequest(text)
		if err := item(it); err != nil {
			return "", err
		}
	}
	if len(seen) == 0 {
		return "", d.fail("want at least one element DeviceCSR")
	}
	return id, d.end()
}

// decodeRequest reads the base64 text of RFC 7468, section 3, which is all that the web
// services accept: no PEM lines and no white space, not even what base64Binary
// allows (AppM, App. A, C).
func decodeRequest(text string) ([]byte, error) {
	switch {
	case text == "":
		return nil, errors.New("there is no request")
	case len(text) > maxText:
		return nil, fmt.Errorf("the text is longer than %d characters", maxText)
	case strings.ContainsAny(text, " \t\r\n"):
		return nil, errors.New("white space in the base64 text; send it in one piece (AppM, App. A, C)")
	case strings.HasPrefix(text, "-"):
		return nil, errors.New("PEM lines around the base64 text; leave them out (AppM, App. A, C)")
	}
	der, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("not base64 as RFC 4648 has it: %w", err)
	}
	return der, nil
}

// decodeFile reads a file of the portal, or what was pasted there, in any of the forms of AppM, App. F. DER as
// it is, which package policy would read as well, is none of them.
func decodeFile(b []byte, name string) ([]byte, error) {
	if len(b) > 0 && b[0] == 0x30 {
		return nil, errors.New("DER where base64 is wanted (AppM, App. F)")
	}
	return policy.DecodePEMOrBase64(b, name)
}
