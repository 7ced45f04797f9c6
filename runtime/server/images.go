package server

import (
	"encoding/base64"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/qwq-edge/qwq/runtime/vision"
)

const (
	mostImages   = 64       // of one request
	maxImageFile = 16 << 20 // bytes of a file; one in a request is part of its body
)

// images reads the images that requests name.
type images struct {
	dir *os.Root // where files must lie, opened by its absolute path; nil: files are refused
}

// checkImageURL refuses what is neither in the request nor a file: nothing is fetched.
func checkImageURL(field, u string) error {
	if scheme, _, ok := strings.Cut(u, ":"); !ok || scheme != "data" && scheme != "file" {
		return bad(field, "%s %.60q is neither a data: nor a file: URL; nothing is fetched from a network", field, u)
	}
	return nil
}

// read decodes the image of a data: or file: URL.
func (m images) read(field, u string) (*vision.RGB, error) {
	if err := checkImageURL(field, u); err != nil {
		return nil, err
	}
	var data []byte
	var err error
	if rest, ok := strings.CutPrefix(u, "data:"); ok {
		data, err = dataURL(rest)
	} else {
		data, err = m.file(u)
	}
	if err != nil {
		return nil, bad(field, "%s: %v", field, err)
	}
	img, err := vision.Decode(data, 0)
	if err != nil {
		return nil, bad(field, "%s: %v", field, err)
	}
	return img, nil
}

// dataURL is the bytes after data: (RFC 2397), which must be base64. The media type
// is not asked: the bytes tell.
func dataURL(s string) ([]byte, error) {
	head, body, ok := strings.Cut(s, ",")
	if !ok || !strings.HasSuffix(head, ";base64") {
		return nil, errors.New("a data: URL must be data:image/…;base64,…")
	}
	return base64.StdEncoding.DecodeString(body)
}

// file reads a file of the folder. What is elsewhere, by a link too, and what is no
// file looks like nothing.
func (m images) file(s string) ([]byte, error) {
	if m.dir == nil {
		return nil, errors.New("file: URLs are refused: the daemon was started without --images")
	}
	u, err := url.Parse(s)
	if err != nil || u.Host != "" && u.Host != "localhost" {
		return nil, errors.New("a file: URL must be file:///path")
	}
	name := u.Path
	if name == "" {
		name = u.Opaque // file:cat.png, below the folder
	}
	none := errors.New("there is no such file in the folder of images")
	if filepath.IsAbs(name) {
		if name, err = filepath.Rel(m.dir.Name(), name); err != nil {
			return nil, none
		}
	}
	if !filepath.IsLocal(name) {
		return nil, none
	}
	if st, err := m.dir.Stat(name); err != nil || !st.Mode().IsRegular() { // a pipe would block
		return nil, none
	}
	f, err := m.dir.Open(name)
	if err != nil {
		return nil, none
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxImageFile+1))
	if err == nil && len(b) > maxImageFile {
		err = errors.New("the file has more than 16 MiB")
	}
	return b, err
}
