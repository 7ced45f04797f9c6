package kernel

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/qwq-edge/qwq/arm"
	"github.com/qwq-edge/qwq/internal/cpu"
	"github.com/qwq-edge/qwq/internal/x86"
)

// variant is a rung of the ladder. All rungs give the same bits; those without a
// kernel of their own use the one below. x86 or arm is set,
// or neither.
type variant struct {
	name string
	x86  x86.Level
	arm  arm.Level
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
	v := variant{name: name}
	switch name {
	case "avx2":
		v.x86 = x86.AVX2
	case "avx512":
		v.x86 = x86.AVX512
	case "neon", "dotprod", "i8mm":
		v.arm = arm.LevelOf(name)
	}
	return v, nil
}

// raiseProcs raises GOMAXPROCS to n where the user did not set it.
func raiseProcs(n int) {
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) < n {
		runtime.GOMAXPROCS(n)
	}
}
