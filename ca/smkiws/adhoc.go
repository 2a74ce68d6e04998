package smkiws

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"smki.example/ca"
	"smki.example/policy"
)

// serveAdHoc is the Ad Hoc Device CSR web service (AppM 2.4, App. A): one request,
// answered with its certificate in the same call.
func (s *Service) serveAdHoc(w http.ResponseWriter, r *http.Request) {
	c, ok := identify(w, r, s.cfg.Identify, s.cfg.AdHocRoles)
	if !ok || !acceptable(w, r) {
		return
	}
	now := s.now()
	transaction := s.serial.next(now)
	if wait := s.demand.adHoc(c.Party, now); wait > 0 {
		if n := s.demand.tell(c.Party, now); n > 0 {
			s.logger.Warn("ad hoc requests above the rate", "party", c.Party, "requests", n, "wait", wait, "transaction", transaction, "enforced", s.limits.Enforce)
		}
		if s.limits.Enforce {
			w.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
			http.Error(w, "more ad hoc requests than AppN 3.1.2 allows a Party; wait, or give notice to the Service Desk", http.StatusTooManyRequests)
			return
		}
	}
	lift := deadline(w, s.limits.AdHocTime)
	id, der, bad, err := readAdHoc(r.Body, s.limits.AdHocOctets)
	lift()
	if err != nil {
		var format *FormatError
		if !errors.As(err, &format) {
			interrupted(w, err)
			return
		}
		v := s.checks.named(checkXML).AdHoc
		s.logger.Info("ad hoc request", "transaction", transaction, "party", c.Party, "status", v.Status, "code", v.Code, "reason", format.Error())
		s.sendAdHoc(w, "", transaction, v, nil, format.Error())
		return
	}
	certificate, f := (*ca.Certificate)(nil), bad
	if f == nil {
		certificate, f = s.issueAdHoc(r.Context(), c, der)
	}
	if f != nil {
		v := s.checks.named(f.check).AdHoc
		s.logger.Info("ad hoc request", "transaction", transaction, "party", c.Party, "status", v.Status, "code", v.Code, "reason", f.Error())
		s.sendAdHoc(w, id, transaction, v, nil, f.detail)
		return
	}
	s.logger.Info("ad hoc request", "transaction", transaction, "party", c.Party, "status", "SUCCESS", "serial", certificate.Serial)
	s.sendAdHoc(w, id, transaction, Verdict{Status: "SUCCESS"}, certificate.DER, "")
}

// issueAdHoc makes the checks of the channel in AppM's order (2.4.1.2, 2.4.1.3): form and
// proof of possession, then that the device had a certificate before, then those of
// package ca, the limit of 100 among them.
func (s *Service) issueAdHoc(ctx context.Context, c Client, der []byte) (*ca.Certificate, *failure) {
	request, err := policy.ParseRequest(der)
	if err == nil && request.Kind() == policy.ProfileDevice {
		earlier, err := s.cfg.Issuer.ByEntity(ctx, request.DeviceID)
		if err != nil {
			s.logger.Error("looking up the device of an ad hoc request", "error", err)
			return nil, failureOf(err, true)
		}
		// The signature is checked here only where it decides the answer: package ca checks
		// it in any case, and it is the dearest of the checks.
		if !hasDevice(earlier) && request.CheckSignature() == nil {
			return nil, &failure{check: checkUnknownDevice, detail: fmt.Sprintf("device %s never had a certificate, so that there is nothing to replace; send its requests in a batch", request.DeviceID)}
		}
	}
	// What was found wrong above is found again, and named, by package ca.
	result, whole := s.singles.one(ctx, ca.Request{DER: der, Requester: c.Requester, Type: policy.ProfileDevice})
	if result.Err == nil {
		return result.Certificate, nil
	}
	f := failureOf(result.Err, whole)
	if f.ours {
		s.logger.Error("issuing to an ad hoc request", "error", result.Err)
	}
	return nil, f
}

func hasDevice(certificates []*ca.Certificate) bool {
	for _, c := range certificates {
		if c.Profile == policy.ProfileDevice {
			return true
		}
	}
	return false
}

// acceptable answers requests whose body is declared to be something else than XML in
// UTF-8. A body without a declaration is read as if it had the right one.
func acceptable(w http.ResponseWriter, r *http.Request) bool {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		http.Error(w, "Content-Encoding is not accepted", http.StatusUnsupportedMediaType)
		return false
	}
	declared := r.Header.Get("Content-Type")
	if declared == "" {
		return true
	}
	media, parameters, err := mime.ParseMediaType(declared)
	charset := parameters["charset"]
	if err != nil || media != "application/xml" && media != "text/xml" || charset != "" && !strings.EqualFold(charset, "utf-8") {
		http.Error(w, "Content-Type must be "+contentType, http.StatusUnsupportedMediaType)
		return false
	}
	return true
}

// deadline bounds how long the client may take to send the rest of its request. What it
// returns lifts the bound, which would otherwise end the work that follows. A writer
// that knows no deadlines, as in a test, has none.
func deadline(w http.ResponseWriter, d time.Duration) (lift func()) {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Now().Add(d))
	return func() { _ = c.SetReadDeadline(time.Time{}) }
}

// sendingDeadline bounds how long the client may take to fetch a long answer.
func (s *Service) sendingDeadline(w http.ResponseWriter) (lift func()) {
	c := http.NewResponseController(w)
	_ = c.SetWriteDeadline(time.Now().Add(2 * s.limits.BatchTime))
	return func() { _ = c.SetWriteDeadline(time.Time{}) }
}

// interrupted answers a client whose document did not arrive; most often nobody is
// there to hear it.
func interrupted(w http.ResponseWriter, err error) {
	if errors.Is(err, errSpool) {
		http.Error(w, "the document could not be kept", http.StatusInternalServerError)
		return
	}
	http.Error(w, "the document did not arrive in time, or not whole", http.StatusRequestTimeout)
}
