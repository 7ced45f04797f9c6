//go:build mpi

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/qwq-edge/qwq/internal/testdata"
)

// TestMPI runs testdata/mpi under both launchers: $RANKS is a script that starts
// its arguments in $N processes, 2 where it is not set, $OTHER the library of the
// other launcher.
func TestMPI(t *testing.T) {
	for _, m := range []struct{ name, command, other, debian string }{
		{"openmpi", "mpirun.openmpi --allow-run-as-root --oversubscribe", "libmpich.so.12", "openmpi-bin"},
		{"mpich", "mpirun.mpich", "libmpi.so.40", "mpich"},
	} {
		t.Run(m.name, func(t *testing.T) {
			program, _, _ := strings.Cut(m.command, " ")
			if _, err := exec.LookPath(program); err != nil {
				if strings.Contains(os.Getenv("QWQ_REQUIRE_MPI"), m.name) {
					t.Fatalf("%s is missing: apt-get install %s", program, m.debian)
				}
				t.Skipf("%s is missing: apt-get install %s", program, m.debian)
			}
			testscript.Run(t, testscript.Params{Dir: filepath.Join("testdata", "mpi"), RequireExplicitExec: true, Setup: func(e *testscript.Env) error {
				e.Setenv("MODEL", filepath.Join(testdata.Root(t), "testdata", "tinystories-qwen2"))
				e.Setenv("OTHER", m.other)
				e.Setenv("RANKS", filepath.Join(e.WorkDir, "ranks"))
				e.Setenv("TMPDIR", t.TempDir()) // sockets have short names only
				return os.WriteFile(e.Getenv("RANKS"), fmt.Appendf(nil, "#!/bin/sh\nexec %s -n ${N:-2} \"$@\"\n", m.command), 0o777)
			}})
		})
	}
}
