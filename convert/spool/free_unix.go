//go:build linux || darwin

package spool

import "golang.org/x/sys/unix"

// free is the number of bytes that an ordinary user may still write in dir.
func free(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}
