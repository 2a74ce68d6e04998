package msel

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// row is a row of the spreadsheet with its number there.
type row struct {
	number int
	cells  []string
}

// cell is one cell without the blanks around it; a row may be shorter than others.
func (r row) cell(i int) string {
	if i < 0 || i >= len(r.cells) {
		return ""
	}
	return strings.TrimSpace(r.cells[i])
}

func (r row) empty() bool {
	for i := range r.cells {
		if r.cell(i) != "" {
			return false
		}
	}
	return true
}

// errWorkbook is what somebody hears who uploads the workbook itself.
var errWorkbook = errors.New("this is a workbook and no CSV; open it, choose the sheet of injects, and save that as \"CSV UTF-8\"")

// decoded returns the file as text, and says what it was if that was no UTF-8.
func decoded(b []byte) (text, recoded string, err error) {
	switch {
	case bytes.HasPrefix(b, []byte("PK\x03\x04")) || bytes.HasPrefix(b, []byte("\xd0\xcf\x11\xe0")):
		return "", "", errWorkbook
	case bytes.HasPrefix(b, []byte("\xff\xfe")):
		return wide(b[2:], func(x, y byte) uint16 { return uint16(x) | uint16(y)<<8 }), "", nil
	case bytes.HasPrefix(b, []byte("\xfe\xff")):
		return wide(b[2:], func(x, y byte) uint16 { return uint16(x)<<8 | uint16(y) }), "", nil
	}
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	if bytes.IndexByte(b, 0) >= 0 {
		return "", "", errors.New("this is no text; save the sheet of injects as \"CSV UTF-8\"")
	}
	if utf8.Valid(b) {
		return string(b), "", nil
	}
	var s strings.Builder
	for _, c := range b {
		if c >= 0x80 && c < 0xa0 {
			s.WriteRune(windows[c-0x80])
		} else {
			s.WriteRune(rune(c))
		}
	}
	return s.String(), "the file is not in UTF-8; it was read as a Western European list of Windows. Look at quotes, dashes and names with accents", nil
}

// windows is what Windows-1252 has where Latin-1 has control characters.
var windows = [32]rune{
	'€', '\ufffd', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\ufffd', 'Ž', '\ufffd',
	'\ufffd', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\ufffd', 'ž', 'Ÿ',
}

func wide(b []byte, unit func(x, y byte) uint16) string {
	units := make([]uint16, 0, len(b)/2)
	for i := 0; i+1 < len(b); i += 2 {
		units = append(units, unit(b[i], b[i+1]))
	}
	return string(utf16.Decode(units))
}

// split cuts a text into rows. The separator is the one that the first lines have
// most of; empty lines are counted, so that numbers are the spreadsheet's.
func split(text string) ([]row, error) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma = separator(text)
	r.FieldsPerRecord = -1
	r.LazyQuotes = true
	var rows []row
	number, below := 0, 1 // below: the line after the last record
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w; save the sheet of injects as \"CSV UTF-8\"", err)
		}
		line, _ := r.FieldPos(0)
		number += 1 + max(line-below, 0)
		below = line + 1
		for _, c := range cells {
			below += strings.Count(c, "\n")
		}
		rows = append(rows, row{number: number, cells: cells})
	}
}

// separator is a comma, a semicolon or a tab: the one of which the first lines have
// most outside quotes.
func separator(text string) rune {
	var counts [3]int
	quoted, lines := false, 0
	for _, c := range text {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '\n':
			lines++
		case c == ',':
			counts[0]++
		case c == ';':
			counts[1]++
		case c == '\t':
			counts[2]++
		}
		if lines >= maxAhead {
			break
		}
	}
	best := 0
	for i := range counts {
		if counts[i] > counts[best] {
			best = i
		}
	}
	return []rune{',', ';', '\t'}[best]
}

// letter is the name of a column in a spreadsheet: A, B, … Z, AA.
func letter(i int) string {
	s := ""
	for i++; i > 0; i = (i - 1) / 26 {
		s = string(rune('A'+(i-1)%26)) + s
	}
	return s
}
