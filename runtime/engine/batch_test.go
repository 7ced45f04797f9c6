package engine

import (
	"testing"

	"github.com/qwq-edge/qwq/internal/cpu"
)

func TestPromptBatch(t *testing.T) {
	for _, c := range []struct {
		info      cpu.Info
		ffn, want int
	}{
		{cpu.Info{}, 704, 64}, // nothing known
		{cpu.Info{L2: 512 << 10}, 4864, 64},
		{cpu.Info{L2: 512 << 10, L3: 2 << 20}, 704, 128},
		{cpu.Info{L2: 1 << 20, L3: 32 << 20}, 4864, 256},
		{cpu.Info{L2: 1 << 20, L3: 32 << 20}, 1, 512},
	} {
		if got := promptBatch(c.info, c.ffn); got != c.want {
			t.Errorf("L2 %d, L3 %d, ffn %d: %d tokens, want %d", c.info.L2, c.info.L3, c.ffn, got, c.want)
		}
	}
}
