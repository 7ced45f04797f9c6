package gguf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Target is the file that Create(path, …, force) writes: path, or what it links
// to, existing or not. Without force a file that exists is fs.ErrExist. What is
// no regular file (a folder, a device, a pipe) is an error that says what it
// is, also with force: it would be replaced, not written to.
func Target(path string, force bool) (string, error) {
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return "", cause(err)
	case !st.Mode().IsRegular():
		return "", fmt.Errorf("it is %s, not a regular file", modeName(st.Mode()))
	case !force:
		return "", fs.ErrExist
	}
	for range 40 { // as many links as the system follows
		st, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return path, parent(path)
		case err != nil:
			return "", cause(err)
		case st.Mode()&fs.ModeSymlink == 0:
			return path, nil
		}
		to, err := os.Readlink(path)
		if err != nil {
			return "", cause(err)
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	return "", errors.New("too many links")
}

// parent checks that there is a folder to make path in.
func parent(path string) error {
	dir, _ := filepath.Split(path)
	if dir == "" {
		return nil
	}
	st, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("folder %s: %w", filepath.Clean(dir), cause(err))
	}
	if !st.IsDir() {
		return fmt.Errorf("%s is no folder", filepath.Clean(dir))
	}
	return nil
}

// cause drops the operation and the path of a file error: the messages name
// the user's path, which is not the temporary one.
func cause(err error) error {
	if e := new(fs.PathError); errors.As(err, &e) {
		return e.Err
	}
	if e := new(os.LinkError); errors.As(err, &e) {
		return e.Err
	}
	return err
}

func modeName(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a folder"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "special"
}
