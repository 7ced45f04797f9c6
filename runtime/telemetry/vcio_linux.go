package telemetry

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A property message of the VideoCore mailbox, 32-bit words: total bytes,
// request code, tag, bytes of the value, request, value, end tag.
const (
	tagGetThrottled = 0x00030046
	mailboxOK       = 0x80000000
	// _IOWR(100, 0, char *): the size field holds the size of a pointer.
	mailboxProperty = 3<<30 | uint(unsafe.Sizeof(uintptr(0)))<<16 | 100<<8
)

// vcio asks a Raspberry Pi's firmware for its throttle word.
func vcio(device string) (uint32, error) {
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	msg := new([8]uint32)
	*msg = [8]uint32{4 * 7, 0, tagGetThrottled, 4, 0, 0, 0}
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), uintptr(mailboxProperty), uintptr(unsafe.Pointer(msg)))
	runtime.KeepAlive(msg)
	if errno != 0 {
		return 0, fmt.Errorf("telemetry: %s: %w", device, errno)
	}
	if msg[1] != mailboxOK {
		return 0, fmt.Errorf("telemetry: %s: response code %#x", device, msg[1])
	}
	return msg[5], nil
}
