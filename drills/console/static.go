package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strings"
)

//go:embed static
var staticFiles embed.FS

// static are the files that pages use. Their address has the hash of all of them,
// so that a browser may keep them for ever and never has an old one.
type static struct {
	base  string // /static/HASH/
	hash  string
	files map[string][]byte
}

func newStatic() *static {
	s := &static{files: make(map[string][]byte)}
	var names []string
	// The files are in the program: reading them cannot fail.
	_ = fs.WalkDir(staticFiles, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := staticFiles.ReadFile(name)
		name = strings.TrimPrefix(name, "static/")
		s.files[name], names = text, append(names, name)
		return err
	})
	slices.Sort(names)
	h := sha256.New()
	for _, name := range names {
		h.Write([]byte(name + "\x00"))
		h.Write(s.files[name])
	}
	s.hash = hex.EncodeToString(h.Sum(nil))[:16]
	s.base = "/static/" + s.hash + "/"
	return s
}

var staticTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png",
	".woff2": "font/woff2", ".LICENSE": "text/plain; charset=utf-8",
}

func (s *static) serve(w http.ResponseWriter, r *http.Request) {
	text, ok := s.files[r.PathValue("name")]
	if !ok || r.PathValue("hash") != s.hash {
		http.Error(w, "There is no such file; load the page again.", http.StatusNotFound)
		return
	}
	kind := staticTypes[path.Ext(r.PathValue("name"))]
	if kind == "" {
		kind = "application/octet-stream"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(text)
}

// has says whether there is such a file.
func (s *static) has(name string) bool { return s.files[name] != nil }
