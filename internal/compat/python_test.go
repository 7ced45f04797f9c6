package compat

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"testing"
)

// TestPython runs clients.py for each of the packages in requirements.txt.
func TestPython(t *testing.T) {
	python := os.Getenv("QWQ_PYTHON")
	if python == "" {
		t.Fatal("QWQ_PYTHON must name a Python with requirements.txt installed")
	}
	for _, client := range []string{"openai", "ollama", "anthropic"} {
		cmd := exec.CommandContext(t.Context(), python, "clients.py", socket, client)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		n := 0
		for s := bufio.NewScanner(out); s.Scan(); n++ {
			var r struct{ Feature, Error string }
			if err := json.Unmarshal(s.Bytes(), &r); err != nil {
				t.Fatal(err)
			}
			err = nil
			if r.Error != "" {
				err = errors.New(r.Error)
			}
			note(t, client+".py", r.Feature, err)
		}
		if err := cmd.Wait(); err != nil || n < 10 {
			t.Errorf("%s: %d features, %v", client, n, err)
		}
	}
}
