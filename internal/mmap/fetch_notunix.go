//go:build !unix

package mmap

// Fetch does nothing where files are not mapped.
func Fetch([]byte) {}

// Waits is 0 where files are not mapped.
func Waits() int64 { return 0 }
