package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// dir is an FS on a folder. os.Root keeps links in it from leading out.
type dir struct {
	path string
	root *os.Root
}

// Dir is the FS of a folder, which is made where it is missing.
func Dir(path string) (FS, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	r, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return &dir{path, r}, nil
}

func (d *dir) Mkdir(name string) error {
	if err := d.root.Mkdir(name, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func (d *dir) Create(name string) (File, error) {
	f, err := d.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return file{f}, nil
}

func (d *dir) Open(name string) (File, error) {
	f, err := d.root.OpenFile(name, os.O_RDONLY|nonblock, 0) // a pipe must not hold us up
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("store: %s is not a plain file", name)
	}
	return file{f}, nil
}

func (d *dir) Rename(from, to string) error         { return d.root.Rename(from, to) }
func (d *dir) Remove(name string) error             { return d.root.Remove(name) }
func (d *dir) Touch(name string, t time.Time) error { return d.root.Chtimes(name, t, t) }

func (d *dir) List(name string) ([]Entry, error) {
	if name == "" {
		name = "."
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := f.ReadDir(-1)
	var out []Entry
	for _, e := range list {
		if st, err := e.Info(); err == nil && st.Mode().IsRegular() {
			out = append(out, Entry{e.Name(), st.Size(), st.ModTime()})
		}
	}
	return out, err
}

func (d *dir) SyncDir(name string) error {
	if name == "" {
		name = "."
	}
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return syncDir(f)
}

func (d *dir) Free() (int64, error) { return free(d.path) }

func (d *dir) Lock() (io.Closer, error) {
	f, err := d.root.OpenFile("lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// file leaves nothing of what was synced or read in the page cache, which holds the model.
type file struct{ *os.File }

func (f file) Close() error {
	forget(f.File)
	return f.File.Close()
}

func (f file) Sync() error {
	if err := f.File.Sync(); err != nil {
		return err
	}
	forget(f.File)
	return nil
}
