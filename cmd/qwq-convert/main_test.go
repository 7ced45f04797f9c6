package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/qwq-edge/qwq/cmd/internal/scripttest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"qwq-convert": main})
}

func TestScripts(t *testing.T) { scripttest.Run(t) }
