//go:build !amd64 || noasm

package x86

func expSum(Level, []float32, float32) (float32, float32, bool) { return 0, 0, false }

func silu(Level, []float32, []float32, []float32, int, int, int, int) bool { return false }

func scale(Level, []float32, []float32, float32) bool { return false }

func rmsNorm(Level, []float32, []float32, []float32, float32) bool { return false }

func rotate(Level, []float32, []float32, []float32, bool) bool { return false }

func add(Level, []float32, []float32) bool { return false }
