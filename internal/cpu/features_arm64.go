package cpu

import "golang.org/x/sys/cpu"

// The arm64 ladder. neon is in every arm64 core.
var kernels = []rung{{"neon", []string{"neon"}}, {"dotprod", []string{"dotprod", "fp16"}}, {"i8mm", []string{"i8mm"}}}

func features() []feature {
	c := &cpu.ARM64
	return []feature{
		{"neon", c.HasASIMD}, {"dotprod", c.HasASIMDDP}, {"fp16", c.HasASIMDHP},
		{"fp16fml", c.HasASIMDFHM}, {"i8mm", c.HasI8MM}, {"sve", c.HasSVE},
	}
}
