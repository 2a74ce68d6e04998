// Package library holds the scenarios that are shipped, each with the journal
// that it must lead to.
//
// A scenario is a text file that a planner can read and change; [Source] gives
// it as it is, and whoever plays it parses it against the words of its world.
// Beside S01.yaml stands S01.want: the journal of a small run with the script's
// answers, with keys, serials, hashes and wall times masked. A test plays the
// drills for real and compares, so that a change in what a drill leads to is
// seen and reviewed.
//
// The answers that scenarios call expected are their authors', and say whose
// and why. None has been reviewed by a practitioner yet; each file says so.
package library

import (
	"embed"
	"fmt"
	"slices"
	"strings"

	"smki.example/drills/scenario"
)

//go:embed *.yaml *.want
var files embed.FS

// IDs lists the shipped scenarios, in order.
func IDs() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic("library: internal error: " + err.Error())
	}
	var ids []string
	for _, e := range entries {
		if id, is := strings.CutSuffix(e.Name(), ".yaml"); is {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Source returns a shipped scenario's file. Letters of either case will do.
func Source(id string) (file string, text []byte, err error) {
	for _, known := range IDs() {
		if strings.EqualFold(known, id) {
			text, err := files.ReadFile(known + ".yaml")
			return known + ".yaml", text, err
		}
	}
	return "", nil, fmt.Errorf("no drill %q is shipped: there are %s; for a file of your own give its path", id, strings.Join(IDs(), ", "))
}

// Load parses a shipped scenario.
func Load(id string, v scenario.Vocabulary) (*scenario.Scenario, error) {
	file, text, err := Source(id)
	if err != nil {
		return nil, err
	}
	return scenario.Parse(file, text, v)
}

// Want returns the journal that a shipped drill leads to with the script's
// answers, seed 1 and an estate of 40 devices, masked as journal.Masked does.
func Want(id string) ([]byte, error) {
	b, err := files.ReadFile(id + ".want")
	if err != nil {
		return nil, fmt.Errorf("the expected journal of %s: %w", id, err)
	}
	return b, nil
}
