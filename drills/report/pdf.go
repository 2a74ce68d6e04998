package report

import (
	"fmt"
	"io"
	"time"

	"codeberg.org/go-pdf/fpdf"
)

// A sheet is a PDF being written, on A4.
type sheet struct {
	*fpdf.Fpdf
	latin func(string) string // the built-in fonts know Latin-1 only
	size  float64             // of the text, in points
	high  float64             // of a line, in mm
}

const (
	margin   = 16.0 // mm
	lineHigh = 4.6
	labelCol = 42.0
)

// newSheet begins a document with the label on every sheet. size is that of the
// text in points.
func newSheet(label, title, foot string, size float64) *sheet {
	s := &sheet{Fpdf: fpdf.New("P", "mm", "A4", ""), size: size, high: lineHigh * size / 9.5}
	latin := s.UnicodeTranslatorFromDescriptor("")
	s.latin = func(text string) string { return latin(printable(text)) }
	s.AliasNbPages("{pages}")
	s.SetCreationDate(time.Unix(0, 0).UTC())
	s.SetModificationDate(time.Unix(0, 0).UTC())
	s.SetCatalogSort(true)
	s.SetTitle(title, true)
	s.SetLang("en-GB")
	s.SetMargins(margin, margin+6, margin)
	s.SetAutoPageBreak(true, margin)
	s.SetHeaderFunc(func() {
		s.SetFont("Helvetica", "B", 9)
		s.SetXY(margin, 9)
		s.CellFormat(0, 6, s.latin("EXERCISE - "+label), "B", 1, "L", false, 0, "")
		s.SetXY(margin, margin+6)
	})
	s.SetFooterFunc(func() {
		s.SetFont("Helvetica", "", 8)
		s.SetXY(margin, -12)
		s.CellFormat(0, 6, s.latin(fmt.Sprintf("%s, page %d of {pages}", foot, s.PageNo())), "", 0, "L", false, 0, "")
	})
	s.AddPage()
	return s
}

// PDF writes the after-action report as a document to file and print: the
// closing summary, the decisions, what had to hold, the timeline. The label
// stands on every sheet. One record gives the same octets every time.
func (r *Report) PDF(w io.Writer) error {
	s := newSheet(r.Start.Label, r.Start.Scenario+" "+r.Start.Title, "run "+r.Start.Run, 9.5)
	s.heading(14, r.Start.Title)
	s.text(r.Heading())
	s.Ln(2)
	for _, l := range r.Lines() {
		s.row(l.Label, l.Text)
	}
	s.row("For the minutes", "The words of the closing head are in checkpoint.txt beside this report. They cover it, so it cannot print them. Record key "+r.Start.RecordKey)

	s.heading(12, "Decisions")
	for _, d := range r.Decisions {
		s.row(Clock(d.At), d.Body.Asks)
		s.row("", fmt.Sprintf("%s, by %s. %s", d.Body.Chosen, r.BodyName(d.Body.Body), d.Body.Note))
		for _, o := range d.Body.Options {
			s.row("", "option "+o.Name+": "+o.Says)
		}
		for _, v := range d.Body.Votes {
			s.row("", "vote of "+v.Member+": "+v.Option+". "+v.Reason)
		}
		for _, a := range d.Body.Assessed {
			s.row("", "factor "+a.Factor+": "+a.Finding)
		}
	}
	s.heading(12, "What had to hold")
	for _, f := range r.Findings {
		word := "held"
		if !f.Held {
			word = "NOT HELD"
		}
		s.row(word, f.Says+" ("+f.Found+")")
		if !f.Held {
			s.row("", r.DifferBefore(f.At))
		}
	}
	for _, m := range r.Missed {
		s.row("MISSED", m.Body.What+": "+m.Body.Why)
	}
	s.heading(12, "Timeline")
	for _, e := range r.Timeline {
		s.row(Clock(e.At), e.Text)
	}
	s.heading(12, "What rests on text nobody here has seen")
	s.text(fmt.Sprintf("%s, version %d. %s.", r.Pack.Title, r.Pack.Version, r.Pack.Source))
	for _, l := range r.Unverified() {
		s.row(l.Label, l.Text)
	}
	if err := s.Output(w); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func (s *sheet) heading(size float64, text string) {
	s.Ln(3)
	s.SetFont("Helvetica", "B", size)
	s.MultiCell(0, size/2, s.latin(text), "", "L", false)
	s.Ln(1)
}

func (s *sheet) text(text string) {
	s.SetFont("Helvetica", "", s.size)
	s.MultiCell(0, s.high, s.latin(text), "", "L", false)
}

// row writes a label and its text beside it, both broken as they need; a row
// that does not fit on the sheet begins the next one.
func (s *sheet) row(label, text string) {
	s.SetFont("Helvetica", "B", s.size)
	labels := s.split(label, labelCol-2)
	s.SetFont("Helvetica", "", s.size)
	lines := s.split(text, s.width()-labelCol)
	_, high := s.GetPageSize()
	if s.GetY()+s.high*float64(max(min(len(lines), 8), len(labels))) > high-margin {
		s.AddPage()
	}
	y := s.GetY()
	s.SetFont("Helvetica", "B", s.size)
	for i, part := range labels {
		s.SetXY(margin, y+s.high*float64(i))
		s.CellFormat(labelCol, s.high, part, "", 0, "L", false, 0, "")
	}
	s.SetFont("Helvetica", "", s.size)
	page := s.PageNo()
	s.SetLeftMargin(margin + labelCol)
	s.SetXY(margin+labelCol, y)
	s.MultiCell(0, s.high, s.latin(text), "", "L", false)
	s.SetLeftMargin(margin)
	s.SetX(margin)
	if least := y + s.high*float64(len(labels)); s.PageNo() == page && s.GetY() < least {
		s.SetXY(margin, least)
	}
}
