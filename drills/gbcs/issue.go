package gbcs

import (
	"fmt"

	"smki.example/policy"
)

// IssueCredentials is the payload of a CS02c command: make a new key pair for
// this use and send a certification request for it (GBCS 13.4).
type IssueCredentials struct {
	Usage policy.KeyUsage
}

// IssueResponse is the answer: a PKCS#10 request (DER), or, with Request nil,
// why there is none.
type IssueResponse struct {
	Request []byte
	Result  IssueResult
}

// IssueResult says why a device sent no certification request. The values go on
// the wire; zero is not one of them.
type IssueResult uint8

const (
	IssueInvalidKeyUsage         IssueResult = 1
	IssueKeyPairGenerationFailed IssueResult = 2
	IssueRequestProductionFailed IssueResult = 3
)

func (r IssueResult) String() string {
	switch r {
	case IssueInvalidKeyUsage:
		return "invalidKeyUsage"
	case IssueKeyPairGenerationFailed:
		return "keyPairGenerationFailed"
	case IssueRequestProductionFailed:
		return "crProductionFailed"
	}
	return fmt.Sprintf("issue result %d", uint8(r))
}

func (c *IssueCredentials) append(w *derWriter) { appendUsage(w, c.Usage) }

func readIssueCredentials(r *derReader) (*IssueCredentials, error) {
	usage, err := readUsage(r)
	if err != nil {
		return nil, err
	}
	return &IssueCredentials{Usage: usage}, nil
}

func (c *IssueResponse) append(w *derWriter) {
	if c.Request != nil {
		w.whole("the certification request", c.Request)
		return
	}
	w.unsigned(tagInteger, uint64(c.Result))
}

func readIssueResponse(r *derReader) (*IssueResponse, error) {
	der, code, err := readWholeOrCode(r)
	if err != nil {
		return nil, fmt.Errorf("reading the certification request: %w", err)
	}
	return &IssueResponse{Request: der, Result: IssueResult(code)}, nil
}

// appendUsage writes the command that CS02c and CS02e share.
func appendUsage(w *derWriter, u policy.KeyUsage) {
	mark := w.open(tagSequence)
	w.keyUsage(u)
	w.close(mark)
}

func readUsage(r *derReader) (policy.KeyUsage, error) {
	fields, err := r.sequence(tagSequence)
	if err != nil {
		return 0, fmt.Errorf("reading the command: %w", err)
	}
	usage, err := fields.keyUsage()
	if err != nil {
		return 0, fmt.Errorf("reading the key usage: %w", err)
	}
	return usage, fields.end()
}

// readWholeOrCode takes the answer that CS02c and CS02e share: something in DER,
// or a code.
func readWholeOrCode(r *derReader) (der []byte, code uint8, err error) {
	if r.at(tagInteger) {
		code, err = r.small(tagInteger)
		return nil, code, err
	}
	der, err = r.whole(tagSequence)
	return der, 0, err
}
