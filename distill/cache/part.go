package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"

	"github.com/klauspost/compress/zstd"

	"github.com/qwq-edge/qwq/distill"
)

// Stats is counted while a cache is written.
type Stats struct {
	Rows      int64 `json:"rows"`
	Positions int64 `json:"positions"` // scored ones
	// Mass is, for each temperature, the sum over positions of the mass of the
	// ids kept.
	Mass []float64 `json:"mass"`
}

// A part's payload: the header, blocks, and a last block of 0 rows that holds
// Stats as JSON. A block, little-endian:
//
//	0   4  rows, 1 to 64; 0: the last
//	4   4  size n of what follows the keys
//	8  16  the first half of the SHA-256 of all other bytes of the block
//	24     rows keys of 32 bytes, then n bytes: a zstd frame
const blockHead = 24

// Recorder writes the payload of a part, row after row. Close must be called.
type Recorder struct {
	w     io.Writer
	h     *Header
	b     *builder
	keys  []distill.Hash
	enc   *zstd.Encoder
	stats Stats
}

// NewRecorder writes to w.
func NewRecorder(w io.Writer, h *Header) (*Recorder, error) {
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true), zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		return nil, err
	}
	head, err := appendHeader(nil, partMark, h)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(head)
	return &Recorder{w: w, h: h, b: newBuilder(h), enc: enc, stats: Stats{Mass: make([]float64, len(h.Temps))}}, err
}

// Row begins a row with the key of RowKeys, whose positions with a target in
// next follow in order.
func (p *Recorder) Row(key distill.Hash, next []int32) error {
	if len(p.keys) == frameRows {
		if err := p.flush(); err != nil {
			return err
		}
	}
	p.b.row(next)
	p.keys = append(p.keys, key)
	p.stats.Rows++
	return nil
}

// Position adds position i of t.
func (p *Recorder) Position(t *distill.Targets, i int) error {
	if err := p.b.position(t, i); err != nil {
		return err
	}
	p.stats.Positions++
	k := min(t.K, p.h.K)
	for j, temp := range p.h.Temps {
		mass, logZ := 0.0, 0.0
		if temp != 1 {
			logZ = float64(t.LogZ[t.Temp(temp)*t.N+i])
		}
		for _, l := range t.LogP[i*t.K : i*t.K+k] {
			mass += math.Exp(float64(l)/temp - logZ)
		}
		p.stats.Mass[j] += mass
	}
	return nil
}

func (p *Recorder) flush() error {
	if len(p.keys) == 0 {
		return nil
	}
	raw, err := p.b.bytes()
	if err != nil {
		return err
	}
	err = writeBlock(p.w, p.keys, p.enc.EncodeAll(raw, nil))
	p.keys = p.keys[:0]
	return err
}

// Close writes what is left.
func (p *Recorder) Close() error {
	if err := p.flush(); err != nil {
		return err
	}
	js, err := json.Marshal(&p.stats)
	if err != nil {
		return err
	}
	return writeBlock(p.w, nil, js)
}

func writeBlock(w io.Writer, keys []distill.Hash, body []byte) error {
	var b bytes.Buffer
	var head [blockHead]byte
	binary.LittleEndian.PutUint32(head[:], uint32(len(keys)))
	binary.LittleEndian.PutUint32(head[4:], uint32(len(body)))
	b.Write(head[:])
	for _, k := range keys {
		b.Write(k[:])
	}
	b.Write(body)
	sum := blockSum(b.Bytes())
	copy(b.Bytes()[8:], sum[:16])
	_, err := w.Write(b.Bytes())
	return err
}

// blockSum hashes a block but for the 16 bytes of the sum itself.
func blockSum(block []byte) (sum [16]byte) {
	h := sha256.New()
	h.Write(block[:8])
	h.Write(block[blockHead:])
	copy(sum[:], h.Sum(nil))
	return sum
}
