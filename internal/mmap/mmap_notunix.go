//go:build !unix

package mmap

import (
	"io"
	"os"
)

// mapFile reads where there is no mapping.
func mapFile(f *os.File, off int64, n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(io.NewSectionReader(f, off, int64(n)), b)
	return b, err
}

func unmap([]byte) error          { return nil }
func advise([]byte, Advice) error { return nil }
