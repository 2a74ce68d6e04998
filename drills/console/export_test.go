package console

import (
	"maps"
	"slices"
)

// Acts are the names of all acts.
func Acts() []string { return slices.Sorted(maps.Keys(deeds)) }
