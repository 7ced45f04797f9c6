//go:build !linux

package telemetry

import "io/fs"

// vcio is a Raspberry Pi's under Linux.
func vcio(device string) (uint32, error) {
	return 0, &fs.PathError{Op: "open", Path: device, Err: fs.ErrNotExist}
}
