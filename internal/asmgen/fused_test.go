package asmgen

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/qwq-edge/qwq/internal/testdata"
)

// TestNotFused compiles the packages whose bits must not depend on the machine
// where Go fuses, and looks for fused multiply-adds. Go fuses across statements
// (m := a*b; y := x-m), and only an explicit float32() or float64() around the
// product forbids it. Allowed is arm/ref/fma.go: its products are of two float32 in
// float64, which are exact, so that one rounding and two are the same.
func TestNotFused(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles packages")
	}
	fused := regexp.MustCompile(`(?m)^.*\bV?FN?M(ADD|SUB)[0-9SD]*\b.*$`)
	allowed := []byte("/arm/ref/fma.go:")
	for _, target := range []string{"GOARCH=arm64", "GOARCH=amd64 GOAMD64=v3"} {
		for _, pkg := range []string{"arm/ref", "arm", "internal/kernel", "runtime/model", "runtime/sample"} {
			cmd := exec.Command("go", "build", "-gcflags=-S", "./"+pkg)
			cmd.Dir = testdata.Root(t)
			cmd.Env = append(append(os.Environ(), "GOOS=linux", "CGO_ENABLED=0"), strings.Fields(target)...)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if len(out) < 10000 {
				t.Fatalf("%s, %s: only %d bytes of assembly", pkg, target, len(out))
			}
			for _, line := range fused.FindAll(out, -1) {
				if !bytes.Contains(line, allowed) {
					t.Errorf("%s, %s: %s", pkg, target, line)
				}
			}
		}
	}
}
