// Package arm holds the NEON kernels, in the ladder NEON, DotProd, I8MM (Level).
// Every function gives the bits of arm/ref for any length, or returns false and
// has written nothing: where the package is built for another processor or with
// the tag noasm, where there is no kernel for a type, and for a few shapes that its
// comment names. The .s files are written by internal/asmgen.
//
//   - Integers multiplies rows of Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, IQ4_NL and Q2_K to
//     Q6_K: a token or two with the rows in place, more with packed panels.
//   - Floats multiplies rows of F32, F16 and BF16; Scores and Weigh are attention's
//     two products.
//   - Quantize, Dequantize, Encode, F16ToF32 and F32ToF16 convert.
//   - RMSNorm, LayerNorm, Rotate, Softmax, ExpSum, SiLU, GELU, Add, Mul and Scale are
//     the rest; PeakInt8, PeakFP32 and Read measure the core.
package arm
