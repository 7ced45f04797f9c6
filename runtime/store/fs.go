package store

import (
	"errors"
	"io"
	"time"
)

// FS is a folder: every access of a Store to the medium. Names are relative, with
// slashes, at most one of them.
type FS interface {
	// Mkdir makes a folder that only we can read, unless it is there.
	Mkdir(name string) error
	// Create makes a file that only we can read; it must not be there.
	Create(name string) (File, error)
	Open(name string) (File, error)
	// Rename replaces to.
	Rename(from, to string) error
	Remove(name string) error
	// List lists the plain files of a folder in any order; "" is the FS itself.
	List(dir string) ([]Entry, error)
	// Touch sets the time that List gives.
	Touch(name string, t time.Time) error
	// SyncDir makes the names in a folder durable.
	SyncDir(dir string) error
	// Free is how many bytes may still be written.
	Free() (int64, error)
	// Lock keeps other processes away until the closer is closed: ErrLocked where
	// another has it.
	Lock() (io.Closer, error)
}

// File is an open file. Sync makes what was written durable.
type File interface {
	io.Reader
	io.Writer
	Sync() error
	Close() error
}

// Entry is a file in a folder.
type Entry struct {
	Name string
	Size int64
	Time time.Time // when it was used
}

// Errors of a Store; they are wrapped.
var (
	ErrLocked   = errors.New("another process uses the state folder")
	ErrReadOnly = errors.New("the state folder cannot be written to")
	ErrCorrupt  = errors.New("the file is damaged")
	ErrBudget   = errors.New("the bytes of the day are written")
	ErrTooLarge = errors.New("it is larger than the store may become")
	ErrNone     = errors.New("there is no such session")
)
