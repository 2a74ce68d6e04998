package gbcs

import (
	"errors"
	"fmt"

	"smki.example/policy"
)

// A Message is one GBCS message: the grouping header, a payload, and what
// protects them.
//
// A Message from [Decode] keeps the octets it was read from. Signed, RawPayload,
// Signature and MACOctets are views of a private copy and must not be written
// to. Verification is over these octets whatever is done to Header and Payload
// afterwards; [Message.Encode] writes Header and Payload as they then are.
//
// A Message from a builder is a pre-command, or an answer without protection,
// until [Message.SignWith] and [Message.AddMAC] are called, in this order: the
// MAC covers the signature. Neither Header nor Payload may change after that.
//
// Methods that change nothing may be called concurrently.
type Message struct {
	MAC     bool // General-Ciphering around the message (DD), not General-Signing alone (DF)
	Header  GroupingHeader
	Payload Payload

	// RawPayload is the payload as received, nil in a message that was built.
	RawPayload []byte
	// Form is how lengths in the payload were written when it was read, and are
	// when it is written.
	Form LengthForm

	// Signed is what the signature covers: from after the DF tag to the end of
	// the payload. It is set by Decode and SignWith.
	Signed    []byte
	Signature []byte // r and s, 64 octets, or nil
	MACOctets []byte // 12 octets, or nil

	// Precommand marks a command that its sender has not signed yet. It ends with
	// the payload, or, as an older DCC test tool wrote it, with a zero octet that
	// is not signed (TrailingZero).
	Precommand   bool
	TrailingZero bool

	aad    []byte // what the MAC covers, as received: six octets of header, then the inner message
	made   []byte // what SignWith or AddMAC wrote: the inner message to the end of its payload, without the DF tag
	oddity string // why Form is LengthsAsReceived
}

// A Payload is the content of a message of one use case. The types that
// implement it are all in this package.
type Payload interface {
	append(*derWriter)
	// Describe returns the payload as a tree for people and programs to read.
	Describe() Tree
}

// Opaque is a payload that was not read: its use case is not one of CS02a to
// CS02g (Err is nil), or it should have been and its octets are malformed (Err
// says where).
type Opaque struct {
	Octets []byte
	Err    error
}

func (o Opaque) append(w *derWriter) { w.b = append(w.b, o.Octets...) }

// NewCommand returns a command with the header's counter, parties and code,
// without protection as yet. A zero MessageCode becomes that of the payload.
//
// The caller must not use a counter twice for one originator and recipient: see
// the package comment.
func NewCommand(h GroupingHeader, p Payload) *Message {
	h.CRA = CRACommand
	if h.MessageCode == 0 {
		h.MessageCode = codeOf(p)
	}
	return &Message{Header: h, Payload: p, Precommand: true}
}

// NewResponse returns the answer of a device to a command, without protection as
// yet: originator and recipient change places, counter and code stay. An answer
// to an Update Security Credentials command gets the placeholder date-time that
// all public answers have.
func NewResponse(command GroupingHeader, p Payload) *Message {
	h := GroupingHeader{
		CRA:         CRAResponse,
		Counter:     command.Counter,
		Originator:  command.Recipient,
		Recipient:   command.Originator,
		MessageCode: command.MessageCode,
	}
	if _, update := h.MessageCode.Mode(); update {
		h.DateTime = PlaceholderDateTime()
	}
	return &Message{Header: h, Payload: p}
}

// NewAlert returns the alert that reports a future dated command when its time
// has come, without a signature as yet. The counter is the device's own.
func NewAlert(device, recipient policy.EntityID, counter OriginatorCounter, loadController bool, a *Alert) *Message {
	h := GroupingHeader{CRA: CRAAlert, Counter: counter, Originator: device, Recipient: recipient, MessageCode: CodeUpdateAlert}
	if loadController {
		h.MessageCode = CodeUpdateAlertLoadController
	}
	return &Message{Header: h, Payload: a}
}

func codeOf(p Payload) MessageCode {
	switch p := p.(type) {
	case *UpdateSecurityCredentials:
		return p.Mode.MessageCode()
	case *ReadCredentials:
		return CodeReadCredentials
	case *IssueCredentials:
		return CodeIssueCredentials
	case *UpdateDeviceCertificate:
		return CodeUpdateDeviceCertificate
	case *ReadDeviceCertificate:
		return CodeReadDeviceCertificate
	}
	return 0
}

// payload returns the octets of the payload as Encode writes them.
func (m *Message) payload() ([]byte, error) {
	if m.Form == LengthsAsReceived {
		return m.RawPayload, nil
	}
	if m.Payload == nil {
		return nil, errors.New("writing the payload: there is none")
	}
	w := derWriter{form: m.Form, b: make([]byte, 0, max(len(m.RawPayload), sizeHint(m.Payload)))}
	m.Payload.append(&w)
	if w.err != nil {
		return nil, fmt.Errorf("writing the payload of %s %s: %w", m.Header.MessageCode.UseCase(), m.Header.CRA, w.err)
	}
	if len(w.b) > maxLength {
		return nil, fmt.Errorf("writing the payload: %d octets, more than a message can have (%d)", len(w.b), maxLength)
	}
	return w.b, nil
}

// sizeHint is about how many octets a payload has, so that writing it need not grow
// its buffer; a command is its certificates and little else.
func sizeHint(p Payload) int {
	u, ok := p.(*UpdateSecurityCredentials)
	if !ok {
		return 512
	}
	n := 256
	for _, r := range u.Replacements {
		n += len(r.Certificate) + 32
	}
	for _, c := range u.Path {
		n += len(c)
	}
	return n
}

// decodePayload reads the payload by the use case that the header names. It
// cannot fail: what it does not understand it keeps.
func (m *Message) decodePayload() {
	seen := &lengthsSeen{}
	p, err := readPayload(m.Header, &derReader{rest: m.RawPayload, seen: seen})
	if err != nil || p == nil {
		m.Payload = Opaque{Octets: m.RawPayload, Err: err}
		return
	}
	m.Payload, m.Form, m.oddity = p, seen.form(), seen.oddity
	if m.Form == LengthsAsReceived && m.oddity == "" {
		m.oddity = "some lengths of 128 to 255 have two octets and others three"
	}
}

// readPayload returns nil and no error for a use case that is not ours.
func readPayload(h GroupingHeader, r *derReader) (p Payload, err error) {
	_, update := h.MessageCode.Mode()
	switch {
	case update && h.CRA == CRACommand:
		p, err = readUpdate(r)
	case update && h.CRA == CRAResponse:
		p, err = readCommandResponse(r)
	case h.CRA == CRAAlert:
		if h.MessageCode != CodeUpdateAlert && h.MessageCode != CodeUpdateAlertLoadController {
			return nil, nil
		}
		p, err = readAlert(r)
	default:
		command := h.CRA == CRACommand
		switch h.MessageCode {
		case CodeReadCredentials, CodeReadCredentialsLoadController:
			if command {
				p, err = readReadCredentials(r)
			} else {
				p, err = readCredentialDetails(r)
			}
		case CodeIssueCredentials:
			if command {
				p, err = readIssueCredentials(r)
			} else {
				p, err = readIssueResponse(r)
			}
		case CodeUpdateDeviceCertificate:
			if command {
				p, err = readUpdateDeviceCertificate(r)
			} else {
				p, err = readUpdateDeviceCertificateResponse(r)
			}
		case CodeReadDeviceCertificate:
			if command {
				p, err = readReadDeviceCertificate(r)
			} else {
				p, err = readDeviceCertificateResponse(r)
			}
		default:
			return nil, nil
		}
	}
	if err != nil {
		return nil, err
	}
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("after the payload: %w", err)
	}
	return p, nil
}
