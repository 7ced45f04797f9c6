package tokenizer

import (
	"encoding/base64"
	"sync"
)

// Character classes, from our own Unicode 16 tables: Go 1.26 has Unicode 15,
// and one letter read as a symbol changes the ids around it.
const (
	classL = 1 << iota // \p{L}
	classN             // \p{N}
	classS             // \s, the property White_Space
	classM             // \p{M}
	classA             // \p{Mn}, what strips as an accent
	classP             // \p{P}
	classC             // \p{C}: control, format, private, surrogate, unassigned
	classW             // \w: letters, marks, decimal digits, connectors and what is alphabetic
)

// categoryClass gives the classes of each category, in gen/classes.py's order.
var categoryClass = [...]uint8{
	classL | classW, classL | classW, classL | classW, classL | classW, classL | classW, // Lu Ll Lt Lm Lo
	classM | classA | classW, classM | classW, classM | classW, // Mn Mc Me
	classN | classW, classN | classW, classN, // Nd Nl No
	classP | classW, classP, classP, classP, classP, classP, classP, // Pc Pd Ps Pe Pi Pf Po
	0, 0, 0, 0, // Sm Sc Sk So
	0, 0, 0, // Zs Zl Zp
	classC, classC, classC, classC, classC, // Cc Cf Cs Co Cn
}

// classRanges adds what the category does not say: White_Space, and the
// alphabetic symbols and joiners of \w.
var classRanges = [...]struct {
	lo, hi rune
	class  uint8
}{
	{0x09, 0x0d, classS}, {0x20, 0x20, classS}, {0x85, 0x85, classS}, {0xa0, 0xa0, classS},
	{0x1680, 0x1680, classS}, {0x2000, 0x200a, classS}, {0x2028, 0x2029, classS}, {0x202f, 0x202f, classS},
	{0x205f, 0x205f, classS}, {0x3000, 0x3000, classS},
	{0x200c, 0x200d, classW}, {0x24b6, 0x24e9, classW},
	{0x1f130, 0x1f149, classW}, {0x1f150, 0x1f169, classW}, {0x1f170, 0x1f189, classW},
}

// classTable maps a code point to its classes in two steps of 256.
type classTable struct {
	block [0x1100]uint16 // code point >> 8 -> block number
	class []uint8        // [blocks*256]
}

// of returns the classes of r; r must be at most U+10FFFF.
func (t *classTable) of(r rune) uint8 {
	return t.class[int(t.block[uint32(r)>>8])<<8|int(r&0xff)]
}

// classes returns the table, made on first use.
var classes = sync.OnceValue(makeClasses)

func makeClasses() *classTable {
	t := &classTable{class: make([]uint8, 0, 64<<10)}
	var uniform [256]int // class -> 1 + block that holds nothing else
	eachRun(func(category uint8, cp, n int) {
		class := categoryClass[category]
		for n > 0 {
			if cp&0xff == 0 && n >= 256 && uniform[class] != 0 {
				t.block[cp>>8] = uint16(uniform[class] - 1)
				cp, n = cp+256, n-256
				continue
			}
			if cp&0xff == 0 {
				t.block[cp>>8] = uint16(len(t.class) >> 8)
				t.class = append(t.class, make([]uint8, 256)...)
				if n >= 256 {
					uniform[class] = len(t.class) >> 8
				}
			}
			k := min(n, 256-cp&0xff)
			at := len(t.class) - 256 + cp&0xff
			for j := range k {
				t.class[at+j] = class
			}
			cp, n = cp+k, n-k
		}
	})
	for _, r := range classRanges {
		for c := r.lo; c <= r.hi; c++ {
			t.class[int(t.block[c>>8])<<8|int(c&0xff)] |= r.class
		}
	}
	return t
}

// eachRun calls f for every run of n code points from cp that have a category.
func eachRun(f func(category uint8, cp, n int)) {
	runs, err := base64.StdEncoding.DecodeString(categoryRuns)
	if err != nil {
		panic("tokenizer: the generated class table is damaged: " + err.Error())
	}
	cp := 0
	for i := 0; i < len(runs); {
		category, n, shift := runs[i], 0, 0
		for i++; ; i++ {
			n |= int(runs[i]&0x7f) << shift
			shift += 7
			if runs[i] < 0x80 {
				i++
				break
			}
		}
		f(category, cp, n)
		cp += n
	}
}

// unassigned returns the runs of unassigned code points.
func unassigned() (out [][2]rune) {
	eachRun(func(category uint8, cp, n int) {
		if int(category) == len(categoryClass)-1 {
			out = append(out, [2]rune{rune(cp), rune(cp + n - 1)})
		}
	})
	return out
}
