package pipeline

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/distill/recipe"
	"github.com/qwq-edge/qwq/internal/cpu"
)

// TestFits: a training larger than the machine, or its control group, is refused
// before the data stage, by a run and by an estimate; what is only in use now, or
// needs no gradients, is not.
func TestFits(t *testing.T) {
	const little, much = 8 << 20, 64 << 30
	for _, c := range []struct {
		name   string
		edit   []string
		host   cpu.Memory
		refuse bool
	}{
		{"small machine", nil, cpu.Memory{Total: little, Available: little}, true},
		{"small group", nil, cpu.Memory{Total: much, Available: much, Limit: little}, true},
		{"in use", nil, cpu.Memory{Total: much, Available: little}, false},
		{"unknown", nil, cpu.Memory{}, false},
		{"pairs", []string{"ema: 0.5,", "lora: {rank: 2},"}, cpu.Memory{Total: little}, false},
		{"activations", []string{"batch: 2, leaves: 2", "batch: 65536, leaves: 1"}, cpu.Memory{Total: 1 << 30}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := folder(t, c.edit...)
			p, err := New(r, Options{})
			if err != nil {
				t.Fatal(err)
			}
			p.host = func() cpu.Memory { return c.host }
			if err := p.until(context.Background(), "plan"); err != nil {
				t.Fatal(err)
			}
			var x planned
			if err := p.result("plan", &x); err != nil {
				t.Fatal(err)
			}
			if err := p.fits(context.Background(), x); (err != nil) != c.refuse {
				t.Fatalf("got %v", err)
			}
			if !c.refuse {
				return
			}
			_, errE := p.Estimate(context.Background())
			for _, err := range []error{p.Run(context.Background()), errE} {
				var at *recipe.Error
				if !errors.As(err, &at) || !strings.Contains(err.Error(), "MiB of memory, this machine has") || !strings.Contains(err.Error(), "train.recompute") {
					t.Errorf("got %v", err)
				}
			}
			if _, err := os.Stat(p.path("data")); !os.IsNotExist(err) {
				t.Errorf("the data stage has begun: %v", err)
			}
		})
	}
}
