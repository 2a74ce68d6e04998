package play

import (
	"smki.example/drills/engine"
	"smki.example/drills/journal"
)

// A Recording is what people did in an earlier run, read from its journal: the
// engine's, which has what they decided and how they held the exercise, and which
// custodians kept their shares back.
type Recording struct {
	*engine.Recording
}

// ReadRecording reads the entries of a journal, of one that was broken off as far
// as it goes.
func ReadRecording(entries []journal.Entry) (*Recording, error) {
	r, err := engine.ReadRecording(entries)
	if err != nil {
		return nil, err
	}
	return &Recording{Recording: r}, nil
}
