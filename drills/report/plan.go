package report

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"smki.example/drills/roombook"
)

// An Action is a line of the improvement plan.
type Action struct {
	Number int
	What   string
	Owner  string
	Due    time.Time
	From   string // what of the drill it answers
	Done   bool
	Drill  string // exercise that it comes from
}

// State is open or done.
func (a Action) State() string { return choose(a.Done, "done", "open") }

// A Risk is what stays after the recovery.
type Risk struct {
	Number     int
	What       string
	Owner      string
	Likelihood string // low, medium or high
	Devices    int    // left
}

// OpenActions are the actions of earlier exercises in a home folder that nobody has
// called done, those due first at the front: what the next drill shows before it
// begins. Each exercise is a folder in home with its book; except is the one that is
// being held. What a later exercise said of an earlier one's action counts.
//
// A book that cannot be read does not hide the others: its error is returned beside
// what they have.
func OpenActions(home, except string) ([]Action, error) {
	folders, err := os.ReadDir(home)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the actions of earlier exercises: %w", err)
	}
	type said struct {
		exercise string
		wall     time.Time
		roombook.Action
	}
	var all []said
	var bad []error
	for _, f := range folders {
		dir := filepath.Join(home, f.Name())
		if !f.IsDir() || f.Name() == except || !roombook.Exists(dir) {
			continue
		}
		for e, err := range roombook.Read(dir) {
			if errors.Is(err, roombook.ErrTorn) {
				break // it was never promised
			}
			if err != nil {
				bad = append(bad, fmt.Errorf("looking for the actions of earlier exercises: %w", err))
				break
			}
			if a, is := e.Body.(roombook.Action); is {
				all = append(all, said{cmp.Or(a.Exercise, f.Name()), e.Wall, a})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b said) int { return a.wall.Compare(b.wall) })
	now := map[string]Action{}
	for _, s := range all {
		key := fmt.Sprintf("%s\n%d", s.exercise, s.Number)
		if s.Dropped || s.State == "done" {
			delete(now, key)
			continue
		}
		now[key] = actionOf(s.Action, s.exercise)
	}
	var open []Action
	for _, a := range now {
		open = append(open, a)
	}
	slices.SortFunc(open, func(a, b Action) int {
		// What has no date comes last.
		return cmp.Or(boolOrder(a.Due.IsZero(), b.Due.IsZero()), a.Due.Compare(b.Due), strings.Compare(a.Drill, b.Drill), a.Number-b.Number)
	})
	return open, errors.Join(bad...)
}

func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// Plan is the improvement plan: each action with its owner and date, what the drill
// left open that no action answers yet, and what was said of earlier plans.
func (r *Report) Plan() *Paper {
	p := r.paper("Improvement plan", "What changes, who owns it, and by when. The next drill shows first what is still open.")
	p.heading("Actions")
	p.planTable(r.actions(), false)
	p.heading("What the drill left open")
	p.text("Made from the record by rule, for the committee to turn into actions or to set aside.")
	if open := r.Open(); len(open) > 0 {
		p.list(open...)
	} else {
		p.text("Nothing was left open.")
	}
	if r.Meeting != nil && len(r.Meeting.Arising) > 0 {
		p.heading("Actions of earlier exercises")
		p.planTable(r.Meeting.Arising, true)
	}
	return p
}

// planTable is a plan, or the sentence that there is none.
func (p *Paper) planTable(actions []Action, drill bool) {
	if len(actions) == 0 {
		p.text("No action was agreed.")
		return
	}
	head, widths := []string{"no.", "action", "what it answers", "owner", "due", "state"}, []float64{0.9, 4.4, 3, 2.4, 2.2, 1.1}
	var rows [][]string
	for _, a := range actions {
		number := fmt.Sprint(a.Number)
		if drill {
			number = a.Drill + " " + number
		}
		rows = append(rows, []string{number, a.What, a.From, cmp.Or(a.Owner, "nobody yet"), date(a.Due), a.State()})
	}
	if drill {
		widths[0] = 2
	}
	p.table(widths, head, rows)
}

// Risks is the risk list: what stays after the recovery, the most likely first, and
// the devices that the record counts.
func (r *Report) Risks() *Paper {
	p := r.paper("Risks that stay", "What the recovery leaves, who owns it, how likely it is.")
	p.heading("Risk list")
	if risks := r.risks(); len(risks) > 0 {
		p.riskTable(risks)
	} else {
		p.text("No risk was entered.")
	}
	p.heading("Devices, as the record counts them")
	if r.Figures.Devices == 0 {
		p.text("The record has no count of devices.")
		return p
	}
	var rows [][2]string
	for _, end := range ends {
		if n := r.Figures.Ends[end]; n > 0 && end != "recovered" {
			rows = append(rows, [2]string{Capital(end), Thousands(n)})
		}
	}
	rows = append(rows, [2]string{"Of all", Thousands(r.Figures.Devices)})
	p.facts(rows)
	return p
}

func (p *Paper) riskTable(risks []Risk) {
	var rows [][]string
	for _, x := range risks {
		rows = append(rows, []string{fmt.Sprint(x.Number), x.What, cmp.Or(x.Owner, "nobody yet"), x.Likelihood, Thousands(x.Devices)})
	}
	p.table([]float64{0.8, 6, 3, 1.6, 1.6}, []string{"no.", "risk", "owner", "likelihood", "devices left"}, rows)
}

// PlanCSV writes the plan, an action a row, those of earlier exercises after this
// one's.
func (r *Report) PlanCSV(w io.Writer) error {
	rows := [][]string{{"label", "exercise", "number", "action", "answers", "owner", "due", "state"}}
	list := r.actions()
	if r.Meeting != nil {
		list = slices.Concat(list, r.Meeting.Arising)
	}
	for _, a := range list {
		due := ""
		if !a.Due.IsZero() {
			due = a.Due.Format(time.DateOnly)
		}
		rows = append(rows, []string{r.Start.Label, a.Drill, fmt.Sprint(a.Number), a.What, a.From, a.Owner, due, a.State()})
	}
	return writeCSV(w, rows)
}

// RisksCSV writes the risk list, a risk a row.
func (r *Report) RisksCSV(w io.Writer) error {
	rows := [][]string{{"label", "exercise", "number", "risk", "owner", "likelihood", "devices_left"}}
	for _, x := range r.risks() {
		rows = append(rows, []string{r.Start.Label, r.name(), fmt.Sprint(x.Number), x.What, x.Owner, x.Likelihood, fmt.Sprint(x.Devices)})
	}
	return writeCSV(w, rows)
}

// writeCSV writes rows. What people typed may begin like a formula, which a
// spreadsheet would carry out: such a cell begins with an apostrophe.
func writeCSV(w io.Writer, rows [][]string) error {
	for _, row := range rows[1:] {
		for i, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				row[i] = "'" + cell
			}
		}
	}
	if err := csv.NewWriter(w).WriteAll(rows); err != nil {
		return fmt.Errorf("writing a table: %w", err)
	}
	return nil
}
