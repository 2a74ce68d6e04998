package smkiws

import (
	"archive/zip"
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// SubmitArchive takes a batch from the portal: an archive as [ReadArchive] reads it
// (AppM 2.3.1.6, 2.3.1.7). name is the archive's own, "meters.zip". The answer is
// synchronous: the batch with its number of requests, or a *[FormatError] or
// [ErrTooMany], with which the whole batch is refused. Every file is unpacked once
// before the batch is kept, so that what is accepted can be read.
func (s *Service) SubmitArchive(ctx context.Context, c Client, name string, r io.Reader) (Batch, error) {
	b := Batch{Channel: PortalChannel, Party: c.Party, Requester: c.Requester}
	if c.Party == "" || c.Requester == "" {
		return b, fmt.Errorf("taking an archive: %w: nobody was identified", ErrForbidden)
	}
	var err error
	if b.Name, err = archiveName(name); err != nil {
		return b, err
	}
	sp, err := newSpool(s.cfg.Spool)
	if err != nil {
		return b, err
	}
	defer sp.Close()
	if _, err := io.Copy(sp, io.LimitReader(r, s.limits.BatchOctets+1)); err != nil {
		return b, fmt.Errorf("receiving an archive: %w", err)
	}
	err = ReadArchive(sp.file, sp.octets, s.limits, func(Item) error {
		b.Items++
		return nil
	})
	if err != nil {
		return b, err
	}
	return b, s.keep(ctx, sp, &b)
}

// archiveName is the name of an archive without path and extension; it becomes part
// of a file's name on the client's disk.
func archiveName(name string) (string, error) {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	if strings.EqualFold(path.Ext(name), ".zip") {
		name = name[:len(name)-len(".zip")]
	}
	if name == "" || name == "." || name == "/" || len(name) > 100 || strings.ContainsFunc(name, func(r rune) bool {
		return r < ' ' || r > '~' || strings.ContainsRune(`"*:;<>?|/\`, r)
	}) {
		return "", archiveError("", "the archive's name %.100q: want 1 to 100 letters, digits and the like", name)
	}
	return name, nil
}

// ErrNotReady is wrapped by errors that say a batch has no results yet, or never will.
var ErrNotReady = errors.New("the batch has no results")

// results returns a batch of c's Party that is COMPLETED. Batches of the web service are
// offered here as well (AppM 2.5.1.4).
func (s *Service) results(ctx context.Context, c Client, id int64) (Batch, error) {
	b, err := s.owned(ctx, c, id)
	if err == nil && b.State != Completed {
		return b, fmt.Errorf("results of batch %d: %w: it is %s", id, ErrNotReady, b.State)
	}
	return b, err
}

// BatchOf returns a batch of c's Party. The error wraps [ErrNotFound].
func (s *Service) BatchOf(ctx context.Context, c Client, id int64) (Batch, error) {
	return s.owned(ctx, c, id)
}

// Report writes the response report of a batch (AppM, App. F): one line for each
// request in the order of the upload, ended by CR LF, with fields divided by a tab:
// identifier, file name, status (success, error, anomaly, ineligible) and, where there
// is one, the code. The identifier is BatchId, a full stop and the number of the
// request in the batch. Layout and identifier are our choice (I); no field can have a
// tab or a line end in it.
//
// The error wraps [ErrNotFound] or [ErrNotReady] before anything is written.
func (s *Service) Report(ctx context.Context, c Client, id int64, w io.Writer) error {
	b, err := s.results(ctx, c, id)
	if err != nil {
		return err
	}
	return s.report(ctx, b, w)
}

func (s *Service) report(ctx context.Context, b Batch, w io.Writer) error {
	out := bufio.NewWriter(w)
	err := s.eachOutcome(ctx, b, func(o outcome) error {
		v := s.reportOf(o.status, o.code)
		line := fmt.Sprintf("%d.%d\t%s.csr\t%s", b.ID, o.item, o.name, v.Status)
		if v.Code != "" {
			line += "\t" + v.Code
		}
		_, err := out.WriteString(line + "\r\n")
		return err
	})
	if err == nil {
		err = out.Flush()
	}
	return err
}

// Certificates writes the response certificates of a batch (AppM, App. F): an archive
// with a file for each request that succeeded, named like the request's with crt. See
// [ResponseName] for the archive's own name. Errors are those of Report.
func (s *Service) Certificates(ctx context.Context, c Client, id int64, w io.Writer) error {
	b, err := s.results(ctx, c, id)
	if err != nil {
		return err
	}
	z := zip.NewWriter(w)
	if err := s.certificates(ctx, b, z); err != nil {
		return err
	}
	return z.Close()
}

// Response writes report and certificates as one archive, the "Response File" of
// AppM, App. F; 2.3.1.9 has them as two downloads. The report stands first, as
// report.txt. Errors are those of Report.
func (s *Service) Response(ctx context.Context, c Client, id int64, w io.Writer) error {
	b, err := s.results(ctx, c, id)
	if err != nil {
		return err
	}
	z := zip.NewWriter(w)
	file, err := z.CreateHeader(&zip.FileHeader{Name: "report.txt", Method: zip.Deflate, Modified: b.FinishedAt})
	if err == nil {
		err = s.report(ctx, b, file)
	}
	if err == nil {
		err = s.certificates(ctx, b, z)
	}
	if err != nil {
		return err
	}
	return z.Close()
}

// ResponseName is the name of a batch's response archive: that of the request with
// -response.
func (b Batch) ResponseName() string {
	if b.Channel == PortalChannel {
		return b.Name + "-response.zip"
	}
	return fmt.Sprintf("batch-%d-response.zip", b.ID)
}

func (s *Service) certificates(ctx context.Context, b Batch, z *zip.Writer) error {
	return s.eachOutcome(ctx, b, func(o outcome) error {
		if o.certificate == nil {
			return nil
		}
		text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: o.certificate})
		if s.cfg.BareCertificates {
			text = []byte(base64.StdEncoding.EncodeToString(o.certificate) + "\n")
		}
		file, err := z.CreateHeader(&zip.FileHeader{Name: o.name + ".crt", Method: zip.Deflate, Modified: b.FinishedAt})
		if err == nil {
			_, err = file.Write(text)
		}
		return err
	})
}

func (s *Service) eachOutcome(ctx context.Context, b Batch, f func(outcome) error) error {
	for after := int64(0); ; {
		page, err := s.outcomes(ctx, b.ID, after)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, o := range page {
			if err := f(o); err != nil {
				return err
			}
			after = o.item
		}
	}
}

// portal serves batch files to AROs' browsers and tools. Its paths and the JSON of its
// answers are ours (I): those of the SMKI Portal are in the SMKI User Guide, which is
// not public. An upload is the archive itself with ?name=, or a form with one file.
// Forms of other sites are refused, because a browser sends the ARO's certificate for
// them too.
func (s *Service) portal() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+PortalPath, s.servePortalUpload)
	mux.HandleFunc("GET "+PortalPath+"/{id}", s.servePortalBatch)
	mux.HandleFunc("GET "+PortalPath+"/{id}/report.txt", s.servePortalFile("text/plain; charset=utf-8", func(b Batch) string {
		return strings.TrimSuffix(b.ResponseName(), ".zip") + ".txt"
	}, s.Report))
	mux.HandleFunc("GET "+PortalPath+"/{id}/certificates.zip", s.servePortalFile("application/zip", Batch.ResponseName, s.Certificates))
	mux.HandleFunc("GET "+PortalPath+"/{id}/response.zip", s.servePortalFile("application/zip", Batch.ResponseName, s.Response))
	return http.NewCrossOriginProtection().Handler(mux)
}

// portalBatch is a batch as the portal tells it.
type portalBatch struct {
	BatchID     int64      `json:"batch_id"`
	Name        string     `json:"name"`
	Status      State      `json:"status"`
	Requests    int        `json:"requests"`
	SHA256      string     `json:"sha256"`
	SubmittedAt time.Time  `json:"submitted_at"`
	FinishedAt  *time.Time `json:"finished_at,omitempty"`
	// Until is when the results will be gone.
	Until *time.Time `json:"available_until,omitempty"`
}

func (s *Service) tellBatch(w http.ResponseWriter, status int, b Batch) {
	tell := portalBatch{BatchID: b.ID, Name: b.Name, Status: b.State, Requests: b.Items, SHA256: fmt.Sprintf("%x", b.Digest), SubmittedAt: b.SubmittedAt}
	if !b.FinishedAt.IsZero() {
		until := b.FinishedAt.Add(s.limits.Retention)
		tell.FinishedAt, tell.Until = &b.FinishedAt, &until
	}
	writeJSON(w, status, tell)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (s *Service) tellError(w http.ResponseWriter, err error) {
	status, text := s.errorOf(err)
	writeJSON(w, status, map[string]string{"error": text})
}

// errorOf is what a person is told of an error, and its HTTP status.
func (s *Service) errorOf(err error) (status int, text string) {
	status, text = http.StatusInternalServerError, "an internal failure; try again, then tell the Service Desk"
	var format *FormatError
	switch {
	case errors.As(err, &format):
		status, text = http.StatusUnprocessableEntity, "the batch is refused as a whole: "+format.Error()
	case errors.Is(err, ErrTooMany):
		status, text = http.StatusUnprocessableEntity, fmt.Sprintf("the batch is refused as a whole: it has more than %d requests; send it in parts", s.limits.BatchItems)
	case errors.Is(err, ErrNotFound):
		status, text = http.StatusNotFound, "the Party has no such batch, or its results are gone"
	case errors.Is(err, ErrNotReady):
		status, text = http.StatusConflict, err.Error()
	default:
		s.logger.Error("serving the portal", "error", err)
	}
	return status, text
}

func (s *Service) servePortalUpload(w http.ResponseWriter, r *http.Request) {
	c, ok := identify(w, r, s.cfg.IdentifyPortal, nil)
	if !ok {
		return
	}
	defer deadline(w, s.limits.BatchTime)()
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	name, body := r.URL.Query().Get("name"), io.Reader(r.Body)
	switch {
	case err == nil && media == "multipart/form-data":
		if name, body, err = formFile(r); err != nil {
			s.tellError(w, err)
			return
		}
	case err == nil && (media == "application/zip" || media == "application/octet-stream" || media == "application/x-zip-compressed"):
	default:
		http.Error(w, "Content-Type must be application/zip or multipart/form-data", http.StatusUnsupportedMediaType)
		return
	}
	b, err := s.SubmitArchive(r.Context(), c, name, body)
	if err != nil {
		s.tellError(w, err)
		return
	}
	s.tellBatch(w, http.StatusAccepted, b)
}

// formFile is the first file of a form; the fields before it are few.
func formFile(r *http.Request) (name string, file io.Reader, err error) {
	form, err := r.MultipartReader()
	if err != nil {
		return "", nil, &FormatError{Reason: "the form cannot be read"}
	}
	for range 10 {
		part, err := form.NextPart()
		if err != nil {
			break
		}
		if part.FileName() != "" {
			return part.FileName(), part, nil
		}
	}
	return "", nil, &FormatError{Reason: "there is no file in the form"}
}

func pathBatch(r *http.Request) (int64, error) {
	if !batchNumber.MatchString(r.PathValue("id")) {
		return 0, ErrNotFound
	}
	return strconv.ParseInt(r.PathValue("id"), 10, 64)
}

func (s *Service) servePortalBatch(w http.ResponseWriter, r *http.Request) {
	c, ok := identify(w, r, s.cfg.IdentifyPortal, nil)
	if !ok {
		return
	}
	id, err := pathBatch(r)
	var b Batch
	if err == nil {
		b, err = s.owned(r.Context(), c, id)
	}
	if err != nil {
		s.tellError(w, err)
		return
	}
	s.tellBatch(w, http.StatusOK, b)
}

// servePortalFile serves one kind of download. What can be refused is refused before
// the first octet; a failure after it breaks the connection.
func (s *Service) servePortalFile(media string, name func(Batch) string, write func(context.Context, Client, int64, io.Writer) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, ok := identify(w, r, s.cfg.IdentifyPortal, nil)
		if !ok {
			return
		}
		id, err := pathBatch(r)
		var b Batch
		if err == nil {
			b, err = s.results(r.Context(), c, id)
		}
		if err != nil {
			s.tellError(w, err)
			return
		}
		defer s.sendingDeadline(w)()
		w.Header().Set("Content-Type", media)
		w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name(b)}))
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if err := write(r.Context(), c, id, w); err != nil {
			s.logger.Error("sending a batch's files", "batch", id, "error", err)
			panic(http.ErrAbortHandler)
		}
	}
}
