package prog

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// WriteFile writes a file under a temporary name beside path, syncs it and
// renames it: path is either what it was or complete. On any error, and when
// write returns one, the temporary is removed. A link is followed; a device or
// a pipe is written to as it is, never replaced.
func WriteFile(path string, write func(io.Writer) error) error {
	path, st, err := follow(path)
	switch {
	case err != nil:
		return err
	case st == nil || st.Mode().IsRegular():
		return replace(path, write)
	case st.IsDir():
		return fmt.Errorf("%s is a folder", path)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(buffered(f, write), f.Close())
}

// follow resolves links, also one whose target does not exist yet. st is nil
// where there is nothing.
func follow(path string) (string, fs.FileInfo, error) {
	for range 40 {
		st, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return path, nil, nil
		}
		if err != nil || st.Mode()&fs.ModeSymlink == 0 {
			return path, st, err
		}
		to, err := os.Readlink(path)
		if err != nil {
			return path, nil, err
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	return path, nil, fmt.Errorf("%s: too many links", path)
}

func replace(path string, write func(io.Writer) error) (err error) {
	f, err := temporary(path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err = buffered(f, write); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// temporary makes a file beside path with the permissions of any new file.
func temporary(path string) (*os.File, error) {
	dir := filepath.Dir(path)
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return nil, fmt.Errorf("%s: there is no folder %s", path, dir)
	}
	for try := 0; ; try++ {
		tmp := filepath.Join(dir, fmt.Sprintf(".%.200s.tmp-%08x", filepath.Base(path), rand.Uint32()))
		f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil || !errors.Is(err, fs.ErrExist) || try > 100 {
			return f, err
		}
	}
}

func buffered(f *os.File, write func(io.Writer) error) error {
	w := bufio.NewWriterSize(f, 1<<20)
	if err := write(w); err != nil {
		return err
	}
	return w.Flush()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
