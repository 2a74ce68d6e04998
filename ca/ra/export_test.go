package ra

// SetProbe has probe called at each named point of an execution; an error makes the
// process go no further there, as if it had died.
func (r *Registry) SetProbe(probe func(point string) error) { r.probe = probe }

// ReadDeed is readDeed; Canonical is canonical.
var (
	ReadDeed  = readDeed
	Canonical = canonical
)

// Embedded is the table that is part of the program, as text.
func Embedded() []byte { return embedded }

// Direct are the acts that one person does at once.
func Direct() []Act { return direct }
