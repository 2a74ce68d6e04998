package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// PDF writes the paper as a document to file, send and print: the same parts as the
// page. One scenario and one pack give the same octets every time.
func (p *Paper) PDF(w io.Writer) error {
	size := 9.5
	if p.Large {
		size = 18
	}
	foot := p.Foot
	if foot == "" {
		foot = p.Sub
	}
	s := newSheet(p.Label, p.Title, foot, size)
	s.heading(1.7*size, p.Title)
	s.text(p.Sub)
	s.Ln(1.5)
	for i, x := range p.Parts {
		switch x.Kind {
		case "heading":
			s.keep(30*size/9.5 + s.under(p.Parts[i+1:]))
			s.heading(1.3*size, x.Text)
		case "sub":
			s.keep(18*size/9.5 + s.under(p.Parts[i+1:]))
			s.heading(1.05*size, x.Text)
		case "text":
			s.text(x.Text)
			s.Ln(1)
		case "note":
			s.noted(x.Text)
		case "list":
			s.bullets(x.Items)
		case "table":
			s.table(x)
		case "facts":
			for _, r := range x.Rows {
				s.row(r[0], r[1])
			}
			s.Ln(1.5)
		case "decided":
			s.decided(x)
		case "sign":
			s.sign(x.Items)
		case "drawing":
			s.draw(x.Draw)
		case "plot":
			s.plot(x.Plot)
		case "page":
			s.AddPage()
		case "card":
			s.card(x.Card)
		}
	}
	if err := s.Output(w); err != nil {
		return fmt.Errorf("writing a paper: %w", err)
	}
	return nil
}

// under is the height of a picture that a heading must not be parted from.
func (s *sheet) under(rest []part) float64 {
	if len(rest) == 0 {
		return 0
	}
	switch rest[0].Kind {
	case "drawing":
		return rest[0].Draw.High * s.width() / 180
	case "plot":
		return plotUnits * s.width() / 180
	}
	return 0
}

// plotUnits is the height of a plot, of which a sheet is 180 wide.
const plotUnits = 88.0

// keep begins a new sheet unless there is room for so many millimetres.
func (s *sheet) keep(room float64) {
	_, high := s.GetPageSize()
	if s.GetY()+room > high-margin {
		s.AddPage()
	}
}

// split breaks a text into the lines that fit a width, in the font's own octets.
func (s *sheet) split(text string, wide float64) []string {
	var out []string
	for _, line := range s.SplitLines([]byte(s.latin(text)), wide) {
		out = append(out, string(line))
	}
	return out
}

// width is what there is between the margins.
func (s *sheet) width() float64 {
	wide, _ := s.GetPageSize()
	return wide - 2*margin
}

func (s *sheet) noted(text string) {
	s.SetFont("Helvetica", "I", s.size)
	s.SetFillColor(244, 246, 248)
	s.MultiCell(0, s.high, s.latin(text), "L", "L", true)
	s.Ln(1.5)
}

// decided sets a decision apart: a bar at its side, the answer in larger letters.
// It stands on one sheet.
func (s *sheet) decided(x part) {
	const bar, inside = 1.6, 5.0
	wide := s.width() - inside
	high := 2 * s.high
	for i, text := range x.Items {
		s.SetFont("Helvetica", choose(i == 0, "B", ""), s.size*chooseSize(i == 0))
		high += s.high * chooseSize(i == 0) * float64(len(s.split(text, wide-2)))
	}
	s.keep(high + 4)
	s.Ln(2)
	top := s.GetY()
	s.SetFillColor(244, 246, 248)
	s.Rect(margin, top, s.width(), high, "F")
	s.SetFillColor(49, 85, 122)
	s.Rect(margin, top, bar, high, "F")
	s.SetLeftMargin(margin + inside)
	s.SetXY(margin+inside, top+0.4*s.high)
	s.SetFont("Helvetica", "B", s.size*0.85)
	s.SetTextColor(49, 85, 122)
	s.CellFormat(0, s.high, s.latin(strings.ToUpper(x.Text)), "", 1, "L", false, 0, "")
	s.SetTextColor(0, 0, 0)
	for i, text := range x.Items {
		s.SetFont("Helvetica", choose(i == 0, "B", ""), s.size*chooseSize(i == 0))
		s.MultiCell(wide, s.high*chooseSize(i == 0), s.latin(text), "", "L", false)
	}
	s.SetLeftMargin(margin)
	s.SetXY(margin, top+high+2)
}

func chooseSize(first bool) float64 {
	if first {
		return 1.35
	}
	return 1
}

// sign is a line to be signed on, with what is signed above it.
func (s *sheet) sign(items []string) {
	s.keep(9 * s.high)
	s.Ln(3 * s.high)
	s.SetFont("Helvetica", "", s.size)
	s.MultiCell(0, s.high, s.latin(items[0]), "", "L", false)
	s.Ln(3 * s.high)
	y, left := s.GetY(), margin
	s.SetTextColor(85, 94, 104)
	for i, text := range items[1:] {
		wide := s.width() * 0.6
		if i > 0 {
			wide = s.width() * 0.3
		}
		s.Line(left, y, left+wide, y)
		s.SetXY(left, y+0.5)
		s.CellFormat(wide, s.high, s.latin(text), "", 0, "L", false, 0, "")
		left += wide + s.width()*0.1
	}
	s.SetTextColor(0, 0, 0)
	s.SetXY(margin, y+2*s.high)
}

func (s *sheet) bullets(items []string) {
	for _, item := range items {
		s.SetFont("Helvetica", "", s.size)
		s.keep(s.high * float64(min(3, len(s.split(item, s.width()-5)))))
		s.CellFormat(5, s.high, s.latin("•"), "", 0, "L", false, 0, "")
		s.SetLeftMargin(margin + 5)
		s.MultiCell(0, s.high, s.latin(item), "", "L", false)
		s.SetLeftMargin(margin)
		s.SetX(margin)
		s.Ln(0.6)
	}
	s.Ln(1)
}

// table draws rows with a line under each; a row stands on one sheet if a sheet
// can hold it, and the head stands again on the next.
func (s *sheet) table(x part) {
	sum := 0.0
	for _, w := range x.Widths {
		sum += w
	}
	wide := make([]float64, len(x.Widths))
	for i, w := range x.Widths {
		wide[i] = s.width() * w / sum
	}
	least := 0.0
	if x.IsRating() {
		least = 9
	}
	row := func(cells []string, style string, size float64) {
		lines := make([][]string, len(cells))
		most := 1
		for i, cell := range cells {
			s.SetFont("Helvetica", style, size)
			if i == 0 && style == "" {
				s.SetFont("Helvetica", "B", size)
			}
			lines[i] = s.split(cell, wide[i]-1)
			most = max(most, len(lines[i]))
		}
		line := s.high * size / s.size
		high := math.Max(line*float64(most)+1.6, least)
		if _, page := s.GetPageSize(); s.GetY()+high > page-margin {
			s.AddPage()
			if style == "" {
				s.tableHead(x.Head, wide)
			}
		}
		y, left := s.GetY(), margin
		for i := range cells {
			s.SetFont("Helvetica", style, size)
			if i == 0 && style == "" {
				s.SetFont("Helvetica", "B", size)
			}
			for k, text := range lines[i] {
				s.SetXY(left, y+0.8+line*float64(k))
				s.CellFormat(wide[i], line, text, "", 0, "L", false, 0, "")
			}
			if x.IsRating() && i > 0 {
				s.Line(left, y, left, y+high)
			}
			left += wide[i]
		}
		s.SetDrawColor(200, 205, 212)
		s.Line(margin, y+high, margin+s.width(), y+high)
		s.SetDrawColor(0, 0, 0)
		s.SetXY(margin, y+high)
	}
	s.keep(4 * s.high)
	s.tableHead(x.Head, wide)
	for _, cells := range x.Rows {
		row(cells, "", s.size*0.95)
	}
	s.Ln(2)
}

func (s *sheet) tableHead(head []string, wide []float64) {
	y, left := s.GetY(), margin
	s.SetFont("Helvetica", "", s.size*0.9)
	s.SetTextColor(85, 94, 104)
	for i, text := range head {
		s.SetXY(left, y)
		s.CellFormat(wide[i], s.high, s.latin(text), "", 0, "L", false, 0, "")
		left += wide[i]
	}
	s.SetTextColor(0, 0, 0)
	s.Line(margin, y+s.high, margin+s.width(), y+s.high)
	s.SetXY(margin, y+s.high)
}

// draw scales a drawing to the width of the sheet.
func (s *sheet) draw(d *drawing) {
	scale := s.width() / 180
	s.keep(d.High*scale + 2)
	top := s.GetY()
	at := func(x, y float64) (float64, float64) { return margin + x*scale, top + y*scale }
	for _, a := range d.Arrows {
		x1, y1 := at(a.X1, a.Y1)
		x2, y2 := at(a.X2, a.Y2)
		if a.Weak {
			s.SetDrawColor(138, 147, 156)
			s.SetDashPattern([]float64{1, 1}, 0)
		}
		s.Line(x1, y1, x2, y2)
		s.SetDashPattern(nil, 0)
		s.SetDrawColor(0, 0, 0)
		if !a.Weak {
			s.tip(x1, y1, x2, y2)
		}
	}
	for _, b := range d.Boxes {
		x, y := at(b.X, b.Y)
		switch b.Kind {
		case "key":
			s.SetFillColor(255, 243, 220)
		case "device":
			s.SetFillColor(230, 238, 246)
		default:
			s.SetFillColor(255, 255, 255)
		}
		if b.Kind != "open" {
			s.RoundedRect(x, y, b.W*scale, b.H*scale, 1.4, "1234", "FD")
		}
		for i, text := range b.Lines {
			style, line := "", 4.4*scale
			if i == 0 {
				style = "B"
			}
			s.SetFont("Helvetica", style, 8.4)
			s.SetXY(x, y+b.H*scale/2+(float64(i)-float64(len(b.Lines))/2)*line)
			s.CellFormat(b.W*scale, line, s.latin(text), "", 0, "C", false, 0, "")
		}
	}
	s.SetXY(margin, top+d.High*scale+2)
}

// plot draws curves; the second is dashed, so that it is told from the first in
// black and white.
func (s *sheet) plot(p *plot) {
	scale := s.width() / 180
	s.keep(plotUnits*scale + 2)
	top := s.GetY()
	at := func(x, y float64) (float64, float64) { return margin + x*scale, top + y*scale }
	label := func(x, y float64, text, align string) {
		px, py := at(x, y)
		s.SetFont("Helvetica", "", 8.4)
		if align == "R" {
			px -= s.GetStringWidth(text) + 1
		}
		s.Text(px, py+3, s.latin(text))
	}
	line := func(a, b xy) {
		x1, y1 := at(a.X+18, a.Y+4)
		x2, y2 := at(b.X+18, b.Y+4)
		s.Line(x1, y1, x2, y2)
	}
	line(xy{0, 0}, xy{0, 60})
	line(xy{0, 60}, xy{160, 60})
	label(17, 3, Thousands(p.Devices), "R")
	label(17, 60, "0", "R")
	label(18, 65, "0:00", "L")
	label(178, 65, Clock(time.Duration(p.Hours*float64(time.Hour))), "R")
	for i, x := range p.Series {
		if i == 1 {
			s.SetDashPattern([]float64{2, 1}, 0)
		}
		points := p.points(x.Curve)
		for k := 1; k < len(points); k++ {
			line(points[k-1], points[k])
		}
		y := 74 + 5*float64(i)
		line(xy{0, y - 4}, xy{12, y - 4})
		label(32, y-2, x.Name, "L")
		s.SetDashPattern(nil, 0)
	}
	s.SetXY(margin, top+plotUnits*scale)
}

// tip is an arrow's head.
func (s *sheet) tip(x1, y1, x2, y2 float64) {
	const long, wide = 2.2, 0.9
	length := math.Hypot(x2-x1, y2-y1)
	dx, dy := (x2-x1)/length, (y2-y1)/length
	bx, by := x2-long*dx, y2-long*dy
	s.SetFillColor(0, 0, 0)
	s.MoveTo(x2, y2)
	s.LineTo(bx-wide*dy, by+wide*dx)
	s.LineTo(bx+wide*dy, by-wide*dx)
	s.ClosePath()
	s.DrawPath("F")
}

// card is an inject on a sheet of its own, to be cut out: what stands above the
// line is the facilitator's.
func (s *sheet) card(c *card) {
	s.AddPage()
	desk := fmt.Sprintf("Card %s, %s", c.Number, c.At)
	if c.Only != "" {
		desk += ". Only " + c.Only
	}
	s.SetTextColor(85, 94, 104)
	s.SetFont("Helvetica", "B", s.size)
	s.MultiCell(0, s.high, s.latin(desk), "", "L", false)
	s.SetFont("Helvetica", "", s.size*0.85)
	s.MultiCell(0, s.high, s.latin("Cut along this line; what stands above it is for the facilitator."), "", "L", false)
	s.SetTextColor(0, 0, 0)
	s.Ln(2)
	top := s.GetY()
	inside := 8.0
	s.SetLeftMargin(margin + inside)
	s.SetRightMargin(margin + inside)
	s.SetXY(margin+inside, top+inside)
	s.SetFont("Helvetica", "B", s.size)
	s.CellFormat(0, s.high, s.latin("EXERCISE EXERCISE EXERCISE"), "", 0, "L", false, 0, "")
	s.SetX(margin + inside)
	s.CellFormat(0, s.high, s.latin(c.Label), "", 1, "R", false, 0, "")
	s.Ln(4)
	s.SetFont("Helvetica", "B", 1.4*s.size)
	s.MultiCell(0, 1.4*s.high, s.latin(Capital(c.As)), "", "L", false)
	s.Ln(2)
	for _, x := range [][2]string{{"From", c.From}, {"To", c.To}} {
		s.SetFont("Helvetica", "", s.size)
		s.CellFormat(18, s.high*1.2, s.latin(x[0]), "", 0, "L", false, 0, "")
		s.SetFont("Helvetica", "B", s.size)
		s.MultiCell(0, s.high*1.2, s.latin(x[1]), "", "L", false)
	}
	s.Ln(4)
	s.SetFont("Helvetica", "", 1.4*s.size)
	for _, paragraph := range strings.Split(strings.TrimSpace(c.Text), "\n") {
		s.MultiCell(0, 1.5*s.high, s.latin(paragraph), "", "L", false)
	}
	bottom := s.GetY() + inside
	s.SetLeftMargin(margin)
	s.SetRightMargin(margin)
	s.SetDashPattern([]float64{2, 1.5}, 0)
	s.Rect(margin, top, s.width(), bottom-top, "D")
	s.SetDashPattern(nil, 0)
	s.SetXY(margin, bottom+4)
}
