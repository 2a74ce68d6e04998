package gbcs

import (
	"fmt"

	"smki.example/policy"
)

// UpdateDeviceCertificate is the payload of a CS02d command: a new certificate
// (DER) for a key pair that the device made on CS02c (GBCS 13.5).
type UpdateDeviceCertificate struct {
	Certificate []byte
}

// UpdateDeviceCertificateResponse is the answer.
type UpdateDeviceCertificateResponse struct {
	Result DeviceCertificateResult
}

// DeviceCertificateResult says what a device did with a new certificate of its
// own. The values go on the wire, where zero is success.
type DeviceCertificateResult uint8

const (
	DeviceCertificateStored          DeviceCertificateResult = 0
	DeviceCertificateInvalid         DeviceCertificateResult = 1
	DeviceCertificateWrongIdentity   DeviceCertificateResult = 2
	DeviceCertificateInvalidKeyUsage DeviceCertificateResult = 3
	DeviceCertificateNoKeyPair       DeviceCertificateResult = 4
	DeviceCertificateWrongPublicKey  DeviceCertificateResult = 5
	DeviceCertificateStorageFailed   DeviceCertificateResult = 6
	DeviceCertificateKeyChangeFailed DeviceCertificateResult = 7
)

func (r DeviceCertificateResult) String() string {
	switch r {
	case DeviceCertificateStored:
		return "success"
	case DeviceCertificateInvalid:
		return "invalidCertificate"
	case DeviceCertificateWrongIdentity:
		return "wrongDeviceIdentity"
	case DeviceCertificateInvalidKeyUsage:
		return "invalidKeyUsage"
	case DeviceCertificateNoKeyPair:
		return "noCorrespondingKeyPairGenerated"
	case DeviceCertificateWrongPublicKey:
		return "wrongPublicKey"
	case DeviceCertificateStorageFailed:
		return "certificateStorageFailed"
	case DeviceCertificateKeyChangeFailed:
		return "privateKeyChangeFailed"
	}
	return fmt.Sprintf("device certificate result %d", uint8(r))
}

// ReadDeviceCertificate is the payload of a CS02e command: send your own
// certificate for this use (GBCS 13.6).
type ReadDeviceCertificate struct {
	Usage policy.KeyUsage
}

// DeviceCertificateResponse is the answer: a certificate (DER), or, with
// Certificate nil, why there is none.
type DeviceCertificateResponse struct {
	Certificate []byte
	Result      ReadCertificateResult
}

// ReadCertificateResult says why a device sent no certificate. The values go on
// the wire; zero is not one of them.
type ReadCertificateResult uint8

const (
	ReadInvalidKeyUsage   ReadCertificateResult = 1
	ReadNoCertificateHeld ReadCertificateResult = 2
	ReadRetrievalFailure  ReadCertificateResult = 3
)

func (r ReadCertificateResult) String() string {
	switch r {
	case ReadInvalidKeyUsage:
		return "invalidKeyUsage"
	case ReadNoCertificateHeld:
		return "noCertificateHeld"
	case ReadRetrievalFailure:
		return "certificateRetrievalFailure"
	}
	return fmt.Sprintf("read certificate result %d", uint8(r))
}

func (c *UpdateDeviceCertificate) append(w *derWriter) {
	w.whole("the device certificate", c.Certificate)
}

func readUpdateDeviceCertificate(r *derReader) (*UpdateDeviceCertificate, error) {
	der, err := r.whole(tagSequence)
	if err != nil {
		return nil, fmt.Errorf("reading the device certificate: %w", err)
	}
	return &UpdateDeviceCertificate{Certificate: der}, nil
}

func (c *UpdateDeviceCertificateResponse) append(w *derWriter) {
	w.unsigned(tagInteger, uint64(c.Result))
}

func readUpdateDeviceCertificateResponse(r *derReader) (*UpdateDeviceCertificateResponse, error) {
	code, err := r.small(tagInteger)
	if err != nil {
		return nil, fmt.Errorf("reading the result: %w", err)
	}
	return &UpdateDeviceCertificateResponse{Result: DeviceCertificateResult(code)}, nil
}

func (c *ReadDeviceCertificate) append(w *derWriter) { appendUsage(w, c.Usage) }

func readReadDeviceCertificate(r *derReader) (*ReadDeviceCertificate, error) {
	usage, err := readUsage(r)
	if err != nil {
		return nil, err
	}
	return &ReadDeviceCertificate{Usage: usage}, nil
}

func (c *DeviceCertificateResponse) append(w *derWriter) {
	if c.Certificate != nil {
		w.whole("the device certificate", c.Certificate)
		return
	}
	w.unsigned(tagInteger, uint64(c.Result))
}

func readDeviceCertificateResponse(r *derReader) (*DeviceCertificateResponse, error) {
	der, code, err := readWholeOrCode(r)
	if err != nil {
		return nil, fmt.Errorf("reading the device certificate: %w", err)
	}
	return &DeviceCertificateResponse{Certificate: der, Result: ReadCertificateResult(code)}, nil
}
