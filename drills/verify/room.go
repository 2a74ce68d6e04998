package verify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// The two files of the book of the exercise room.
const (
	bookFile  = "room.jsonl"
	textsFile = "room-texts.jsonl"
)

// A page is an entry of the book.
type page struct {
	Seq  int64           `json:"seq"`
	Prev string          `json:"prev"`
	At   string          `json:"at"`
	Wall time.Time       `json:"wall"`
	Run  int             `json:"run"`
	Kind string          `json:"kind"`
	Body json.RawMessage `json:"body"`
	Hash string          `json:"hash"`

	texts []string // hashes that the body commits to, in the order of its members
}

// room checks the book of the exercise room, where the drill was played in one: its
// chain; that every text beside it is the one that was typed; and that the votes
// which the journal counts are those that were cast.
func (a *audit) room() (string, error) {
	raw, err := a.read(bookFile)
	if err != nil {
		if _, left := a.files[textsFile]; left {
			return "", fmt.Errorf("%s lies in the pack without the book it belongs to", textsFile)
		}
		return "the drill was not played in the exercise room", nil
	}
	pages, err := readBook(raw)
	if err != nil {
		return "", fmt.Errorf("%s: %v", bookFile, err)
	}
	texts, err := a.texts(pages)
	if err != nil {
		return "", fmt.Errorf("%s: %v", textsFile, err)
	}
	votes, err := a.cast(pages, texts)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d entries, one chain; %d texts as they were typed; %d votes counted as they were cast", len(pages), len(texts), votes), nil
}

// readBook checks numbers, links and the hash of each line.
func readBook(raw []byte) ([]page, error) {
	if len(raw) == 0 || raw[len(raw)-1] != '\n' {
		return nil, errors.New("the last line is cut off")
	}
	var pages []page
	prev := strings.Repeat("0", 64)
	for i, line := range bytes.Split(raw[:len(raw)-1], []byte("\n")) {
		var p page
		if err := hashedLine(line, &p); err != nil {
			return nil, fmt.Errorf("line %d: %v", i+1, err)
		}
		switch end := hashEnd.FindSubmatch(line); {
		case p.Hash != string(end[1]):
			return nil, fmt.Errorf("entry %d was changed: its hash does not fit", p.Seq)
		case p.Seq != int64(i+1):
			return nil, fmt.Errorf("line %d has the number %d: an entry is missing or was put in", i+1, p.Seq)
		case p.Prev != prev:
			return nil, fmt.Errorf("entry %d is not bound to the entry before it", p.Seq)
		}
		if _, err := scenarioTime(p.At); err != nil {
			return nil, fmt.Errorf("entry %d: %v", p.Seq, err)
		}
		sum := sha256.Sum256(line)
		prev = hex.EncodeToString(sum[:])
		var err error
		if p.texts, err = commitments(p.Body); err != nil {
			return nil, fmt.Errorf("entry %d: %v", p.Seq, err)
		}
		pages = append(pages, p)
	}
	return pages, nil
}

// commitments are the hashes of the texts of a body: members that are an object
// with a SHA-256 and nothing else.
func commitments(body []byte) ([]string, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, errors.New("its body is no object")
	}
	var out []string
	for decoder.More() {
		if _, err := decoder.Token(); err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		var members map[string]json.RawMessage
		if json.Unmarshal(value, &members) != nil || len(members) != 1 || members["sha256"] == nil {
			continue
		}
		var sum string
		if err := json.Unmarshal(members["sha256"], &sum); err != nil {
			return nil, fmt.Errorf("a text is not committed to by a SHA-256: %v", err)
		}
		out = append(out, sum)
	}
	return out, nil
}

// texts opens the commitments: each line of the file is the text of one, in the
// order of the book, and none is left over. A copy may lack some; a whole record
// lacks none.
func (a *audit) texts(pages []page) (map[string]string, error) {
	raw, err := a.read(textsFile)
	if err != nil && !a.copied() {
		return nil, errors.New("it is missing")
	}
	if len(raw) > 0 && raw[len(raw)-1] != '\n' {
		return nil, errors.New("the last line is cut off")
	}
	var lines [][]byte
	if len(raw) > 0 {
		lines = bytes.Split(raw[:len(raw)-1], []byte("\n"))
	}
	said, n := map[string]string{}, 0
	for _, p := range pages {
		lacks := false
		for _, sum := range p.texts {
			if _, twice := said[sum]; twice {
				continue // said again, as it stood
			}
			if n == len(lines) {
				lacks = true
				continue
			}
			text, is, err := openedBy(lines[n], sum)
			if err != nil {
				return nil, fmt.Errorf("line %d: %v", n+1, err)
			}
			if !is {
				lacks = true
				continue
			}
			said[sum] = text
			n++
		}
		if lacks {
			a.taken.Texts = append(a.taken.Texts, p.Seq)
		}
	}
	switch {
	case n < len(lines):
		return nil, fmt.Errorf("line %d is the text of no entry of the book, or stands in another place", n+1)
	case len(a.taken.Texts) > 0 && !a.copied():
		return nil, fmt.Errorf("a text of entry %d of the book is missing", a.taken.Texts[0])
	}
	return said, nil
}

// openedBy says whether a line holds the text that a hash commits to.
func openedBy(line []byte, sum string) (text string, is bool, err error) {
	if err := plainJSON(line); err != nil {
		return "", false, err
	}
	var l struct {
		SHA256 string `json:"sha256"`
		Salt   string `json:"salt"`
		Text   string `json:"text"`
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&l); err != nil {
		return "", false, fmt.Errorf("it is no text: %v", err)
	}
	salt, err := hex.DecodeString(l.Salt)
	if err != nil || len(salt) != sha256.Size {
		return "", false, errors.New("its salt is not 32 octets in hex")
	}
	if hexSum(append(salt, l.Text...)) != l.SHA256 {
		return "", false, errors.New("it is not the text that was typed: its hash does not fit")
	}
	// One form, so that nothing of the line is free.
	var right bytes.Buffer
	encoder := json.NewEncoder(&right)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(map[string]string{"sha256": l.SHA256, "salt": l.Salt, "text": l.Text}); err != nil {
		return "", false, err
	}
	if right.String() != string(line)+"\n" {
		return "", false, errors.New("the line is not in its one form")
	}
	return l.Text, l.SHA256 == sum, nil
}

// hashedLine reads a line that ends in its hash, and refuses octets that neither
// the hash nor the members account for.
func hashedLine(line []byte, into any) error {
	if err := plainJSON(line); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("it is no entry: %v", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the entry")
	}
	end := hashEnd.FindSubmatchIndex(line)
	if end == nil {
		return errors.New("it does not end in its hash")
	}
	without := append(append([]byte{}, line[:end[0]]...), '}')
	if hexSum(without) != string(line[end[2]:end[3]]) {
		return errors.New("it was changed: its hash does not fit")
	}
	return nil
}

// on names the question that an entry of the book is about.
type on struct {
	Decision string `json:"decision"`
	Asking   int    `json:"asking"`
}

// A ballot paper is a vote as the book has it.
type paper struct {
	Seat   string `json:"seat"`
	On     on     `json:"on"`
	Option string `json:"option"`
	Reason struct {
		SHA256 string `json:"sha256"`
	} `json:"reason"`
}

// cast holds each vote that the journal counts against the last one that its seat
// cast in the room, and its reason with it. Decisions that were taken out are not
// looked at.
func (a *audit) cast(pages []page, texts map[string]string) (int, error) {
	last, err := ballots(pages)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, e := range a.entries {
		if e.Kind != "decision" {
			continue
		}
		var d struct {
			Decision string `json:"decision"`
			Asking   int    `json:"asking"`
			Body     string `json:"body"`
			Answered string `json:"answered"`
			Votes    []struct {
				Member string `json:"member"`
				Option string `json:"option"`
				Reason string `json:"reason"`
			} `json:"votes"`
		}
		if err := json.Unmarshal(e.Body, &d); err != nil {
			return 0, fmt.Errorf("entry %d: %v", e.Seq, err)
		}
		if d.Answered != "members" {
			continue
		}
		for _, v := range d.Votes {
			seat := d.Body + "/" + v.Member
			p, is := last[on{d.Decision, d.Asking}][seat]
			text, kept := texts[p.Reason.SHA256]
			if p.Reason.SHA256 == "" {
				kept = true // nothing was typed
			}
			switch {
			case !is:
				return 0, fmt.Errorf("entry %d counts a vote of %s on %q, and the book has none", e.Seq, seat, d.Decision)
			case p.Option != v.Option:
				return 0, fmt.Errorf("entry %d counts %q for %s on %q, and the book has %q", e.Seq, v.Option, seat, d.Decision, p.Option)
			case kept && text != v.Reason:
				return 0, fmt.Errorf("entry %d gives another reason for the vote of %s on %q than was typed", e.Seq, seat, d.Decision)
			}
			n++
		}
	}
	return n, nil
}

// ballots is the last vote of each seat on each question, in the course of events
// that the last run ended: what was cast in a run that was left, at the question at
// which it was left or later there, does not count.
func ballots(pages []page) (map[on]map[string]paper, error) {
	type run struct {
		Number int    `json:"number"`
		Why    string `json:"why"`
		From   int    `json:"from"`
		At     string `json:"at"`
		Asking int    `json:"asking"`
	}
	var runs []run
	for _, p := range pages {
		if p.Kind == "run" {
			var r run
			if err := json.Unmarshal(p.Body, &r); err != nil {
				return nil, fmt.Errorf("%s: entry %d: %v", bookFile, p.Seq, err)
			}
			runs = append(runs, r)
		}
	}
	// left is, for each run of this course, the questions at which it was left.
	left := map[int][]on{}
	if len(runs) > 0 {
		var at []on
		for r := runs[len(runs)-1]; ; {
			left[r.Number] = slices.Clone(at)
			if r.Why == "branched" {
				at = append(at, on{r.At, max(r.Asking, 1)})
			}
			i := slices.IndexFunc(runs, func(x run) bool { return x.Number == r.From })
			if _, seen := left[r.From]; i < 0 || seen {
				break
			}
			r = runs[i]
		}
	}
	last := map[on]map[string]paper{}
	for _, p := range pages {
		if p.Kind != "cast" {
			continue
		}
		var v paper
		if err := json.Unmarshal(p.Body, &v); err != nil {
			return nil, fmt.Errorf("%s: entry %d: %v", bookFile, p.Seq, err)
		}
		leftAt, ofThisCourse := left[p.Run]
		if len(runs) > 0 && !ofThisCourse || slices.ContainsFunc(leftAt, func(x on) bool { return x.Decision == v.On.Decision && v.On.Asking >= x.Asking }) {
			continue
		}
		if last[v.On] == nil {
			last[v.On] = map[string]paper{}
		}
		last[v.On][v.Seat] = v
	}
	return last, nil
}
