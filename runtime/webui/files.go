package webui

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
)

//go:embed static
var static embed.FS

// file is one of the page's.
type file struct {
	body []byte
	typ  string
	tag  string // its ETag
}

// files are the page's by path; index.html is "/". They hold nothing secret: the token
// is in no file.
var files = readFiles()

func readFiles() map[string]file {
	out := map[string]file{}
	err := fs.WalkDir(static, "static", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := static.ReadFile(p)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		name := "/" + path.Base(p)
		if name == "/index.html" {
			name = "/"
		}
		out[name] = file{body: b, typ: typeOf(p), tag: `"` + hex.EncodeToString(sum[:8]) + `"`}
		return nil
	})
	if err != nil {
		panic("webui: embedded files cannot be read: " + err.Error())
	}
	return out
}

// typeOf does not ask the system's table, which differs between machines.
func typeOf(name string) string {
	known := map[string]string{".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
	return mime.FormatMediaType(known[path.Ext(name)], map[string]string{"charset": "utf-8"})
}

func (f file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Etag", f.tag)
	h.Set("Cache-Control", "no-cache") // asks each time: a new version shows at once
	if r.Header.Get("If-None-Match") == f.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.typ)
	h.Set("Content-Length", strconv.Itoa(len(f.body)))
	if r.Method == http.MethodGet {
		w.Write(f.body) //nolint:errcheck // the browser has gone
	}
}
