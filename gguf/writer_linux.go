package gguf

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// reserve makes f size bytes of zeros whose disk space is taken. Where the file
// system cannot, it compares the space that is free and leaves holes.
func reserve(f *os.File, size int64) error {
	err := fallocate(f, size)
	if err == nil {
		return nil
	}
	var st syscall.Statfs_t
	free := int64(-1)
	if syscall.Fstatfs(int(f.Fd()), &st) == nil {
		free = int64(st.Bavail) * int64(st.Bsize)
	}
	if !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("%d bytes are free: %w", free, err)
	}
	if free >= 0 && free < size {
		return fmt.Errorf("%d bytes are free: %w", free, syscall.ENOSPC)
	}
	return f.Truncate(size)
}

func fallocate(f *os.File, size int64) error {
	for {
		if err := syscall.Fallocate(int(f.Fd()), 0, 0, size); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// unsyncable reports an error of a file system whose folders cannot be synced.
func unsyncable(err error) bool { return errors.Is(err, syscall.EINVAL) }
