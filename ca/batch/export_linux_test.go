package batch

// NameByProc has files named the way that needs no rights, or the short one again.
func NameByProc(on bool) { unnamed.Store(on) }
