package repository

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"smki.example/ca"
	"smki.example/policy"
)

// The documents of the web service, as the public client reads them (T): no
// namespace, and every value a string. The order of the elements is that of the
// examples.
type searchResponse struct {
	XMLName xml.Name `xml:"CertificateSearchResponse"`
	head
	Result []shown `xml:"Result"`
}

type dataResponse struct {
	XMLName xml.Name `xml:"CertificateDataResponse"`
	head
	Certificate *retrieved `xml:"CertificateResponse"`
}

type head struct {
	Code      int    `xml:"ResponseCode"`
	Message   string `xml:"ResponseMessage"`
	Reference string `xml:"AuditReference"`
}

type shown struct {
	Serial  string  `xml:"CertificateSerial"`
	Subject *string `xml:"CertificateSubjectName,omitempty"`    // organisations
	AltName *string `xml:"CertificateSubjectAltName,omitempty"` // devices
	Status  string  `xml:"CertificateStatus"`
	Role    *int    `xml:"CertificateRole,omitempty"` // organisations; decimal
	Usage   string  `xml:"CertificateUsage"`
	Flag    bool    `xml:"ManufacturingFlag"` // its meaning is not known; false in every example
}

type retrieved struct {
	Subject *string `xml:"CertificateSubjectName,omitempty"`
	AltName *string `xml:"CertificateSubjectAltName,omitempty"`
	Serial  string  `xml:"CertificateSerial"`
	Status  string  `xml:"CertificateStatus"`
	Body    string  `xml:"CertificateBody"`
	Role    *int    `xml:"CertificateRole,omitempty"`
	Usage   string  `xml:"CertificateUsage"`
	Flag    bool    `xml:"ManufacturingFlag"`
}

// What a status of HTTP means to the public client (T). Any other is a failure to it.
const (
	statusNothingFound = http.StatusPaymentRequired // 402
	statusBadQuestion  = http.StatusUnauthorized    // 401
)

// A fault is an answer that has no certificate in it.
type fault struct {
	status int
	text   string
}

func (f *fault) Error() string { return f.text }

// search answers with every certificate of one organisation or device, whatever its
// status: the client filters by itself, and then retrieves each that fits.
func (r *Repository) search(w http.ResponseWriter, req *http.Request) {
	r.serve(w, req, "CertificateSearchRequest", []string{"CertificateSubjectName", "CertificateSubjectAltName"},
		func(h head) any { return searchResponse{head: h} },
		func(ctx context.Context, q question, h head) (any, error) {
			id, err := policy.ParseEntityID(q.value)
			if err != nil {
				return nil, &fault{statusBadQuestion, err.Error()}
			}
			filter := ca.Filter{Entity: &id, Profile: policy.ProfileDevice}
			if q.field == "CertificateSubjectName" {
				filter.Profile = policy.ProfileOrganisation
			}
			a := searchResponse{head: h}
			now := r.Issuer.Now()
			for c, err := range r.Issuer.List(ctx, filter) {
				if err != nil {
					return nil, err
				}
				s := r.show(c, now)
				a.Result = append(a.Result, shown{Serial: s.Serial, Subject: s.Subject, AltName: s.AltName, Status: s.Status, Role: s.Role, Usage: s.Usage})
			}
			if len(a.Result) == 0 {
				return nil, &fault{statusNothingFound, "no certificate has this subject"}
			}
			return a, nil
		})
}

// retrieve answers with one certificate. Those of authorities are not answered: the
// documents have no word for their usage.
func (r *Repository) retrieve(w http.ResponseWriter, req *http.Request) {
	r.serve(w, req, "CertificateDataRequest", []string{"CertificateSerial"},
		func(h head) any { return dataResponse{head: h} },
		func(ctx context.Context, q question, h head) (any, error) {
			serial, err := policy.ParseSerial(q.value)
			if err != nil {
				return nil, &fault{statusBadQuestion, err.Error()}
			}
			c, err := r.Issuer.BySerial(ctx, serial)
			if errors.Is(err, ca.ErrNotFound) || err == nil && c.Profile.Authority() {
				return nil, &fault{statusNothingFound, "no certificate has this serial number"}
			}
			if err != nil {
				return nil, err
			}
			return dataResponse{head: h, Certificate: r.show(c, r.Issuer.Now())}, nil
		})
}

func (r *Repository) show(c *ca.Certificate, now time.Time) *retrieved {
	s := &retrieved{Serial: c.Serial.String(), Status: string(r.Transitions.StatusAt(c, now, r.Acceptance)),
		Body: base64.StdEncoding.EncodeToString(c.DER), Usage: usage(c.Usage)}
	var entity string
	if c.Entity != nil {
		entity = c.Entity.String()
	}
	if c.Profile == policy.ProfileDevice {
		s.AltName = &entity
		return s
	}
	s.Subject = &entity
	if c.Role != nil {
		role := int(*c.Role)
		s.Role = &role
	}
	return s
}

// usage is the word of the web service. An end entity's certificate has one usage
// or the other, never both.
func usage(u policy.KeyUsage) string {
	if u == policy.UsageKeyAgreement {
		return "KA"
	}
	return "DS"
}

// serve reads a question, has it answered and writes the answer, all within the
// time of one answer. Every answer, of whatever status, is such a document, because
// the client looks at the type before anything else.
func (r *Repository) serve(w http.ResponseWriter, req *http.Request, root string, fields []string,
	empty func(head) any, find func(context.Context, question, head) (any, error),
) {
	ctx, cancel := context.WithTimeout(req.Context(), r.Timeout)
	defer cancel()
	h := head{Code: http.StatusOK, Message: "Success", Reference: r.reference()}
	found, err := r.ask(ctx, w, req, root, fields, func(q question) (any, error) { return find(ctx, q, h) })
	if err != nil {
		f := r.fault(w, req, h.Reference, err)
		h.Code, h.Message = f.status, f.text
		found = empty(h)
	}
	body, err := xml.Marshal(found)
	if err != nil { // no value of these documents can do that
		r.Logger.Error("writing an answer", "path", req.URL.Path, "reference", h.Reference, "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	body = append([]byte(`<?xml version="1.0" encoding="utf-8"?>`+"\n"), body...)
	header := w.Header()
	header.Set("Content-Type", "application/xml")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(h.Code)
	_, _ = w.Write(body) // the reader has gone, which is the reader's affair
}

// ask lets nobody in before the key is known, and reads nothing before that.
func (r *Repository) ask(ctx context.Context, w http.ResponseWriter, req *http.Request, root string, fields []string, find func(question) (any, error)) (any, error) {
	if _, err := r.admit(ctx, req); err != nil {
		return nil, err
	}
	if media, _, err := mime.ParseMediaType(req.Header.Get("Content-Type")); err != nil || media != "application/xml" {
		return nil, &fault{http.StatusUnsupportedMediaType, "want a request of type application/xml"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxQuestion))
	if err != nil {
		return nil, &fault{statusBadQuestion, fmt.Sprintf("want a whole document of %d octets at most", maxQuestion)}
	}
	q, err := readQuestion(body, root, fields...)
	if err != nil {
		return nil, &fault{statusBadQuestion, err.Error()}
	}
	return find(q)
}

// fault says what an error is to the client, and logs what only we need to know.
func (r *Repository) fault(w http.ResponseWriter, req *http.Request, reference string, err error) *fault {
	var f *fault
	var busy *tooMany
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &busy):
		w.Header().Set("Retry-After", strconv.Itoa(busy.seconds()))
		return &fault{http.StatusTooManyRequests, busy.Error()}
	case errors.Is(err, ErrForbidden):
		r.Logger.Info("refusing a request", "path", req.URL.Path, "reference", reference, "error", err)
		return &fault{http.StatusForbidden, ErrForbidden.Error()}
	}
	r.Logger.Error("answering from the ledger", "path", req.URL.Path, "reference", reference, "error", err)
	w.Header().Set("Retry-After", "5")
	return &fault{http.StatusServiceUnavailable, "the ledger does not answer"}
}

// reference names one answer: the second it was given in, and something drawn at
// random. It stands in our log where there is anything to say of the answer.
func (r *Repository) reference() string {
	var b [8]byte
	_, _ = io.ReadFull(r.Rand, b[:])
	return strconv.FormatInt(r.Issuer.Now().Unix(), 10) + "-" + hex.EncodeToString(b[:])
}
