package ca

// SetProbe has f called at each named point of an issuance: "before-intent",
// "intent-committed", "signed", "before-record", "recorded". An error makes the
// step fail there, as if the process had been told so.
func (i *Issuer) SetProbe(f func(point string) error) { i.probe = f }
