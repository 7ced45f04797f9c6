package torch

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Limits of a pickle. Real checkpoints of 1,000 tensors have pickles of 100 kB.
const (
	MaxPickle = 32 << 20 // bytes
	maxString = 16 << 20 // one string
	maxStack  = 1 << 20  // values on the stack
	maxMemo   = 1 << 21  // memo entries
	maxItems  = 1 << 23  // values in containers
)

var errTooLong = fmt.Errorf("pickle is longer than %d bytes", MaxPickle)

// input reads a pickle byte by byte and knows its position.
type input struct {
	r   *bufio.Reader
	pos int64
}

func (in *input) byte() (byte, error) {
	b, err := in.r.ReadByte()
	if err != nil {
		return 0, early(err)
	}
	if in.pos++; in.pos > MaxPickle {
		return 0, errTooLong
	}
	return b, nil
}

// bytes reads n bytes. It grows with what the file really holds, so that a
// length out of nowhere allocates nothing.
func (in *input) bytes(n uint64) ([]byte, error) {
	if n > maxString {
		return nil, fmt.Errorf("string of %d bytes, the limit is %d", n, maxString)
	}
	if in.pos+int64(n) > MaxPickle {
		return nil, errTooLong
	}
	b, err := io.ReadAll(io.LimitReader(in.r, int64(n)))
	in.pos += int64(len(b))
	if err == nil && uint64(len(b)) < n {
		err = io.EOF
	}
	return b, early(err)
}

// uint reads a little-endian integer of n bytes, n at most 8.
func (in *input) uint(n int) (uint64, error) {
	var b [8]byte
	for i := range n {
		c, err := in.byte()
		if err != nil {
			return 0, err
		}
		b[i] = c
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}

// sized reads a length of n bytes, then that many bytes.
func (in *input) sized(n int) ([]byte, error) {
	k, err := in.uint(n)
	if err != nil {
		return nil, err
	}
	return in.bytes(k)
}

// line reads up to a newline, which it drops.
func (in *input) line() (string, error) {
	var b []byte
	for {
		c, err := in.byte()
		if err != nil {
			return "", err
		}
		if c == '\n' {
			return string(b), nil
		}
		if b = append(b, c); len(b) > 4096 {
			return "", errors.New("line of more than 4096 bytes")
		}
	}
}

func early(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("pickle ends early")
	}
	return err
}
