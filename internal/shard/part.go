package shard

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// The trailer of a part or result, behind the payload, little-endian:
//
//	off size
//	  0    8  "QWQPART1"
//	  8    4  part number; = number of parts: the result
//	 12    4  number of parts
//	 16    8  payload bytes
//	 24   32  key of the job
//	 56   32  SHA-256 of the payload and the 56 bytes above
//
// It is inside the file, so that one rename publishes bytes and marker at once.
const (
	TrailerSize = 88
	trailerMark = "QWQPART1"
)

// Errors of Verify. ErrOther means a complete file that another job made.
var (
	ErrDamaged = errors.New("damaged or incomplete")
	ErrOther   = errors.New("made by another job")
)

func trailer(key Hash, i, n int, size int64) []byte {
	b := make([]byte, 56, TrailerSize)
	copy(b, trailerMark)
	binary.LittleEndian.PutUint32(b[8:], uint32(i))
	binary.LittleEndian.PutUint32(b[12:], uint32(n))
	binary.LittleEndian.PutUint64(b[16:], uint64(size))
	copy(b[24:], key[:])
	return b
}

// Payload is data without the trailer, whose mark and length it checks but not
// its hash: for readers that map a file and check pieces of it as they come.
func Payload(data []byte) ([]byte, Hash, error) {
	if len(data) < TrailerSize {
		return nil, Hash{}, fmt.Errorf("shard: %d bytes are too few for a part: %w", len(data), ErrDamaged)
	}
	n := len(data) - TrailerSize
	t := data[n:]
	if string(t[:8]) != trailerMark || binary.LittleEndian.Uint64(t[16:]) != uint64(n) {
		return nil, Hash{}, fmt.Errorf("shard: no trailer at byte %d: %w", n, ErrDamaged)
	}
	return data[:n:n], Hash(t[24:56]), nil
}

// VerifyBytes is Payload with all bytes verified; content is the hash of the
// payload alone, which does not depend on the job or its parts.
func VerifyBytes(data []byte) (payload []byte, key, content Hash, err error) {
	payload, key, err = Payload(data)
	if err != nil {
		return nil, key, content, err
	}
	h := sha256.New()
	h.Write(payload)
	h.Sum(content[:0])
	t := data[len(payload):]
	h.Write(t[:56])
	if !bytes.Equal(h.Sum(nil), t[56:]) {
		return nil, key, content, fmt.Errorf("shard: checksum of %d bytes does not match: %w", len(data), ErrDamaged)
	}
	return payload, key, content, nil
}

// Verify reads the whole file at path and returns the size of its payload. It
// fails with ErrDamaged, ErrOther, or the file system's error.
func Verify(path string, key Hash, i, n int) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	size := st.Size() - TrailerSize
	if !st.Mode().IsRegular() || size < 0 {
		return 0, fmt.Errorf("shard: %s: %w", path, ErrDamaged)
	}
	h := sha256.New()
	if _, err := io.CopyBuffer(onlyWriter{h}, io.LimitReader(f, size), make([]byte, 1<<20)); err != nil {
		return 0, err
	}
	var got [TrailerSize]byte
	if _, err := io.ReadFull(f, got[:]); err != nil {
		return 0, err
	}
	h.Write(got[:56])
	if string(got[:8]) != trailerMark || !bytes.Equal(h.Sum(nil), got[56:]) {
		return 0, fmt.Errorf("shard: %s: %w", path, ErrDamaged)
	}
	if !bytes.Equal(got[:56], trailer(key, i, n, size)) {
		return 0, fmt.Errorf("shard: %s: part %d of %d, key %x: %w", path,
			binary.LittleEndian.Uint32(got[8:]), binary.LittleEndian.Uint32(got[12:]), got[24:56], ErrOther)
	}
	return size, nil
}

// onlyWriter hides ReadFrom, which would ignore the buffer.
type onlyWriter struct{ io.Writer }

// hashed counts and hashes what passes.
type hashed struct {
	w io.Writer
	h hash.Hash
	n int64
}

func (w *hashed) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	w.h.Write(p[:n])
	w.n += int64(n)
	return n, err
}

// publish writes a file through a temporary one: bytes and trailer are on disk
// before the name is, and the name before publish returns.
func publish(path string, key Hash, i, n int, write func(io.Writer) error) (err error) {
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
	buf := bufio.NewWriterSize(f, 1<<20)
	hw := &hashed{w: buf, h: sha256.New()}
	if err := write(hw); err != nil {
		return err
	}
	t := trailer(key, i, n, hw.n)
	hw.h.Write(t)
	if _, err := buf.Write(hw.h.Sum(t)); err != nil {
		return err
	}
	if err := buf.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	f.Close()
	return syncDir(filepath.Dir(path))
}

// temporary makes path.tmp-RANDOM and removes those of dead processes. A living
// process holds a lock on its file. Locks only tidy up: where the file system
// has none, nothing is removed.
func temporary(path string) (*os.File, error) {
	old, err := filepath.Glob(escape(path) + ".tmp-*")
	if err != nil {
		return nil, err
	}
	for _, name := range old {
		removeDead(name)
	}
	for range 100 {
		var r [8]byte
		rand.Read(r[:])
		name := fmt.Sprintf("%s.tmp-%x", path, r)
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		// Another process may have taken the new file for a dead one.
		if _, busy := lock(f); !busy && linked(f, name) {
			return f, nil
		}
		f.Close()
	}
	return nil, fmt.Errorf("shard: %s: no temporary file could be made", path)
}

func removeDead(name string) {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if got, _ := lock(f); got {
		os.Remove(name)
	}
}

func linked(f *os.File, name string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Lstat(name)
	return err == nil && os.SameFile(a, b)
}

// escape makes path a pattern that matches itself.
func escape(path string) string {
	var b []byte
	for i := range len(path) {
		switch path[i] {
		case '*', '?', '[', '\\':
			b = append(b, '\\')
		}
		b = append(b, path[i])
	}
	return string(b)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
