package asmgen

// format is how 32 weights of a type lie in a row and become int8 codes.
type format struct {
	name  string
	bytes int  // of a block
	min   bool // a second half: added times Σx
	fifth bool // four bytes of fifth bits before the nibbles
	kind  kind
	bias  int  // subtracted from the codes, times Σx: a power of two, or 0
	small bool // codes of at most 6 bits: 8 products fit an int16
}

type kind int

const (
	whole  kind = iota // 32 int8
	nibble             // 16 bytes: low nibbles are codes 0-15, high ones 16-31
	table              // nibbles are places in a table
)

// formats are the types with blocks of 32.
var formats = []format{
	{name: "Q8_0", bytes: 34, kind: whole},
	{name: "Q4_0", bytes: 18, kind: nibble, bias: 8, small: true},
	{name: "Q4_1", bytes: 20, kind: nibble, min: true, small: true},
	{name: "Q5_0", bytes: 22, kind: nibble, fifth: true, small: true},
	{name: "Q5_1", bytes: 24, kind: nibble, fifth: true, min: true, bias: -16, small: true},
	{name: "IQ4_NL", bytes: 18, kind: table},
}

// Constant vectors of the unpackers.
const (
	vIdx0   V = 28 // bytes 0 and 1 of the fifth bits, eight times each
	vIdx1   V = 29 // bytes 2 and 3
	vBits   V = 30 // 1, 2, 4 … 128, twice
	vValues V = 30 // the table of IQ4_NL
	vNibble V = 31 // 15
)

// constants fills the constant vectors of f; r is free.
func (a *Arm64) constants(f format, r R) {
	if f.kind == whole {
		return
	}
	a.MOVIB(vNibble, 15)
	switch {
	case f.kind == table:
		a.Address("values", r)
		a.FMOVQ(r, 0, vValues)
	case f.fifth:
		a.Address("fifth", r)
		a.FMOVQ(r, 0, vIdx0)
		a.FMOVQ(r, 16, vIdx1)
		a.FMOVQ(r, 32, vBits)
	}
}

// tables writes the constants that f needs into the file.
func (a *Arm64) tables(fs []format) {
	var values, fifth bool
	for _, f := range fs {
		values, fifth = values || f.kind == table, fifth || f.fifth
	}
	if values {
		a.Table("values", []byte{129, 152, 173, 191, 207, 221, 234, 246, 1, 13, 25, 38, 53, 69, 89, 113})
	}
	if fifth {
		t := make([]byte, 48)
		for i := range 16 {
			t[i], t[16+i], t[32+i] = byte(i/8), byte(2+i/8), 1<<(i%8)
		}
		a.Table("fifth", t)
	}
}

// unpack lists the steps that load one block at p and leave its codes in lo and
// hi; scale and min (halves) go to lane of the vectors. t0 and t1 are free.
// p moves on by the block.
func (a *Arm64) unpack(f format, p R, scale, min V, lane int, lo, hi, t0, t1 V) []func() {
	steps := []func(){func() { a.LoadLaneH(p, scale, lane) }}
	if f.min {
		steps = append(steps, func() { a.LoadLaneH(p, min, lane) })
	}
	if f.kind == whole {
		return append(steps, func() { a.LoadB16(p, lo, hi) })
	}
	if f.fifth {
		steps = append(steps, func() { a.LoadDupS(p, t0) })
	}
	steps = append(steps, func() { a.LoadB16(p, lo) })
	if f.fifth {
		// A fifth bit of 0 makes the code negative: n-16 has 1111 above n.
		steps = append(steps,
			func() { a.NOT(t0, t0) },
			func() { a.TBL(t1, t0, vIdx1) },
			func() { a.TBL(t0, t0, vIdx0) },
			func() { a.CMTST(t1, t1, vBits) },
			func() { a.CMTST(t0, t0, vBits) })
	}
	steps = append(steps,
		func() { a.USHRB(hi, lo, 4) },
		func() { a.AND(lo, lo, vNibble) })
	if f.fifth {
		steps = append(steps,
			func() { a.SLIB(lo, t0, 4) },
			func() { a.SLIB(hi, t1, 4) })
	}
	if f.kind == table {
		steps = append(steps,
			func() { a.TBL(lo, vValues, lo) },
			func() { a.TBL(hi, vValues, hi) })
	}
	return steps
}

// zip runs two lists of steps in turn, so that a core that issues in order does
// not wait for each result.
func zip(x, y []func()) {
	for i := range max(len(x), len(y)) {
		if i < len(x) {
			x[i]()
		}
		if i < len(y) {
			y[i]()
		}
	}
}
