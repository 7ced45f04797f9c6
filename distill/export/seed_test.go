package export

import (
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/gguf/arch"
)

// TestNoType: an architecture that Hugging Face does not know is an error.
func TestNoType(t *testing.T) {
	a, ok := arch.Lookup(arch.Seed)
	if !ok {
		t.Fatal("no qwq-seed")
	}
	p := &plan{hyper: arch.Hyper{Arch: a}}
	if _, _, err := p.config(); err == nil || !strings.Contains(err.Error(), "no model type for a qwq-seed") {
		t.Error(err)
	}
}
