package quant_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestNotFused compiles the package where Go fuses, and looks for fused
// multiply-adds. Go may fuse across statements, and only an explicit float32()
// around a product forbids it: also around one that was assigned to a variable
// before it is subtracted.
func TestNotFused(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the package")
	}
	for _, target := range []string{"GOARCH=arm64", "GOARCH=amd64 GOAMD64=v3"} {
		cmd := exec.Command("go", "build", "-gcflags=-S", ".")
		cmd.Env = append(append(os.Environ(), "GOOS=linux", "CGO_ENABLED=0"), strings.Fields(target)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if len(out) < 10000 {
			t.Fatalf("%s: only %d bytes of assembly", target, len(out))
		}
		for _, line := range regexp.MustCompile(`(?m)^.*\bV?FN?M(ADD|SUB)[0-9SD]*\b.*$`).FindAll(out, -1) {
			t.Errorf("%s: %s", target, line)
		}
	}
}
