package checkpoint

import (
	"fmt"
	"io/fs"
	"os"
)

// OpenFile opens a regular file and returns its size. What is none is refused
// by its kind before it is opened: opening a pipe waits for a writer.
func OpenFile(path string) (*os.File, int64, error) {
	st, err := os.Stat(path)
	if err == nil {
		err = regular(path, st.Mode())
	}
	if err != nil {
		return nil, 0, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	st, err = f.Stat()
	if err == nil {
		err = regular(path, st.Mode())
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, st.Size(), nil
}

func regular(path string, m fs.FileMode) error {
	what := "special"
	switch {
	case m.IsRegular():
		return nil
	case m.IsDir():
		what = "a folder"
	case m&fs.ModeNamedPipe != 0:
		what = "a named pipe"
	case m&fs.ModeSocket != 0:
		what = "a socket"
	case m&fs.ModeDevice != 0:
		what = "a device"
	}
	return fmt.Errorf("%s is %s, not a regular file", path, what)
}
