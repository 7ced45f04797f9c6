//go:build !arm64 && !amd64

package cpu

// Other machines, 32-bit ARM among them, run the reference kernels.
var kernels []rung

func features() []feature { return nil }
