package ca

// SetProbe has f called at each named point of an issuance: "before-intent",
// "intent-committed", "signed", "before-record", "recorded". An error makes the
// step fail there, as if the process had been told so.
func (i *Issuer) SetProbe(f func(point string) error) { i.probe = f }

// Waiting is how many single issuances wait for somebody to write their intents.
func (i *Issuer) Waiting() int {
	i.intents.mu.Lock()
	defer i.intents.mu.Unlock()
	return len(i.intents.waiting)
}
