// Package msel reads the list of injects that an exercise planner keeps in a
// spreadsheet (a Master Scenario Events List, saved as CSV) and writes it as a
// scenario of the drill language.
//
// Planners' lists have no common form, so names and order of columns, separators,
// character sets and ways to write a time are taken as they come. Every guess is
// told, and everything that could not be read is named by row and column of the
// spreadsheet with what would have been right. No row disappears without a word.
//
// What comes out is a text to be edited and checked (drills/scenario): injects at
// their times, rows that ask for a decision as questions with yes and no, and what
// the planner expects of the players as comments, which no player sees. The estate,
// the steady state and the finding of it are a plain frame, marked as such. The
// package knows no CA and no procedure: who can be told, and how, comes as a
// scenario.Vocabulary.
//
// Start at Read.
package msel

import (
	"fmt"
	"strings"
	"time"

	"smki.example/drills/scenario"
)

// Bounds. A list beyond them is no list for people in a room.
const (
	MaxBytes = 2 << 20
	maxRows  = 500  // injects; scripts of 50 to 70 are already costly to run
	maxText  = 4000 // letters of one inject: more is read by nobody while a clock runs
	maxAhead = 20   // rows looked at for the one that names the columns
	maxTold  = 100  // problems, and notes, that are kept
)

// A List is what was read.
type List struct {
	File    string
	Columns []Column      // in the order of the spreadsheet
	Events  []Event       // in order of time
	Ends    time.Duration // of the row that ends the exercise; 0: there is none
	// Problems must be mended by a person, here or in the text that Scenario writes.
	Problems []Remark
	// Notes say what was read otherwise than it was written.
	Notes []Remark
}

// Column is one column of the spreadsheet and what it was taken for.
type Column struct {
	Letter string // A, B, …
	Header string
	Means  Field // empty: it is not used
}

// Event is a row: an inject, or a question.
type Event struct {
	Row     int // of the spreadsheet, 1 first
	Serial  string
	At      time.Duration
	Channel string
	From    string
	To      []string
	Text    string
	Asks    bool // the row asks for a decision of To[0]
	// Remarks are for the facilitator: what is expected, by whom it is played, what
	// is remarked. In the order of the columns.
	Remarks []string
}

// A Remark is something wrong, or read otherwise than written, in one place.
type Remark struct {
	Row    int    // of the spreadsheet; 0: the list as a whole
	Column string // letter; empty: the row as a whole
	Header string // of the column
	What   string // and what would have been right
	More   int    // further rows with the same in this column
}

// String names the place first: row 7, column D (To): …
func (r Remark) String() string {
	var where []string
	if r.Row > 0 {
		where = append(where, fmt.Sprintf("row %d", r.Row))
	}
	if r.Column != "" {
		place := "column " + r.Column
		if r.Header != "" {
			place += " (" + r.Header + ")"
		}
		where = append(where, place)
	}
	if len(where) == 0 {
		return r.What
	}
	if r.More > 0 {
		where[0] += fmt.Sprintf(" and %d more", r.More)
	}
	return strings.Join(where, ", ") + ": " + r.What
}

// Read reads a list. The vocabulary says who can be told and how; its zero value
// takes every word as it is. What is wrong with single rows stands in the List; an
// error means that there is no list in the file, and says what one looks like.
func Read(file string, b []byte, v scenario.Vocabulary) (*List, error) {
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("reading %q: it has %d bytes, and a list has at most %d; export the sheet of injects alone", file, len(b), MaxBytes)
	}
	text, recoded, err := decoded(b)
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", file, err)
	}
	rows, err := split(text)
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", file, err)
	}
	header, columns := findHeader(rows)
	if header < 0 {
		return nil, fmt.Errorf("reading %q: no row among the first %d names the columns; write a first row such as %q, with at least the time and the text", file, maxAhead, "Serial,Time,From,To,Method,Text,Expected action")
	}
	l := &List{File: file, Columns: columns}
	if recoded != "" {
		l.note(Remark{What: recoded})
	}
	l.readRows(rows[header+1:], newGlossary(v))
	if len(l.Events) == 0 {
		if len(l.Problems) > 0 {
			return l, nil
		}
		return nil, fmt.Errorf("reading %q: below the names of the columns (row %d) there is no row with a text", file, rows[header].number)
	}
	return l, nil
}

func (l *List) problem(r Remark) { l.Problems = kept(l.Problems, r) }
func (l *List) note(r Remark)    { l.Notes = kept(l.Notes, r) }

// kept adds a remark; what is said of a column already is counted, and after maxTold
// one last says that there are more.
func kept(list []Remark, r Remark) []Remark {
	if r.Column != "" {
		for i := range list {
			if list[i].Column == r.Column && list[i].What == r.What {
				list[i].More++
				return list
			}
		}
	}
	switch {
	case len(list) < maxTold:
		return append(list, r)
	case len(list) == maxTold:
		return append(list, Remark{What: "there is more; mend these first"})
	}
	return list
}

// column finds the column of a meaning.
func (l *List) column(f Field) (Column, int, bool) {
	for i, c := range l.Columns {
		if c.Means == f {
			return c, i, true
		}
	}
	return Column{}, 0, false
}
