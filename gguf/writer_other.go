//go:build !linux

package gguf

import "os"

// reserve makes f size bytes of zeros.
func reserve(f *os.File, size int64) error { return f.Truncate(size) }

// unsyncable: folders cannot be synced everywhere.
func unsyncable(error) bool { return true }
