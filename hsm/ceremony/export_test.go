package ceremony

// SetFault makes the ceremony call fault at each point at which the process may
// die, before and after everything that outlives it.
func (c *Config) SetFault(fault func(point string) error) { c.fault = fault }
