package journal

// BreakFile closes the file under the journal, so that the next write fails as
// it does on a disk that is gone.
func (j *Journal) BreakFile() { j.file.Close() }
