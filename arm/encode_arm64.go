//go:build !noasm

package arm

import (
	"encoding/binary"

	"github.com/qwq-edge/qwq/quant"
)

func encode(row []byte, t quant.Type, x []float32) bool {
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
		done, n := 0, min(len(x), valuesChunk)/32
		switch t {
		case quant.Q8_0:
			done = encodeQ8_0NEON(&row[0], &x[0], n)
		case quant.Q4_0:
			done = encodeQ4_0NEON(&row[0], &x[0], n)
		case quant.Q4_1:
			done = encodeQ4_1NEON(&row[0], &x[0], n)
		case quant.Q5_0:
			done = encodeQ5_0NEON(&row[0], &x[0], n)
		case quant.Q5_1:
			done = encodeQ5_1NEON(&row[0], &x[0], n)
		}
		row, x = row[done*size:], x[done*32:]
		if done < n {
			if err := quant.Encode(t, row[:size], x[:32]); err != nil {
				panic(err)
			}
			row, x = row[size:], x[32:]
		}
	}
}

func encodeBF16(row []byte, x []float32) {
	for len(x) >= 8 {
		n := min(len(x)&^7, valuesChunk)
		encodeBF16NEON(&row[0], &x[0], n)
		row, x = row[2*n:], x[n:]
	}
	for i, v := range x {
		binary.LittleEndian.PutUint16(row[2*i:], quant.FloatToBF16(v))
	}
}

// Rows of blocks of 32, see the assembly: they return the number of blocks done.

//go:noescape
func encodeQ8_0NEON(row *byte, x *float32, blocks int) (done int)

//go:noescape
func encodeQ4_0NEON(row *byte, x *float32, blocks int) (done int)

//go:noescape
func encodeQ4_1NEON(row *byte, x *float32, blocks int) (done int)

//go:noescape
func encodeQ5_0NEON(row *byte, x *float32, blocks int) (done int)

//go:noescape
func encodeQ5_1NEON(row *byte, x *float32, blocks int) (done int)

// encodeBF16NEON rounds n values; n is a positive multiple of 8.
//
//go:noescape
func encodeBF16NEON(row *byte, x *float32, n int)
