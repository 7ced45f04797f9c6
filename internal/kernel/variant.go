package kernel

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/qwq-edge/qwq/arm"
	"github.com/qwq-edge/qwq/arm/ref"
	"github.com/qwq-edge/qwq/internal/cpu"
	"github.com/qwq-edge/qwq/internal/x86"
)

// variant is a rung of the ladder and what it does differently. All rungs give
// the same bits; those without a kernel of their own use the one below.
type variant struct {
	name string
	isa  isa
}

// isa says which package's kernels a variant calls.
type isa int

const (
	generic isa = iota
	neon
	avx2
)

// f16 widens a row of halves.
func (v variant) f16(dst []float32, src []byte) {
	switch v.isa {
	case neon:
		arm.F16ToF32(dst, src)
	case avx2:
		x86.F16ToF32(dst, src)
	default:
		ref.F16ToF32(dst, src)
	}
}

// Variants lists the variants that this machine and this build can run, the best
// last; "generic" is always the first. Built with the tag noasm it is the only.
func Variants() []string {
	list := []string{"generic"}
	if arm.Assembly || x86.Assembly {
		list = append(list, cpu.Kernels()...)
	}
	return list
}

// chooseVariant resolves Options.Variant.
func chooseVariant(name string) (variant, error) {
	have := Variants()
	what := "variant"
	if name == "" {
		if name = os.Getenv("QWQ_KERNEL"); name != "" {
			what = "QWQ_KERNEL"
		}
	}
	switch {
	case name == "":
		name = have[len(have)-1]
	case !slices.Contains(have, name):
		return variant{}, fmt.Errorf("kernel: %s %q is not available here, only %s", what, name, strings.Join(have, ", "))
	}
	switch {
	case name == "generic":
		return variant{name, generic}, nil
	case strings.HasPrefix(name, "avx"):
		return variant{name, avx2}, nil
	default:
		return variant{name, neon}, nil
	}
}

// raiseProcs raises GOMAXPROCS to n where the user did not set it.
func raiseProcs(n int) {
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) < n {
		runtime.GOMAXPROCS(n)
	}
}
