package revocation

// SetProbe has f called at each named point of a publication: "before-intent",
// "signed", "before-publish". An error makes the step fail there.
func (r *Register) SetProbe(f func(point string) error) { r.probe = f }
