package main

import (
	"testing"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
)

// TestKeys: every flag is a key of the configuration files, and the other way round.
func TestKeys(t *testing.T) {
	for _, wrong := range prog.CheckKeys(app()) {
		t.Error(wrong)
	}
}
