package smkiws

import (
	"bytes"
	"cmp"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An entry is one file of an archive as its directory describes it, checked against
// the file's own header.
type entry struct {
	name              string
	flags, method     uint16
	crc               uint32
	packed, unpacked  int64
	header, data, end int64 // where the header, the octets and what follows them stand
}

// Sizes and signatures of the Info-ZIP application note of 11 March 1997, which AppM,
// App. F names: it has no zip64 and no encryption worth the name, so that both are
// refused, and what it does not describe is no archive for us.
const (
	endSize, endSignature             = 22, 0x06054b50
	directorySize, directorySignature = 46, 0x02014b50
	headerSize, headerSignature       = 30, 0x04034b50
	descriptorSignature               = 0x08074b50
	zip64EndLocator                   = 0x07064b50

	flagEncrypted, flagDescriptor, flagUTF8 = 1 << 0, 1 << 3, 1 << 11
	allowedFlags                            = 0b110 | flagDescriptor | flagUTF8 // the middle two say how hard was compressed
	stored, deflated                        = 0, 8

	// maxComment bounds the comment of an archive: the note allows 65,535 octets and
	// nobody needs them.
	maxComment = 1 << 10
	// maxExtra bounds what a record of the directory may have beside the name, on the
	// average: times and owners take some 60 octets, and 50,000 records are held in
	// memory at once.
	maxExtra = 128
	// maxName bounds a file's name, which becomes the name of a certificate's file.
	maxName = 200
)

// ReadArchive reads an archive of requests (AppM, App. F; AppM 2.3.1.9): files *.csr in
// its root, each one request in base64. It calls item for each, in the order of the
// directory; an error of item ends the reading.
//
// The whole directory is checked before anything is unpacked, and an archive with
// anything in it that is not such a file is refused as a whole, with a *[FormatError]
// that names it. [ErrTooMany] is returned for more entries than limits.BatchItems. A
// file that unpacks and is no base64 is an Item with Err.
func ReadArchive(r io.ReaderAt, size int64, limits Limits, item func(Item) error) error {
	limits, err := limits.withDefaults()
	if err != nil {
		return err
	}
	if size > limits.BatchOctets {
		return archiveError("", "it has %d octets, and %d is the limit", size, limits.BatchOctets)
	}
	entries, err := readDirectory(r, size, limits)
	if err != nil {
		return err
	}
	for _, e := range entries {
		b, err := e.unpack(r)
		if err != nil {
			return err
		}
		it := Item{Name: e.name[:len(e.name)-len(".csr")]}
		it.DER, it.Err = decodeFile(b, "file")
		if err := item(it); err != nil {
			return err
		}
	}
	return nil
}

func archiveError(name, format string, args ...any) error {
	return &FormatError{Entry: name, Reason: fmt.Sprintf(format, args...)}
}

// readDirectory finds the end record, which must be the very end of the file, and
// reads the directory before it, which must fill the space it says. Nothing can be
// hidden between the two.
func readDirectory(r io.ReaderAt, size int64, limits Limits) ([]entry, error) {
	tail := make([]byte, min(size, endSize+maxComment))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); err != nil && err != io.EOF {
		return nil, err
	}
	at := -1
	for i := len(tail) - endSize; i >= 0; i-- {
		if binary.LittleEndian.Uint32(tail[i:]) == endSignature && i+endSize+int(binary.LittleEndian.Uint16(tail[i+20:])) == len(tail) {
			at = i
			break
		}
	}
	if at < 0 {
		return nil, archiveError("", "it is no zip archive: no end record of a directory at its end")
	}
	end := tail[at:]
	le := binary.LittleEndian
	disk, directoryDisk, here, total := le.Uint16(end[4:]), le.Uint16(end[6:]), le.Uint16(end[8:]), le.Uint16(end[10:])
	length, start := int64(le.Uint32(end[12:])), int64(le.Uint32(end[16:]))
	endAt := size - int64(len(tail)-at)
	switch {
	case disk != 0 || directoryDisk != 0 || here != total:
		return nil, archiveError("", "it is part of an archive on several disks")
	case total == 0xFFFF || length == 0xFFFFFFFF || start == 0xFFFFFFFF:
		return nil, archiveError("", "it is a zip64 archive; make it in the older format (AppM, App. F)")
	case total == 0:
		return nil, archiveError("", "there is no file in it")
	case int(total) > limits.BatchItems:
		return nil, ErrTooMany
	case start+length != endAt:
		return nil, archiveError("", "its directory does not fill the space before the end record")
	case length < directorySize*int64(total):
		return nil, archiveError("", "its directory is shorter than its number of files")
	case length > (directorySize+maxName+maxExtra)*int64(total):
		return nil, archiveError("", "its directory is too long for its number of files")
	}
	directory := make([]byte, length)
	if _, err := r.ReadAt(directory, start); err != nil && err != io.EOF {
		return nil, err
	}
	entries := make([]entry, 0, total)
	names := make(map[string]bool, total)
	for range int(total) {
		e, rest, err := readEntry(directory, limits)
		if err != nil {
			return nil, err
		}
		// Names that differ only in case are one file on the disks of many.
		key := strings.ToLower(e.name)
		if names[key] {
			return nil, archiveError(e.name, "the name stands twice, upper and lower case taken as one")
		}
		names[key] = true
		if err := e.locate(r, start); err != nil {
			return nil, err
		}
		entries, directory = append(entries, e), rest
	}
	if len(directory) != 0 {
		return nil, archiveError("", "its directory has more in it than its number of files")
	}
	return entries, overlap(entries)
}

// readEntry reads one record of the directory.
func readEntry(b []byte, limits Limits) (entry, []byte, error) {
	le := binary.LittleEndian
	if len(b) < directorySize || le.Uint32(b) != directorySignature {
		return entry{}, nil, archiveError("", "its directory is damaged")
	}
	nameLength, extraLength, commentLength := int(le.Uint16(b[28:])), int(le.Uint16(b[30:])), int(le.Uint16(b[32:]))
	length := directorySize + nameLength + extraLength + commentLength
	if length > len(b) {
		return entry{}, nil, archiveError("", "its directory is damaged")
	}
	e := entry{
		flags: le.Uint16(b[8:]), method: le.Uint16(b[10:]), crc: le.Uint32(b[16:]),
		packed: int64(le.Uint32(b[20:])), unpacked: int64(le.Uint32(b[24:])), header: int64(le.Uint32(b[42:])),
		name: string(b[directorySize : directorySize+nameLength]),
	}
	system, needed, disk, attributes := b[5], b[6], le.Uint16(b[34:]), le.Uint32(b[38:])
	bad := func(format string, args ...any) (entry, []byte, error) {
		return entry{}, nil, archiveError(e.name, format, args...)
	}
	if reason := badName(e.name); reason != "" {
		return bad("%s", reason)
	}
	switch {
	case e.flags&flagEncrypted != 0 || e.flags&(1<<6|1<<13) != 0:
		return bad("it is encrypted")
	case e.packed == 0xFFFFFFFF || e.unpacked == 0xFFFFFFFF || e.header == 0xFFFFFFFF || hasZip64(b[directorySize+nameLength:directorySize+nameLength+extraLength]):
		return bad("it is written in the zip64 format; make the archive in the older one (AppM, App. F)")
	case needed > 20:
		return bad("it needs version %d.%d to unpack, and the archive's format has 2.0 (AppM, App. F)", needed/10, needed%10)
	case e.flags&^allowedFlags != 0:
		return bad("it has flags %04x that the archive's format does not have", e.flags)
	case e.method != stored && e.method != deflated:
		return bad("it is packed by method %d; want stored (0) or deflated (8)", e.method)
	case disk != 0:
		return bad("it stands on another disk")
	case system == 3 && attributes>>16&0o170000 != 0 && attributes>>16&0o170000 != 0o100000:
		return bad("it is a link, a folder or a device; want files only")
	case attributes&0x10 != 0:
		return bad("it is a folder; requests stand in the root of the archive (AppM, App. F)")
	case e.unpacked > limits.EntryOctets:
		return bad("it unpacks to %d octets, and %d is the limit", e.unpacked, limits.EntryOctets)
	case e.method == stored && e.packed != e.unpacked:
		return bad("it is stored and has two lengths")
	case e.unpacked > limits.Ratio*e.packed:
		return bad("it unpacks to more than %d times its length", limits.Ratio)
	}
	return e, b[length:], nil
}

// badName says what is wrong with a file's name, or returns "". The name goes into a
// report and becomes the name of a certificate's file on somebody's disk.
func badName(name string) string {
	switch {
	case strings.ContainsAny(name, `/\`):
		return "requests stand in the root of the archive, without a path (AppM, App. F)"
	case len(name) > maxName:
		return fmt.Sprintf("its name has more than %d octets", maxName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "its name has characters that cannot be printed, or is not UTF-8"
	case strings.ContainsAny(name, `:*?"<>|`):
		return "its name has characters that no Windows file name may have"
	case !strings.EqualFold(path.Ext(name), ".csr"):
		return "its extension is not csr (AppM, App. F)"
	case strings.Trim(name[:len(name)-len(".csr")], ". ") == "":
		return "it has no name before the extension"
	}
	return ""
}

// hasZip64 looks for the field of zip64 among the extra fields.
func hasZip64(extra []byte) bool {
	for len(extra) >= 4 {
		id, length := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		if id == 0x0001 {
			return true
		}
		extra = extra[min(len(extra), 4+length):]
	}
	return false
}

// locate reads a file's own header, which must say what the directory says, and notes
// where its octets stand. limit is where the directory begins.
func (e *entry) locate(r io.ReaderAt, limit int64) error {
	le := binary.LittleEndian
	if e.header+headerSize+int64(len(e.name)) > limit {
		return archiveError(e.name, "its header stands outside the archive's data")
	}
	b := make([]byte, headerSize+len(e.name))
	if _, err := r.ReadAt(b, e.header); err != nil && err != io.EOF {
		return err
	}
	extra := int64(le.Uint16(b[28:]))
	same := le.Uint32(b) == headerSignature && le.Uint16(b[6:]) == e.flags && le.Uint16(b[8:]) == e.method &&
		int(le.Uint16(b[26:])) == len(e.name) && bytes.Equal(b[headerSize:], []byte(e.name))
	if same && e.flags&flagDescriptor == 0 {
		same = le.Uint32(b[14:]) == e.crc && int64(le.Uint32(b[18:])) == e.packed && int64(le.Uint32(b[22:])) == e.unpacked
	}
	if !same {
		return archiveError(e.name, "its header says otherwise than the directory")
	}
	e.data = e.header + headerSize + int64(len(e.name)) + extra
	e.end = e.data + e.packed
	if e.end > limit {
		return archiveError(e.name, "its octets reach outside the archive's data")
	}
	return nil
}

// overlap refuses files that share octets, with which a small archive unpacks to a
// huge one.
func overlap(entries []entry) error {
	order := slices.Clone(entries)
	slices.SortFunc(order, func(a, b entry) int { return cmp.Compare(a.header, b.header) })
	for i := 1; i < len(order); i++ {
		if order[i].header < order[i-1].end {
			return archiveError(order[i].name, "it overlaps with %.100q", order[i-1].name)
		}
	}
	return nil
}

// unpack returns the octets of a file, which must have the length and the checksum
// that the directory says.
func (e *entry) unpack(r io.ReaderAt) ([]byte, error) {
	var in io.Reader = io.NewSectionReader(r, e.data, e.packed)
	if e.method == deflated {
		inflater := flate.NewReader(in)
		defer inflater.Close()
		in = inflater
	}
	b, err := io.ReadAll(io.LimitReader(in, e.unpacked+1))
	switch {
	case err != nil:
		return nil, archiveError(e.name, "it does not unpack: %v", err)
	case int64(len(b)) != e.unpacked:
		return nil, archiveError(e.name, "it unpacks to another length than the directory says")
	case crc32.ChecksumIEEE(b) != e.crc:
		return nil, archiveError(e.name, "its checksum does not fit")
	}
	return b, nil
}
