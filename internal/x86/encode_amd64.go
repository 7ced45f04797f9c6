//go:build !noasm

package x86

import (
	"encoding/binary"

	"github.com/qwq-edge/qwq/quant"
)

// Rows of blocks of 32, see the assembly: they return the number of blocks done.

//go:noescape
func encodeQ8_0AVX2(row *byte, x *float32, blocks int) int

//go:noescape
func encodeQ4_0AVX2(row *byte, x *float32, blocks int) int

//go:noescape
func encodeQ4_1AVX2(row *byte, x *float32, blocks int) int

//go:noescape
func encodeQ5_0AVX2(row *byte, x *float32, blocks int) int

//go:noescape
func encodeQ5_1AVX2(row *byte, x *float32, blocks int) int

// encodeBF16AVX2 rounds n values; n is a positive multiple of 16.
//
//go:noescape
func encodeBF16AVX2(row *byte, x *float32, n int)

func encode(l Level, row []byte, t quant.Type, x []float32) bool {
	if l < AVX2 {
		return false
	}
	switch t {
	case quant.BF16:
		encodeBF16(row, x)
	case quant.F16:
		f32ToF16(row, x)
	case quant.Q8_0, quant.Q4_0, quant.Q4_1, quant.Q5_0, quant.Q5_1:
		encodeBlocks(row, t, x)
	default:
		return false
	}
	return true
}

// encodeBlocks leaves blocks whose values or range are not finite to quant.
func encodeBlocks(row []byte, t quant.Type, x []float32) {
	size := t.BlockBytes()
	for len(x) > 0 {
		done, n := 0, min(len(x), mathChunk)/32
		switch t {
		case quant.Q8_0:
			done = encodeQ8_0AVX2(&row[0], &x[0], n)
		case quant.Q4_0:
			done = encodeQ4_0AVX2(&row[0], &x[0], n)
		case quant.Q4_1:
			done = encodeQ4_1AVX2(&row[0], &x[0], n)
		case quant.Q5_0:
			done = encodeQ5_0AVX2(&row[0], &x[0], n)
		case quant.Q5_1:
			done = encodeQ5_1AVX2(&row[0], &x[0], n)
		}
		row, x = row[done*size:], x[done*32:]
		if done < n {
			mustEncode(row[:size], t, x[:32])
			row, x = row[size:], x[32:]
		}
	}
}

// mustEncode is for lengths that were checked.
func mustEncode(row []byte, t quant.Type, x []float32) {
	if err := quant.Encode(t, row, x); err != nil {
		panic(err)
	}
}

func encodeBF16(row []byte, x []float32) {
	for len(x) >= 16 {
		n := min(len(x)&^15, mathChunk)
		encodeBF16AVX2(&row[0], &x[0], n)
		row, x = row[2*n:], x[n:]
	}
	for i, v := range x {
		binary.LittleEndian.PutUint16(row[2*i:], quant.FloatToBF16(v))
	}
}
