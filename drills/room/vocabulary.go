package room

import (
	"smki.example/drills/scenario"
	"smki.example/drills/verbs"
)

// Vocabulary is what a scenario of this room may say, so that one can be checked
// while it is typed.
func (r *Room) Vocabulary() scenario.Vocabulary { return verbs.Vocabulary(r.cfg.Procedure) }
