package kernel

import "testing"

func TestLimits(t *testing.T) {
	for _, v := range Variants() {
		for _, threads := range []int{1, 3} {
			p, err := New(Options{Threads: threads, Variant: v})
			if err != nil {
				t.Fatal(err)
			}
			if r := p.ReadRate(ReadBuffer(3<<20+1), 2); r < 1e8 || r > 1e13 {
				t.Errorf("%s, %d threads: %g bytes/s", v, threads, r)
			}
			measured := p.variant.x86 != 0 || p.variant.arm != 0
			for name, f := range map[string]func() float64{"int8": p.PeakInt8, "fp32": p.PeakFP32} {
				if r := f(); measured != (r > 1e8) || r > 1e15 {
					t.Errorf("%s, %d threads: %s %g operations/s", v, threads, name, r)
				}
			}
			p.Close()
		}
	}
}

func TestReadRateOfAnotherBuffer(t *testing.T) {
	p, err := New(Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	defer func() {
		if recover() == nil {
			t.Error("no panic for a buffer of zeros")
		}
	}()
	p.ReadRate(make([]byte, readPart), 1)
}
