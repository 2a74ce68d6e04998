package smkiws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

const (
	submitRoot = "SubmitCSRBatchStatus"
	resultRoot = "CSRBatchResult"
)

// serveSubmit takes a batch (AppM 2.5, App. C). It is spooled and read to its end, then
// kept, then answered: an answer PENDING means that the batch is on disk.
func (s *Service) serveSubmit(w http.ResponseWriter, r *http.Request) {
	c, ok := identify(w, r, s.cfg.Identify, s.cfg.BatchRoles)
	if !ok || !acceptable(w, r) {
		return
	}
	b, f, err := s.submit(r.Context(), c, r.Body, deadline(w, s.limits.BatchTime))
	if err != nil {
		interrupted(w, err)
		return
	}
	if f != nil {
		v := s.checks.named(f.check).Batch
		id := b.Name
		if f.check == checkXML {
			id = "" // the ID of a malformed document is not sent back
		}
		s.logger.Info("batch refused", "party", c.Party, "status", v.Status, "code", v.Code, "reason", f.detail)
		s.sendBatch(w, submitRoot, id, v, 0, f.detail)
		return
	}
	s.sendBatch(w, submitRoot, b.Name, Verdict{Status: string(Pending)}, b.ID, "")
}

// submit reads, checks and keeps a batch, and calls read when the client's part is done.
// An error says that the client's document did not arrive; a failure is an answer.
func (s *Service) submit(ctx context.Context, c Client, body io.Reader, read func()) (Batch, *failure, error) {
	b := Batch{Channel: ServiceChannel, Party: c.Party, Requester: c.Requester}
	sp, err := newSpool(s.cfg.Spool)
	if err != nil {
		return b, s.internal("spooling a batch", err), nil
	}
	defer sp.Close()
	b.Name, err = ReadBatch(io.TeeReader(body, sp), s.limits, func(Item) error {
		b.Items++
		return nil
	})
	read()
	var format *FormatError
	switch {
	case errors.As(err, &format):
		return b, &failure{check: checkXML, detail: format.Error()}, nil
	case errors.Is(err, ErrTooMany):
		return b, &failure{check: checkTooMany, detail: fmt.Sprintf("the batch has more than %d requests; send it in parts", s.limits.BatchItems)}, nil
	case errors.Is(err, errSpool):
		return b, s.internal("spooling a batch", err), nil
	case err != nil:
		return b, nil, err
	}
	if err := s.keep(ctx, sp, &b); err != nil {
		return b, s.internal("keeping a batch", err), nil
	}
	return b, nil, nil
}

func (s *Service) internal(what string, err error) *failure {
	s.logger.Error(what, "error", err)
	return failureOf(err, true)
}

var batchNumber = regexp.MustCompile(`^[0-9]{1,18}$`)

// queryBatch reads the one parameter that a query has.
func queryBatch(rawQuery string) (int64, error) {
	values, err := url.ParseQuery(rawQuery)
	if err != nil || len(values) != 1 || len(values["BatchId"]) != 1 || !batchNumber.MatchString(values["BatchId"][0]) {
		return 0, errors.New("want ?BatchId= and a number, and nothing else")
	}
	return strconv.ParseInt(values["BatchId"][0], 10, 64)
}

// serveResult tells where a batch stands and, when it is COMPLETED, what became of each
// request (AppM, App. D). A batch of another Party, one that never was, and one whose
// results are gone are told alike.
func (s *Service) serveResult(w http.ResponseWriter, r *http.Request) {
	c, ok := identify(w, r, s.cfg.Identify, s.cfg.BatchRoles)
	if !ok {
		return
	}
	fail := func(check, detail string) {
		s.sendBatch(w, resultRoot, "", s.checks.named(check).Batch, 0, detail)
	}
	id, err := queryBatch(r.URL.RawQuery)
	if err != nil {
		fail(checkBadQuery, err.Error())
		return
	}
	b, err := s.owned(r.Context(), c, id)
	if errors.Is(err, ErrNotFound) || err == nil && b.Channel != ServiceChannel {
		fail(checkUnknownBatch, fmt.Sprintf("the Party has no batch %d whose results can be fetched", id))
		return
	}
	if err != nil {
		s.logger.Error("reading a batch's state", "batch", id, "error", err)
		fail(checkUnreadable, "the state of the batch could not be read; report this code to the Service Desk")
		return
	}
	if why := s.demand.early(b, s.now()); why != "" {
		s.logger.Warn("result fetched "+why, "batch", id, "party", c.Party, "enforced", s.limits.Enforce)
		if s.limits.Enforce {
			w.Header().Set("Retry-After", "3600")
			http.Error(w, "results are not to be fetched "+why+" (AppN 3.1.3)", http.StatusTooManyRequests)
			return
		}
	}
	if b.State != Completed {
		s.sendBatch(w, resultRoot, b.Name, Verdict{Status: string(b.State)}, b.ID, "")
		return
	}
	s.sendResult(w, r, b)
}

// sendResult streams the outcomes of a batch, 35 MB for a full one, in constant memory.
// The first page is read before anything is sent, so that a database that is down is
// told properly; one that goes down later breaks the connection, which no client can
// take for the end of a document.
func (s *Service) sendResult(w http.ResponseWriter, r *http.Request, b Batch) {
	page, err := s.outcomes(r.Context(), b.ID, 0)
	if err != nil {
		s.logger.Error("reading a batch's results", "batch", b.ID, "error", err)
		s.sendBatch(w, resultRoot, "", s.checks.named(checkUnreadable).Batch, 0, "the results of the batch could not be read; report this code to the Service Desk")
		return
	}
	defer s.sendingDeadline(w)()
	header(w)
	a := newAnswer(w, resultRoot, b.Name, 32<<10)
	a.element("Version", "1.0")
	a.element("Build", s.cfg.Build)
	a.element("BatchStatus", string(b.State))
	a.element("BatchId", strconv.FormatInt(b.ID, 10))
	for len(page) > 0 && a.err == nil {
		for _, o := range page {
			a.open("DeviceCertificate", o.name)
			a.element("Status", o.status)
			if o.certificate != nil {
				a.octets("Certificate", o.certificate)
			} else {
				a.problem(o.code, o.detail)
			}
			a.close("DeviceCertificate")
		}
		if page, err = s.outcomes(r.Context(), b.ID, page[len(page)-1].item); err != nil {
			s.logger.Error("reading a batch's results", "batch", b.ID, "error", err)
			panic(http.ErrAbortHandler)
		}
	}
	if a.end(resultRoot) == nil {
		s.demand.delivered(b.ID)
	}
}

// An outcome is what became of one item.
type outcome struct {
	item                       int64
	name, status, code, detail string
	serial                     policy.Serial
	certificate                []byte // nil unless status is SUCCESS
}

// outcomesPage is how many outcomes one read takes.
const outcomesPage = 500

// outcomes returns the items after a given one with their certificates out of the
// ledger, some hundreds at a time, in one state of the database.
func (s *Service) outcomes(ctx context.Context, batch, after int64) ([]outcome, error) {
	var out []outcome
	err := s.store.Read(ctx, func(tx store.Tx) error {
		var err error
		if out, err = itemsIn(ctx, tx, batch, after); err != nil {
			return err
		}
		for n := range out {
			o := &out[n]
			if o.status != "SUCCESS" {
				continue
			}
			c, err := ca.CertificateIn(ctx, tx, o.serial)
			if err != nil {
				return fmt.Errorf("certificate of item %q: %w", o.name, err)
			}
			o.certificate = c.DER
		}
		return nil
	})
	return out, err
}

func itemsIn(ctx context.Context, tx store.Tx, batch, after int64) ([]outcome, error) {
	rows, err := tx.Query(ctx, `SELECT smkiws_item.item, name, status, code, detail, serial FROM smkiws_item
		JOIN smkiws_outcome ON smkiws_outcome.batch = smkiws_item.batch AND smkiws_outcome.item = smkiws_item.item
		WHERE smkiws_item.batch = $1 AND smkiws_item.item > $2 ORDER BY smkiws_item.item LIMIT 500`, batch, after) // outcomesPage
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make([]outcome, 0, outcomesPage)
	for rows.Next() {
		var o outcome
		var serial []byte
		if err := rows.Scan(&o.item, &o.name, &o.status, &o.code, &o.detail, &serial); err != nil {
			return nil, err
		}
		copy(o.serial[:], serial)
		out = append(out, o)
	}
	return out, rows.Err()
}
