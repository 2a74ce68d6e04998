package report

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// A File is a document of the pack of an exercise in the room.
type File struct {
	Name string
	Says string // what it is, for a page that lists it
	Make func(*Report, io.Writer) error
}

// RoomFiles are the documents that an exercise in the room leaves in its pack.
func RoomFiles() []File {
	return []File{
		{"minutes.html", "minutes, for approval", func(r *Report, w io.Writer) error { return r.Minutes().HTML(w) }},
		{"minutes.pdf", "minutes, to print and file", func(r *Report, w io.Writer) error { return r.Minutes().PDF(w) }},
		{"after-action.html", "after-action report", func(r *Report, w io.Writer) error { return r.AfterAction().HTML(w) }},
		{"after-action.pdf", "after-action report, to print and file", func(r *Report, w io.Writer) error { return r.AfterAction().PDF(w) }},
		{"plan.csv", "improvement plan, for a spreadsheet", (*Report).PlanCSV},
		{"risks.csv", "risk list, for a spreadsheet", (*Report).RisksCSV},
		{"ratings.csv", "observers' ratings, for a spreadsheet", (*Report).RatingsCSV},
		{"survey.csv", "the survey's sums, for a spreadsheet", (*Report).SurveyCSV},
	}
}

// WriteRoom writes the documents of an exercise in the room into dir, before the
// pack is sealed. One record gives the same octets every time.
func (r *Report) WriteRoom(dir string) error {
	for _, f := range RoomFiles() {
		if err := WriteFile(filepath.Join(dir, f.Name), func(w io.Writer) error { return f.Make(r, w) }); err != nil {
			return err
		}
	}
	return nil
}

// WriteFile writes a report or another document to a file, replacing one that is
// there.
func WriteFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return fmt.Errorf("writing the report %q: %w", path, err)
	}
	return nil
}
