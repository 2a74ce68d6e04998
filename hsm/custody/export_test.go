package custody

import "syscall"

// FillDisk has the session's ledger take only the first octets of its next line, as a
// disk does that is full.
func (s *Session) FillDisk(octets int) {
	s.ledger.file = &full{ledgerFile: s.ledger.file, left: octets}
}

// A full is a file with room for so many octets more. Room comes back after one failure, as it does
// on a disk that others use.
type full struct {
	ledgerFile
	left int
}

func (f *full) Write(b []byte) (int, error) {
	if f.left < 0 || len(b) <= f.left {
		return f.ledgerFile.Write(b)
	}
	n, err := f.ledgerFile.Write(b[:f.left])
	f.left = -1
	if err != nil {
		return n, err
	}
	return n, syscall.ENOSPC
}
