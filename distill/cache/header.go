package cache

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"

	"github.com/qwq-edge/qwq/distill"
)

// Version of the format.
const Version = 1

const (
	partMark     = "QWQTCP1\n"
	indexMark    = "QWQTCI1\n"
	frameRows    = 64
	maxHeader    = 64 << 10
	maxK         = 4096
	maxTemps     = 16
	maxFrame     = 512 << 20 // bytes of a frame, unpacked
	maxRowLength = 1 << 20
)

// Header says what a cache holds. It is the same in every part and the index.
type Header struct {
	Version   int       `json:"version"`
	Teacher   Hash      `json:"teacher"`   // Teacher.ID
	Tokenizer Hash      `json:"tokenizer"` // of the rows
	Config    Hash      `json:"config"`    // of rows and settings
	Kernel    string    `json:"kernel"`    // rung that computed; "" = not ours
	Vocab     int       `json:"vocab"`     // ids are below it
	Length    int       `json:"length"`    // ids of a row
	K         int       `json:"k"`
	Temps     []float64 `json:"temps"`   // ascending
	Samples   int       `json:"samples"` // ids drawn per temperature
}

// Hash is a SHA-256 that JSON holds in hexadecimal.
type Hash distill.Hash

// MarshalText is h in hexadecimal.
func (h Hash) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h[:])), nil }

// UnmarshalText reads 64 hexadecimal digits.
func (h *Hash) UnmarshalText(b []byte) error {
	if len(b) != 64 {
		return fmt.Errorf("hash of %d digits", len(b))
	}
	_, err := hex.Decode(h[:], b)
	return err
}

func (h *Header) check() error {
	switch {
	case h.Version != Version:
		return fmt.Errorf("version %d is not %d", h.Version, Version)
	case h.Vocab < 2 || h.Vocab > math.MaxInt32:
		return fmt.Errorf("vocabulary of %d ids", h.Vocab)
	case h.Length < 1 || h.Length > maxRowLength:
		return fmt.Errorf("rows of %d ids are not between 1 and %d", h.Length, maxRowLength)
	case h.K < 1 || h.K > maxK || h.K > h.Vocab:
		return fmt.Errorf("%d ids a position are not between 1 and %d", h.K, min(maxK, h.Vocab))
	case h.Samples < 0 || h.Samples > maxK:
		return fmt.Errorf("%d samples a position are not between 0 and %d", h.Samples, maxK)
	case len(h.Temps) < 1 || len(h.Temps) > maxTemps:
		return fmt.Errorf("%d temperatures are not between 1 and %d", len(h.Temps), maxTemps)
	}
	for i, t := range h.Temps {
		if !(t >= 0.01 && t <= 100) || i > 0 && t <= h.Temps[i-1] {
			return fmt.Errorf("temperatures %v are not ascending from 0.01 to 100", h.Temps)
		}
	}
	if n := h.frameBytes(frameRows, frameRows*h.Length); n > maxFrame {
		return fmt.Errorf("%d rows of %d positions of %d ids take %d bytes, more than %d", frameRows, h.Length, h.K, n, maxFrame)
	}
	return nil
}

// bits of an id.
func (h *Header) idBits() int { return bits.Len(uint(h.Vocab - 1)) }

// stored counts the temperatures whose log Z is stored: at T = 1 it is 0.
func (h *Header) stored() int {
	n := 0
	for _, t := range h.Temps {
		if t != 1 {
			n++
		}
	}
	return n
}

// frameBytes is the unpacked size of a frame.
func (h *Header) frameBytes(rows, positions int) int64 {
	p, bits := int64(positions), int64(h.idBits())
	k, samples, temps := int64(h.K), int64(h.Samples), int64(len(h.Temps))
	return int64(rows)*int64((h.Length+7)/8) + (p*k*bits+7)/8 + 2*p*k + 2*p + 4*p*int64(h.stored()) + temps*((p*samples*bits+7)/8)
}

// appendHeader writes mark, length and JSON.
func appendHeader(b []byte, mark string, h *Header) ([]byte, error) {
	js, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	b = append(b, mark...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(js)))
	return append(b, js...), nil
}

// readHeader reads what appendHeader wrote and returns its bytes too.
func readHeader(r io.Reader, mark string) (*Header, []byte, error) {
	b := make([]byte, len(mark)+4)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, nil, noEOF(err)
	}
	n := binary.LittleEndian.Uint32(b[len(mark):])
	if string(b[:len(mark)]) != mark || n > maxHeader {
		return nil, nil, fmt.Errorf("mark %q, header of %d bytes", b[:len(mark)], n)
	}
	js := make([]byte, n)
	if _, err := io.ReadFull(r, js); err != nil {
		return nil, nil, noEOF(err)
	}
	d := json.NewDecoder(bytes.NewReader(js))
	d.DisallowUnknownFields()
	h := &Header{}
	if err := d.Decode(h); err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	return h, append(b, js...), h.check()
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
