package cpu

import "golang.org/x/sys/cpu"

// The amd64 ladder.
var kernels = []rung{
	{"avx2", []string{"avx2", "fma", "f16c"}},
	{"avx512", []string{"avx512", "avx512vnni"}},
}

func features() []feature {
	c := &cpu.X86
	return []feature{
		{"avx2", c.HasAVX2}, {"fma", c.HasFMA}, {"f16c", c.HasF16C},
		{"avx512", c.HasAVX512F && c.HasAVX512BW && c.HasAVX512VL && c.HasAVX512DQ},
		{"avx512vnni", c.HasAVX512VNNI}, {"avxvnni", c.HasAVXVNNI},
	}
}
