package smkiws_test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca/smkiws"
)

type file struct{ name, content string }

// zipped is an archive as an ordinary program makes it: with data descriptors.
func zipped(t testing.TB, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		w, err := z.Create(f.name)
		require.NoError(t, err)
		_, err = io.WriteString(w, f.content)
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.Bytes()
}

// A raw is an archive's file in which everything can be wrong.
type raw struct {
	name                    string
	data                    string // as it stands in the archive
	flags, method, needed   uint16
	crc, packed, unpacked   uint32
	localName               string
	localUnpacked           uint32
	extra                   []byte
	attributes, system      uint32
	offset                  int64 // of the header, as the directory says; -1: where it is
	disk, commentLengthLies uint16
}

func plain(name, data string) raw {
	return raw{name: name, data: data, needed: 10, crc: crc32.ChecksumIEEE([]byte(data)), packed: uint32(len(data)), unpacked: uint32(len(data)),
		localName: name, localUnpacked: uint32(len(data)), offset: -1}
}

// build writes an archive octet by octet; end may change its end record.
func build(end func([]byte), files ...raw) []byte {
	var b, directory bytes.Buffer
	le := binary.LittleEndian
	for _, f := range files {
		at := int64(b.Len())
		h := make([]byte, 30)
		le.PutUint32(h, 0x04034b50)
		le.PutUint16(h[4:], f.needed)
		le.PutUint16(h[6:], f.flags)
		le.PutUint16(h[8:], f.method)
		le.PutUint32(h[14:], f.crc)
		le.PutUint32(h[18:], f.packed)
		le.PutUint32(h[22:], f.localUnpacked)
		le.PutUint16(h[26:], uint16(len(f.localName)))
		b.Write(h)
		b.WriteString(f.localName)
		b.WriteString(f.data)
		if f.offset >= 0 {
			at = f.offset
		}
		d := make([]byte, 46)
		le.PutUint32(d, 0x02014b50)
		d[5] = byte(f.system)
		le.PutUint16(d[6:], f.needed)
		le.PutUint16(d[8:], f.flags)
		le.PutUint16(d[10:], f.method)
		le.PutUint32(d[16:], f.crc)
		le.PutUint32(d[20:], f.packed)
		le.PutUint32(d[24:], f.unpacked)
		le.PutUint16(d[28:], uint16(len(f.name)))
		le.PutUint16(d[30:], uint16(len(f.extra)))
		le.PutUint16(d[32:], f.commentLengthLies)
		le.PutUint16(d[34:], f.disk)
		le.PutUint32(d[38:], f.attributes)
		le.PutUint32(d[42:], uint32(at))
		directory.Write(d)
		directory.WriteString(f.name)
		directory.Write(f.extra)
	}
	e := make([]byte, 22)
	le.PutUint32(e, 0x06054b50)
	le.PutUint16(e[8:], uint16(len(files)))
	le.PutUint16(e[10:], uint16(len(files)))
	le.PutUint32(e[12:], uint32(directory.Len()))
	le.PutUint32(e[16:], uint32(b.Len()))
	if end != nil {
		end(e)
	}
	return append(append(b.Bytes(), directory.Bytes()...), e...)
}

func with(r raw, change func(*raw)) raw {
	change(&r)
	return r
}

func readArchive(b []byte, limits smkiws.Limits) (items []smkiws.Item, err error) {
	err = smkiws.ReadArchive(bytes.NewReader(b), int64(len(b)), limits, func(it smkiws.Item) error {
		items = append(items, it)
		return nil
	})
	return items, err
}

func deflated(t testing.TB, content string) string {
	b := zipped(t, file{"x", content})
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	require.NoError(t, err)
	r, err := z.File[0].OpenRaw()
	require.NoError(t, err)
	packed, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(packed)
}

// Archives as programs make them, and requests in each form of Appendix F.
func TestReadArchive(t *testing.T) {
	t.Parallel()
	der := device(t, 1)
	one := text(der)
	broken := one[:64] + "\r\n" + one[64:128] + "\r\n" + one[128:192] + "\r\n" + one[192:256] + "\r\n" + one[256:320] + "\r\n" + one[320:] + "\r\n"
	block := string(pem.EncodeToMemory(&pem.Block{Type: "NEW CERTIFICATE REQUEST", Bytes: der}))
	items, err := readArchive(zipped(t, file{"one.csr", one}, file{"broken lines.CSR", broken}, file{"pem.csr", block}, file{"Zähler.csr", one},
		file{"wrong.csr", "x"}, file{"empty.csr", ""}, file{"der.csr", string(der)}), smkiws.Limits{})
	require.NoError(t, err)
	require.Len(t, items, 7)
	for n, name := range []string{"one", "broken lines", "pem", "Zähler"} {
		require.NoError(t, items[n].Err, name)
		require.Equal(t, smkiws.Item{Name: name, DER: der}, items[n])
	}
	for n, name := range []string{"wrong", "empty", "der"} {
		require.Equal(t, name, items[4+n].Name)
		require.Error(t, items[4+n].Err, "a file that is no request spoils itself and not its archive")
	}

	items, err = readArchive(build(nil, plain("stored.csr", one)), smkiws.Limits{})
	require.NoError(t, err)
	require.Equal(t, []smkiws.Item{{Name: "stored", DER: der}}, items)
}

// Info-ZIP itself, of which the format is.
func TestInfoZIP(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("zip")
	if err != nil {
		const how = "zip is not here: apt-get install zip"
		if os.Getenv("SMKI_NO_SKIP") == "1" {
			t.Fatal(how)
		}
		t.Skip(how)
	}
	folder := t.TempDir()
	for n := range 3 {
		require.NoError(t, os.WriteFile(filepath.Join(folder, fmt.Sprintf("m%d.csr", n)), []byte(text(device(t, n))), 0o600))
	}
	run := func(args ...string) []byte {
		command := exec.Command(program, args...)
		command.Dir = folder
		out, err := command.CombinedOutput()
		require.NoError(t, err, "%s", out)
		b, err := os.ReadFile(filepath.Join(folder, "b.zip"))
		require.NoError(t, err)
		require.NoError(t, os.Remove(filepath.Join(folder, "b.zip")))
		return b
	}
	items, err := readArchive(run("-q", "b.zip", "m0.csr", "m1.csr", "m2.csr"), smkiws.Limits{})
	require.NoError(t, err)
	require.Len(t, items, 3)
	_, err = readArchive(run("-q", "-P", "secret", "b.zip", "m0.csr"), smkiws.Limits{})
	require.ErrorContains(t, err, "encrypted")
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(folder, "link.csr")))
	_, err = readArchive(run("-q", "-y", "b.zip", "link.csr"), smkiws.Limits{})
	require.ErrorContains(t, err, "a link")
	require.NoError(t, os.Mkdir(filepath.Join(folder, "d"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "d", "x.csr"), []byte("x"), 0o600))
	_, err = readArchive(run("-q", "-r", "b.zip", "d"), smkiws.Limits{})
	require.ErrorContains(t, err, "without a path")
}

func hostileArchives(t testing.TB) map[string]struct {
	archive []byte
	want    string
} {
	good := plain("a.csr", "AAAA")
	name := func(s string) []byte { return build(nil, with(good, func(r *raw) { r.name, r.localName = s, s })) }
	bomb := strings.Repeat("A", 16<<10)
	zip64 := []byte{1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	overlapping := plain("a.csr", "AAAA")
	inner := plain("b.csr", "BBBB")
	innerBytes := build(nil, inner)[:30+5+4]
	outer := plain("a.csr", string(innerBytes))
	return map[string]struct {
		archive []byte
		want    string
	}{
		"empty":                     {nil, "no zip archive"},
		"text":                      {[]byte("hello"), "no zip archive"},
		"end record alone":          {build(nil), "no file in it"},
		"something before":          {append([]byte("#!/bin/sh\n"), build(nil, good)...), "does not fill"},
		"something after":           {append(build(nil, good), 'x'), "no zip archive"},
		"several disks":             {build(func(e []byte) { e[4] = 1 }, good), "several disks"},
		"other number here":         {build(func(e []byte) { e[8] = 2 }, good), "several disks"},
		"more files than said":      {build(func(e []byte) { e[8], e[10] = 1, 1 }, good, plain("b.csr", "BBBB")), "more in it"},
		"fewer files than said":     {build(func(e []byte) { e[8], e[10] = 2, 2 }, good), "shorter than"},
		"zip64 by number":           {build(func(e []byte) { copy(e[8:], "\xff\xff\xff\xff") }, good), "zip64"},
		"zip64 by place":            {build(func(e []byte) { copy(e[16:], "\xff\xff\xff\xff") }, good), "zip64"},
		"zip64 by length":           {build(nil, with(good, func(r *raw) { r.unpacked = 0xFFFFFFFF })), "zip64"},
		"zip64 by field":            {build(nil, with(good, func(r *raw) { r.extra = zip64 })), "zip64"},
		"zip64 by version":          {build(nil, with(good, func(r *raw) { r.needed = 45 })), "version 4.5"},
		"directory elsewhere":       {build(func(e []byte) { e[16]-- }, good), "does not fill"},
		"directory damaged":         {build(nil, with(good, func(r *raw) { r.commentLengthLies = 9 })), "damaged"},
		"directory of nothing":      {build(nil, with(good, func(r *raw) { r.extra = make([]byte, 2000) })), "too long"},
		"encrypted":                 {build(nil, with(good, func(r *raw) { r.flags = 1 })), "encrypted"},
		"strongly encrypted":        {build(nil, with(good, func(r *raw) { r.flags = 1 << 6 })), "encrypted"},
		"directory encrypted":       {build(nil, with(good, func(r *raw) { r.flags = 1 << 13 })), "encrypted"},
		"patched data":              {build(nil, with(good, func(r *raw) { r.flags = 1 << 5 })), "flags"},
		"method bzip2":              {build(nil, with(good, func(r *raw) { r.method = 12 })), "method 12"},
		"method deflate64":          {build(nil, with(good, func(r *raw) { r.method = 9 })), "method 9"},
		"another disk's":            {build(nil, with(good, func(r *raw) { r.disk = 1 })), "another disk"},
		"a link":                    {build(nil, with(good, func(r *raw) { r.system, r.attributes = 3, 0o120777<<16 })), "a link"},
		"a device":                  {build(nil, with(good, func(r *raw) { r.system, r.attributes = 3, 0o060600<<16 })), "a link"},
		"a folder by its mode":      {build(nil, with(good, func(r *raw) { r.system, r.attributes = 3, uint32(0o040755)<<16 })), "a link"},
		"a folder by its bit":       {build(nil, with(good, func(r *raw) { r.attributes = 0x10 })), "a folder"},
		"a folder by its name":      {name("a.csr/"), "without a path"},
		"a path":                    {name("x/a.csr"), "without a path"},
		"a path up":                 {name("../a.csr"), "without a path"},
		"a path from the root":      {name("/etc/a.csr"), "without a path"},
		"a path of Windows":         {name(`..\a.csr`), "without a path"},
		"a disk of Windows":         {name("C:a.csr"), "no Windows file name"},
		"another extension":         {name("a.exe"), "not csr"},
		"no extension":              {name("csr"), "not csr"},
		"csr in the middle":         {name("a.csr.txt"), "not csr"},
		"no name":                   {name(".csr"), "no name before"},
		"dots for a name":           {name("...csr"), "no name before"},
		"a NUL in the name":         {name("a\x00.csr"), "cannot be printed"},
		"a line end in the name":    {name("a\n.csr"), "cannot be printed"},
		"a tab in the name":         {name("a\t.csr"), "cannot be printed"},
		"right to left in the name": {name("a\u202e.csr"), "cannot be printed"},
		"a name of no characters":   {name("a\xff.csr"), "not UTF-8"},
		"a long name":               {name(strings.Repeat("a", 200) + ".csr"), "more than 200"},
		"an empty name":             {name(""), "not csr"},
		"a name twice":              {build(nil, good, good), "stands twice"},
		"a name in both cases":      {build(nil, good, plain("A.CSR", "BBBB")), "stands twice"},
		"two names":                 {build(nil, with(good, func(r *raw) { r.localName = "b.csr" })), "otherwise than the directory"},
		"two lengths":               {build(nil, with(good, func(r *raw) { r.localUnpacked = 5 })), "otherwise than the directory"},
		"stored in two lengths":     {build(nil, with(good, func(r *raw) { r.unpacked, r.localUnpacked = 5, 5 })), "stored and has two lengths"},
		"longer than a request":     {build(nil, plain("a.csr", bomb+"A")), "16384 is the limit"},
		"a bomb":                    {zipped(t, file{"a.csr", bomb}), "more than 20 times"},
		"a bomb that lies": {build(nil, with(plain("a.csr", deflated(t, bomb)), func(r *raw) {
			r.method, r.unpacked, r.localUnpacked = 8, 100, 100
		})), "another length"},
		"shorter than it says": {build(nil, with(plain("a.csr", deflated(t, "AAAA")), func(r *raw) {
			r.method, r.unpacked, r.localUnpacked = 8, 5, 5
		})), "another length"},
		"garbage":              {build(nil, with(good, func(r *raw) { r.method, r.data, r.needed = 8, "\xff\xff\xff\xff", 20 })), "does not unpack"},
		"a wrong checksum":     {build(nil, with(good, func(r *raw) { r.crc ^= 1 })), "checksum"},
		"header outside":       {build(nil, with(good, func(r *raw) { r.offset = 1 << 20 })), "outside"},
		"octets outside":       {build(nil, with(good, func(r *raw) { r.packed, r.unpacked, r.localUnpacked = 5000, 5000, 5000 })), "outside"},
		"one file's octets":    {build(nil, overlapping, with(plain("a.csr", "AAAA"), func(r *raw) { r.name, r.localName, r.offset = "a.csr", "a.csr", 0 })), "stands twice"},
		"a file inside a file": {build(nil, outer, with(inner, func(r *raw) { r.offset = 30 + 5 })), "overlaps"},
	}
}

// Each hostile archive is refused as a whole, with the reason, before anything of it
// becomes an item that counts.
func TestReadArchiveRefuses(t *testing.T) {
	t.Parallel()
	for name, row := range hostileArchives(t) {
		_, err := readArchive(row.archive, smkiws.Limits{})
		var format *smkiws.FormatError
		require.ErrorAs(t, err, &format, name)
		require.ErrorContains(t, err, row.want, name)
	}
}

// 50,000 files are read, one more is refused before the directory is.
func TestReadArchiveFull(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for n := range 50001 {
		w, err := z.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("%d.csr", n), Method: zip.Store})
		require.NoError(t, err)
		_, err = io.WriteString(w, "MAAA")
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	items, err := readArchive(b.Bytes(), smkiws.Limits{})
	require.ErrorIs(t, err, smkiws.ErrTooMany)
	require.Empty(t, items)
	items, err = readArchive(b.Bytes(), smkiws.Limits{BatchItems: 50001})
	require.NoError(t, err)
	require.Len(t, items, 50001)
	_, err = readArchive(b.Bytes(), smkiws.Limits{BatchOctets: int64(b.Len()) - 1})
	require.ErrorContains(t, err, "is the limit")
}

func FuzzReadArchive(f *testing.F) {
	f.Add(zipped(f, file{"a.csr", "AAAA"}, file{"b.csr", text(device(f, 1))}))
	for _, row := range hostileArchives(f) {
		if len(row.archive) < 4000 {
			f.Add(row.archive)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		names := map[string]bool{}
		err := smkiws.ReadArchive(bytes.NewReader(b), int64(len(b)), smkiws.Limits{BatchItems: 10}, func(it smkiws.Item) error {
			if names[it.Name] || strings.ContainsAny(it.Name, "/\\\x00\t\r\n") || it.Name == "" || (it.DER == nil) == (it.Err == nil) {
				t.Fatalf("item %+v", it)
			}
			names[it.Name] = true
			return nil
		})
		if err != nil || len(names) > 10 {
			if len(names) > 10 {
				t.Fatal("more items than the limit")
			}
			return
		}
		// What we read, the standard library's reader, which takes more, reads alike.
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil || len(z.File) != len(names) {
			t.Fatalf("%v, %d items", err, len(names))
		}
		for _, file := range z.File {
			if !names[file.Name[:len(file.Name)-4]] || file.Mode()&fs.ModeType != 0 {
				t.Fatalf("%q of mode %v", file.Name, file.Mode())
			}
		}
	})
}

// The portal from upload to both downloads and the one that has both.
func TestPortal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := device(t, 1)
	archive := zipped(t, file{"meter 1.csr", text(good)}, file{"Zähler.csr", text(device(t, 2))}, file{"bad.csr", "AAAA"}, file{"again.csr", text(good)})

	var form bytes.Buffer
	m := multipart.NewWriter(&form)
	require.NoError(t, m.WriteField("note", "monthly"))
	part, err := m.CreateFormFile("batch", `C:\work\meters.zip`)
	require.NoError(t, err)
	_, err = part.Write(archive)
	require.NoError(t, err)
	require.NoError(t, m.Close())
	status, _, body := w.call(t, "POST", smkiws.PortalPath, "supplier", m.FormDataContentType(), form.Bytes())
	require.Equal(t, http.StatusAccepted, status, "%s", body)
	var told struct {
		BatchID  int64  `json:"batch_id"`
		Requests int    `json:"requests"`
		Name     string `json:"name"`
		Status   string `json:"status"`
	}
	require.NoError(t, json.Unmarshal(body, &told))
	require.Equal(t, 4, told.Requests)
	require.Equal(t, "meters", told.Name)
	path := fmt.Sprintf("%s/%d", smkiws.PortalPath, told.BatchID)
	for _, download := range []string{"/report.txt", "/certificates.zip", "/response.zip"} {
		status, _, _ = w.call(t, "GET", path+download, "supplier", "", nil)
		require.Equal(t, http.StatusConflict, status)
	}
	workAll(t, w.service)

	status, headers, report := w.call(t, "GET", path+"/report.txt", "supplier", "", nil)
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, headers.Get("Content-Disposition"), "meters-response.txt")
	id := told.BatchID
	require.Equal(t, fmt.Sprintf("%d.1\tmeter 1.csr\tsuccess\r\n%d.2\tZähler.csr\tsuccess\r\n%d.3\tbad.csr\terror\tCR:CC5\r\n%d.4\tagain.csr\tanomaly\tCA:DD2\r\n", id, id, id, id), string(report))

	_, headers, body = w.call(t, "GET", path+"/certificates.zip", "supplier", "", nil)
	require.Contains(t, headers.Get("Content-Disposition"), "meters-response.zip")
	z, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	require.NoError(t, err)
	require.Len(t, z.File, 2)
	require.Equal(t, "meter 1.crt", z.File[0].Name)
	require.Equal(t, "Zähler.crt", z.File[1].Name)
	first, err := z.Open("meter 1.crt")
	require.NoError(t, err)
	crt, err := io.ReadAll(first)
	require.NoError(t, err)
	block, rest := pem.Decode(crt)
	require.NotNil(t, block)
	require.Empty(t, rest)
	require.Equal(t, entity(1), decode(t, base64.StdEncoding.EncodeToString(block.Bytes)).DeviceID)

	_, _, body = w.call(t, "GET", path+"/response.zip", "supplier", "", nil)
	z, err = zip.NewReader(bytes.NewReader(body), int64(len(body)))
	require.NoError(t, err)
	require.Len(t, z.File, 3)
	inside, err := z.Open("report.txt")
	require.NoError(t, err)
	both, err := io.ReadAll(inside)
	require.NoError(t, err)
	require.Equal(t, report, both)

	for _, p := range []string{path, path + "/report.txt", path + "/certificates.zip", path + "/response.zip"} {
		status, _, _ = w.call(t, "GET", p, "rival", "", nil)
		require.Equal(t, http.StatusNotFound, status, p)
		status, _, _ = w.call(t, "GET", p, "", "", nil)
		require.Equal(t, http.StatusForbidden, status, p)
	}
}

// Results of the web service are offered on the portal too (AppM 2.5.1.4).
func TestPortalOfServiceBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *smkiws.Config) { c.BareCertificates = true })
	id := w.submit(t, "supplier", batchDocument("b", text(device(t, 1)))).BatchId
	workAll(t, w.service)
	_, headers, body := w.call(t, "GET", fmt.Sprintf("%s/%d/certificates.zip", smkiws.PortalPath, id), "supplier", "", nil)
	require.Contains(t, headers.Get("Content-Disposition"), fmt.Sprintf("batch-%d-response.zip", id))
	z, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	require.NoError(t, err)
	require.Equal(t, "d1.crt", z.File[0].Name)
	f, err := z.File[0].Open()
	require.NoError(t, err)
	crt, err := io.ReadAll(f)
	require.NoError(t, err)
	require.Equal(t, entity(1), decode(t, strings.TrimSuffix(string(crt), "\n")).DeviceID)
}

// Uploads that are refused, and how.
func TestPortalRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *smkiws.Config) { c.Limits.BatchItems = 2; c.Limits.BatchOctets = 5000 })
	good := zipped(t, file{"a.csr", "MAAA"})
	for name, row := range map[string]struct {
		query, media, party string
		body                []byte
		status              int
		want                string
	}{
		"accepted":         {"?name=b.zip", "application/zip", "supplier", good, 202, `"requests":1`},
		"no name":          {"", "application/zip", "supplier", good, 422, "archive's name"},
		"a hostile name":   {"?name=a%0d%0ab.zip", "application/zip", "supplier", good, 422, "archive's name"},
		"a path":           {"?name=../../b.zip", "application/zip", "supplier", good, 202, `"name":"b"`},
		"no archive":       {"?name=b.zip", "application/zip", "supplier", []byte("x"), 422, "no zip archive"},
		"too many":         {"?name=b.zip", "application/zip", "supplier", zipped(t, file{"a.csr", ""}, file{"b.csr", ""}, file{"c.csr", ""}), 422, "more than 2 requests"},
		"too long":         {"?name=b.zip", "application/zip", "supplier", append(make([]byte, 6000), good...), 422, "is the limit"},
		"a form of none":   {"", "multipart/form-data; boundary=x", "supplier", []byte("--x--\r\n"), 422, "no file in the form"},
		"a form of noise":  {"", "multipart/form-data; boundary=x", "supplier", []byte("noise"), 422, "no file in the form"},
		"a form of no end": {"", "multipart/form-data", "supplier", nil, 422, "form cannot be read"},
		"another type":     {"?name=b.zip", "text/plain", "supplier", good, 415, "Content-Type"},
		"nobody":           {"?name=b.zip", "application/zip", "", good, 403, "IKI certificate"},
	} {
		status, _, body := w.call(t, "POST", smkiws.PortalPath+row.query, row.party, row.media, row.body)
		require.Equal(t, row.status, status, "%s: %s", name, body)
		require.Contains(t, string(body), row.want, name)
	}
	r, err := http.NewRequest("POST", w.url+smkiws.PortalPath+"?name=b.zip", bytes.NewReader(good))
	require.NoError(t, err)
	r.Header.Set("Party", "supplier")
	r.Header.Set("Content-Type", "application/zip")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusForbidden, response.StatusCode, "a form of another site")
}
