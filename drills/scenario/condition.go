package scenario

// Condition is a CEL expression, compiled and typed when the scenario was
// loaded.
type Condition struct {
	Pos    Pos
	Source string
	Needs  []string // names of the decisions it looks at
}
