package tokenizer

import (
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// TestConcurrent uses one tokenizer from several goroutines; the race detector
// watches what they share.
func TestConcurrent(t *testing.T) {
	for _, name := range goldenNames {
		g, tok := readGolden(t, name), load(t, filepath.Join("testdata", name))
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for _, c := range g.Cases {
					if got := tok.Encode(c.Text, EncodeOptions{}); !slices.Equal(got, c.IDs) {
						t.Errorf("%s: Encode(%q): got %v, want %v", name, c.Text, got, c.IDs)
					}
					tok.Decode(c.IDs, true)
				}
			})
		}
		wg.Wait()
	}
}
