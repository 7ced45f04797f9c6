// Package cpu says what the machine offers: instruction set extensions that
// kernels need, cores, clusters and caches, and how much memory is free. It
// reads x/sys/cpu and, on Linux, /sys and /proc; it must never run a test
// instruction or fail: what is unknown is zero.
//
//	info := cpu.Detect()
//	fmt.Println(info.Features, info.Physical, info.L2)
package cpu

import (
	"io/fs"
	"os"
	"runtime"
	"slices"
)

// Info describes the machine. Unknown numbers are 0, unknown lists nil.
type Info struct {
	Arch     string    // GOARCH
	Features []string  // see Features
	Logical  int       // logical CPUs this process may use
	Physical int       // cores of the machine; threads of one core count once
	Clusters []Cluster // kinds of cores, the fastest first; one entry where all are alike
	L1D      int       // bytes of the first CPU's data cache
	L2       int       // bytes of its second level
	L3       int       // bytes of its third level
}

// Cluster is the CPUs of one kind: big or LITTLE.
type Cluster struct {
	CPUs     []int // logical CPU numbers, ascending
	MaxMHz   int   // highest frequency
	Capacity int   // the kernel's relative capacity, 1024 for the fastest kind
}

// Detect describes this machine.
func Detect() Info {
	info := Info{Arch: runtime.GOARCH, Features: Features(), Logical: runtime.NumCPU()}
	if runtime.GOOS == "linux" {
		info.read(os.DirFS("/sys/devices/system/cpu"))
	}
	return info
}

// Features lists the extensions found that some kernel can use, in a fixed
// order. arm64: neon, dotprod, fp16, fp16fml, i8mm, sve. amd64: avx2, fma,
// f16c, avx512, avx512vnni, avxvnni. Elsewhere none.
func Features() []string {
	var list []string
	for _, f := range features() {
		if f.on {
			list = append(list, f.name)
		}
	}
	return list
}

// Has reports whether all the named features are present.
func Has(names ...string) bool {
	have := Features()
	for _, n := range names {
		if !slices.Contains(have, n) {
			return false
		}
	}
	return true
}

// Kernels lists the kernel variants that the processor can run, the best last:
// neon, dotprod, i8mm on arm64; avx2, avx512 on amd64. "generic" is not listed.
func Kernels() []string {
	var list []string
	for _, k := range kernels {
		if !Has(k.needs...) {
			break // each rung builds on the ones below
		}
		list = append(list, k.name)
	}
	return list
}

type feature struct {
	name string
	on   bool
}

type rung struct {
	name  string
	needs []string
}

// file reads a small file of /sys without its final newline; "" if it cannot.
func file(root fs.FS, name string) string {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return ""
	}
	for len(b) > 0 && b[len(b)-1] == '\n' {
		b = b[:len(b)-1]
	}
	return string(b)
}
