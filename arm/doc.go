// Package arm holds the NEON kernels. Every function gives the bits of arm/ref
// on any machine: built for another processor, or with the tag noasm, it
// forwards there. The .s files are written by internal/asmgen.
package arm
