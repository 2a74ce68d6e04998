package gbcs

import (
	"bytes"
	"fmt"
	"math/bits"

	"smki.example/policy"
)

// CellUsage tells apart two cells of one role and key usage. The values go on
// the wire, where management is 0 and the default, which is never written.
type CellUsage uint8

const (
	CellManagement      CellUsage = 0
	CellPrePaymentTopUp CellUsage = 1
)

func (u CellUsage) String() string {
	switch u {
	case CellManagement:
		return "management"
	case CellPrePaymentTopUp:
		return "prePaymentTopUp"
	}
	return fmt.Sprintf("cell usage %d", uint8(u))
}

// A TrustAnchorCell names one place for a remote party's credentials on a
// device. It is comparable, and a device keeps its anchors in a map by it. The
// role is that of the cell; the certificate in it may be of another party, as an
// access control broker's is before a handover.
type TrustAnchorCell struct {
	Role  policy.RemotePartyRole
	Usage policy.KeyUsage
	Cell  CellUsage
}

// String prints the cell as "supplier keyAgreement prePaymentTopUp"; management
// is not printed.
func (c TrustAnchorCell) String() string {
	s := c.Role.String() + " " + c.Usage.String()
	if c.Cell != CellManagement {
		s += " " + c.Cell.String()
	}
	return s
}

// appendFields writes the cell's fields without the tag around them, which is
// SEQUENCE or [2] by place.
func (c TrustAnchorCell) appendFields(w *derWriter) {
	w.unsigned(tagInteger, uint64(c.Role))
	w.keyUsage(c.Usage)
	w.cellUsage(c.Cell)
}

func (c TrustAnchorCell) append(w *derWriter, tag byte) {
	mark := w.open(tag)
	c.appendFields(w)
	w.close(mark)
}

func readCell(r *derReader, tag byte) (c TrustAnchorCell, err error) {
	fields, err := r.sequence(tag)
	if err != nil {
		return c, fmt.Errorf("trust anchor cell: %w", err)
	}
	role, err := fields.small(tagInteger)
	if err != nil {
		return c, fmt.Errorf("role of a trust anchor cell: %w", err)
	}
	c.Role = policy.RemotePartyRole(role)
	if c.Usage, err = fields.keyUsage(); err != nil {
		return c, fmt.Errorf("key usage of a trust anchor cell: %w", err)
	}
	if c.Cell, err = fields.cellUsage(); err != nil {
		return c, fmt.Errorf("cell usage of a trust anchor cell: %w", err)
	}
	return c, fields.end()
}

func (w *derWriter) cellUsage(u CellUsage) {
	if u != CellManagement {
		w.unsigned(tagInteger, uint64(u))
	}
}

func (r *derReader) cellUsage() (CellUsage, error) {
	if !r.at(tagInteger) {
		return CellManagement, nil
	}
	u, err := r.small(tagInteger)
	if err == nil && CellUsage(u) == CellManagement {
		r.seen.odd("the default cell usage is written out")
	}
	return CellUsage(u), err
}

func (w *derWriter) keyUsage(u policy.KeyUsage) {
	if u>>usageBits != 0 {
		w.fail("writing key usage: %s has a bit beyond decipherOnly", u)
		return
	}
	w.b = append(w.b, u.DER()...)
}

// usageBits is how many named bits a key usage has (RFC 5280, 4.2.1.3).
const usageBits = 9

// keyUsage takes a BIT STRING of named bits in its shortest form. Usages that no
// SMKI key has are read: a command may ask for one and be refused by the device.
func (r *derReader) keyUsage() (u policy.KeyUsage, err error) {
	b, err := r.content(tagBitString)
	if err != nil {
		return 0, err
	}
	if len(b) > 3 {
		return 0, fmt.Errorf("a key usage of %d octets, more than 3", len(b))
	}
	if len(b) > 1 {
		for i, octet := range b[1:] {
			u |= policy.KeyUsage(bits.Reverse8(octet)) << (8 * i)
		}
	}
	if u>>usageBits != 0 || !bytes.Equal(u.DER()[2:], b) {
		return 0, fmt.Errorf("bit string % X is not the shortest form of a key usage", b)
	}
	return u, nil
}
