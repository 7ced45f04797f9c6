// Package asmgen writes the arm64 assembly of package arm. Go's assembler lacks
// most NEON arithmetic, so those instructions are raw words; here each is a
// method that also writes its mnemonic beside the word. Nobody types a word by
// hand, and nothing in this package is linked into a program.
//
// `go test ./internal/asmgen` compares the files with what the package writes
// and decodes every word with an independent disassembler; `-update` rewrites.
package asmgen

// Files is every generated file: its path from the module root and its text.
func Files() map[string][]byte {
	return map[string][]byte{
		"arm/f16_arm64.s":           f16Arm64(),
		"arm/gemv_arm64.s":          gemvArm64(),
		"arm/gemvk_neon_arm64.s":    gemvKArm64("NEON"),
		"arm/gemvk_dotprod_arm64.s": gemvKArm64("DotProd"),
		"arm/packk_neon_arm64.s":    packKArm64("NEON"),
		"arm/packk_dotprod_arm64.s": packKArm64("DotProd"),
		"arm/packk_i8mm_arm64.s":    packKArm64("I8MM"),
		"arm/pack_arm64.s":          packArm64(),
		"arm/tokens_arm64.s":        tokensArm64(),
		"arm/tile_arm64.s":          tileArm64(),
		"arm/peak_arm64.s":          peakArm64(),
		"arm/quantize_arm64.s":      quantizeArm64(),
		"arm/gelu_arm64.s":          geluArm64(),
		"arm/layernorm_arm64.s":     layerNormArm64(),
		"arm/norm_arm64.s":          normArm64(),
		"arm/exp_arm64.s":           expArm64(),
		"arm/dequantize_arm64.s":    dequantizeArm64(),
		"arm/dot_arm64.s":           dotArm64(),
		"arm/encode_arm64.s":        encodeArm64(),
	}
}
