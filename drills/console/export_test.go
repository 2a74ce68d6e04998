package console

import (
	"maps"
	"slices"
)

// Acts are the names of all acts.
func Acts() []string { return slices.Sorted(maps.Keys(deeds)) }

// Room is what the console shows.
func (c *Console) Room() Room { return c.room }
