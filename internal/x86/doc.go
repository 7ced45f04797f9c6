// Package x86 holds the AVX2 and AVX-512 kernels, file for file the twins of
// package arm. Every function gives the bits of arm/ref on any machine; built
// for another processor, with the tag noasm, or run on one without AVX2, it
// forwards there. Go's assembler knows these instructions, so the .s files are
// written by hand.
package x86
