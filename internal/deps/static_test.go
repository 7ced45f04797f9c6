package deps

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestStatic: a command is one file that needs no loader and no library. It
// looks at the binaries of QWQ_DIST (make cross), or builds the commands.
func TestStatic(t *testing.T) {
	dist := os.Getenv("QWQ_DIST")
	if dist == "" {
		dist = filepath.Join(t.TempDir(), "dist")
		cmd := exec.Command("go", "build", "-o", filepath.Join(dist, "native")+"/", "../../cmd/qwq", "../../cmd/qwq-convert")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	files, err := filepath.Glob(filepath.Join(dist, "*", "*"))
	if err != nil || len(files) < 2 {
		t.Fatalf("%d binaries in %s, %v", len(files), dist, err)
	}
	machines := map[string]elf.Machine{"linux-amd64": elf.EM_X86_64, "linux-arm64": elf.EM_AARCH64, "linux-arm": elf.EM_ARM}
	for _, path := range files {
		f, err := elf.Open(path)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
				t.Errorf("%s is not static: it has a %s segment", path, p.Type)
			}
		}
		if libs, err := f.ImportedLibraries(); err == nil && len(libs) > 0 {
			t.Errorf("%s needs %s", path, strings.Join(libs, ", "))
		}
		if want, ok := machines[filepath.Base(filepath.Dir(path))]; ok && f.Machine != want {
			t.Errorf("%s is for %v, want %v", path, f.Machine, want)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
