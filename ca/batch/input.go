package batch

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
)

// MaxItems is how many requests one batch may have (AppM 2.3.1.2, Appendix F).
const MaxItems = 50000

// maxRequest bounds what is read of one request before package policy, which
// allows less, refuses it as an item.
const maxRequest = 64 << 10

// An Item is one request with the name its sender gave it.
type Item struct {
	ID string
	// Request is the request as it was sent: DER, PEM or base64.
	Request []byte
	// Where says where it stood, for errors: "line 7" or a file's name.
	Where string
}

// An InputError says why a batch is refused as a whole, with every reason that was
// found, up to a limit.
type InputError struct {
	Path     string
	Problems []string
	More     int // problems beyond those
}

// maxProblems is how many reasons an InputError gives: enough to see a pattern.
const maxProblems = 20

// Error lists the problems in one line.
func (e *InputError) Error() string {
	text := fmt.Sprintf("the batch %q is refused as a whole, and nothing of it was begun: %s", e.Path, strings.Join(e.Problems, "; "))
	if e.More > 0 {
		text += fmt.Sprintf("; and %d more", e.More)
	}
	return text
}

func (e *InputError) add(format string, a ...any) {
	if len(e.Problems) == maxProblems {
		e.More++
		return
	}
	e.Problems = append(e.Problems, fmt.Sprintf(format, a...))
}

// Read reads a batch: a folder with one request a file, a zip archive of the same
// (AppM, Appendix F), or a file of lines {"id": "…", "csr": "base64"}. An id has 1 to
// 64 of the characters A-Z a-z 0-9 . _ -; in a folder it is the file's name without
// .csr, .pem, .der, .req, .p10, .b64 or .txt.
//
// A malformed line, an id that is none or stands twice, and too many items are an
// *[InputError] for the whole batch. A malformed request is not: it is an item with
// a result.
func Read(path string) ([]Item, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading batch: %w", err)
	}
	r := &reader{problems: &InputError{Path: path}, lines: make(map[string]string)}
	if info.IsDir() {
		err = r.folder(path)
	} else {
		err = r.file(path)
	}
	if err != nil {
		return nil, fmt.Errorf("reading batch %q: %w", path, err)
	}
	if len(r.items) == 0 && len(r.problems.Problems) == 0 {
		r.problems.add("there is no request in it")
	}
	if r.count > MaxItems {
		r.problems.add("it has %d requests, and %d is the limit (AppM 2.3.1.2); send it in parts", r.count, MaxItems)
	}
	if len(r.problems.Problems) > 0 {
		return nil, r.problems
	}
	return r.items, nil
}

type reader struct {
	problems *InputError
	items    []Item
	count    int               // items seen, those beyond the limit included
	lines    map[string]string // where each id stood
}

var idForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

func (r *reader) add(item Item) {
	r.count++
	if !idForm.MatchString(item.ID) {
		r.problems.add("%s: id %.80q: want 1 to 64 of A-Z a-z 0-9 . _ -", item.Where, item.ID)
		return
	}
	if first, twice := r.lines[item.ID]; twice {
		r.problems.add("%s: id %q stands in %s already", item.Where, item.ID, first)
		return
	}
	r.lines[item.ID] = item.Where
	if r.count <= MaxItems {
		r.items = append(r.items, item)
	}
}

// extensions are those of request files; what else a name ends in belongs to the
// id.
var extensions = []string{".csr", ".pem", ".der", ".req", ".p10", ".b64", ".txt"}

func stem(name string) string {
	ext := filepath.Ext(name)
	for _, known := range extensions {
		if strings.EqualFold(ext, known) && len(name) > len(ext) {
			return name[:len(name)-len(ext)]
		}
	}
	return name
}

// folder reads one request a file. Hidden files are passed over; a folder in it is
// refused, because leaving it out in silence would lose requests.
func (r *reader) folder(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		where := fmt.Sprintf("file %q", e.Name())
		f, err := os.Open(filepath.Join(path, e.Name()))
		if err != nil {
			return err
		}
		info, err := f.Stat()
		if err != nil || !info.Mode().IsRegular() {
			r.problems.add("%s: not a file; requests stand in the folder itself", where)
			f.Close()
			continue
		}
		b, err := io.ReadAll(io.LimitReader(f, maxRequest))
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		r.add(Item{ID: stem(e.Name()), Request: b, Where: where})
	}
	return nil
}

// file tells a zip archive, XML and lines apart by their first octets.
func (r *reader) file(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	buffered := bufio.NewReaderSize(f, 1<<16)
	start, err := buffered.Peek(512)
	if err != nil && err != io.EOF {
		return err
	}
	switch text := bytes.TrimLeft(bytes.TrimPrefix(start, []byte("\xEF\xBB\xBF")), " \t\r\n"); {
	case bytes.HasPrefix(start, []byte("PK\x03\x04")), bytes.HasPrefix(start, []byte("PK\x05\x06")):
		return r.archive(path)
	case bytes.HasPrefix(text, []byte("<")):
		r.problems.add("it is XML, which is read as a batch of the web services and not here; give a file of lines {\"id\", \"csr\"}, a folder or a zip archive")
		return nil
	}
	return r.jsonLines(buffered)
}

func (r *reader) archive(path string) error {
	z, err := zip.OpenReader(path)
	if err != nil {
		r.problems.add("it is no zip archive: %v", err)
		return nil
	}
	defer z.Close()
	for _, f := range z.File {
		where := fmt.Sprintf("file %.100q", f.Name)
		if strings.ContainsAny(f.Name, `/\`) {
			r.problems.add("%s: requests stand in the root of the archive (AppM, Appendix F)", where)
			continue
		}
		in, err := f.Open()
		if err != nil {
			r.problems.add("%s: %v", where, err)
			continue
		}
		b, err := io.ReadAll(io.LimitReader(in, maxRequest))
		if err = errors.Join(err, in.Close()); err != nil && len(b) < maxRequest {
			r.problems.add("%s: %v", where, err)
			continue
		}
		r.add(Item{ID: stem(f.Name), Request: b, Where: where})
		if r.count > MaxItems {
			r.count = len(z.File)
			return nil
		}
	}
	return nil
}

// A line is one of a file of lines, and what it says.
type line struct {
	number int
	text   []byte
	item   Item
	err    error // why it is no item
}

// linesAtOnce is how many lines are decoded together, on every core.
const linesAtOnce = 2000

// jsonLines reads a request a line. Every line is read to its end, so that a file
// with many faults is told once.
func (r *reader) jsonLines(in io.Reader) error {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(make([]byte, 0, 1<<16), 2*maxRequest)
	number := 0
	for more := true; more; {
		var lines []line
		for len(lines) < linesAtOnce {
			if more = scanner.Scan(); !more {
				break
			}
			number++
			if text := bytes.TrimSpace(scanner.Bytes()); len(text) > 0 {
				lines = append(lines, line{number: number, text: bytes.Clone(text)})
			}
		}
		everywhere(len(lines), func(n int) { lines[n].decode() })
		for _, l := range lines {
			if l.err != nil {
				r.problems.add("line %d: %v", l.number, l.err)
			} else {
				r.add(l.item)
			}
		}
	}
	if errors.Is(scanner.Err(), bufio.ErrTooLong) {
		r.problems.add("line %d: longer than %d octets", number+1, 2*maxRequest)
		return nil
	}
	return scanner.Err()
}

// decode reads one line strictly.
func (l *line) decode() {
	var record struct {
		ID  *string `json:"id"`
		CSR *string `json:"csr"`
	}
	decoder := json.NewDecoder(bytes.NewReader(l.text))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&record)
	if err == nil && decoder.Decode(new(any)) != io.EOF {
		err = errors.New("something follows the object")
	}
	switch {
	case err != nil:
		l.err = fmt.Errorf("want {\"id\": \"…\", \"csr\": \"base64\"}: %w", err)
	case record.ID == nil:
		l.err = errors.New("the field \"id\" is missing")
	case record.CSR == nil:
		l.err = errors.New("the field \"csr\" is missing")
	default:
		l.item = Item{ID: *record.ID, Request: []byte(*record.CSR), Where: fmt.Sprintf("line %d", l.number)}
	}
}

// everywhere calls f for 0 to n-1 on every core and returns when all calls have.
func everywhere(n int, f func(int)) {
	var next atomic.Int64
	var wait sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for k := next.Add(1) - 1; k < int64(n); k = next.Add(1) - 1 {
				f(int(k))
			}
		})
	}
	wait.Wait()
}
