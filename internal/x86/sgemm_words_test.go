package x86

import (
	"fmt"
	"os"
	"regexp"
	"testing"
)

// evex encodes an instruction on zmm registers of opcode map 0F38, prefix F3:
// dst, the first source of Intel's order (vvvv), and the second.
func evex(op byte, dst, first, second int) string {
	not := func(v, bit int) byte { return byte(^v >> bit & 1) }
	b := []byte{
		0x62,
		not(dst, 3)<<7 | not(second, 4)<<6 | not(second, 3)<<5 | not(dst, 4)<<4 | 2,
		byte(^first&15)<<3 | 1<<2 | 2,
		2<<5 | not(first, 4)<<3,
		op,
		0xc0 | byte(dst&7)<<3 | byte(second&7),
	}
	return fmt.Sprintf("LONG $0x%02x%02x%02x%02x; WORD $0x%02x%02x", b[3], b[2], b[1], b[0], b[5], b[4])
}

// TestWords encodes the instructions that the assembler does not know from their
// comments and compares with the words in the source.
func TestWords(t *testing.T) {
	const file = "bf16gemm_avx512_amd64.s"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^\s*(LONG.*?) +// +(\S+) (.*)$`).FindAllStringSubmatch(string(text), -1) {
		var a, b, c int
		want := ""
		switch m[2] {
		case "VDPBF16PS":
			_, err = fmt.Sscanf(m[3], "Z%d, Z%d, Z%d", &a, &b, &c)
			want = evex(0x52, c, b, a)
		case "VCVTNEPS2BF16":
			_, err = fmt.Sscanf(m[3], "Z%d, Y%d", &a, &b)
			want = evex(0x72, b, 0, a)
		}
		if err != nil || m[1] != want {
			t.Errorf("%s %s: %s, want %s (%v)", m[2], m[3], m[1], want, err)
		}
		seen[m[2]]++
	}
	if seen["VDPBF16PS"] != 24 || seen["VCVTNEPS2BF16"] != 14 {
		t.Errorf("found %v", seen)
	}
}
