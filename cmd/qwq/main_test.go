package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/cmd/internal/scripttest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"qwq": main})
}

func TestScripts(t *testing.T) { scripttest.Run(t) }

// TestKeys: the configuration files know exactly the program's flags.
func TestKeys(t *testing.T) {
	if wrong := prog.CheckKeys(app()); wrong != nil {
		t.Error(wrong)
	}
}
