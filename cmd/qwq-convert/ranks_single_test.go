//go:build !mpi

package main

import (
	"strings"
	"testing"
)

// TestSeveral: a program that cannot join processes does not run as if it were alone.
func TestSeveral(t *testing.T) {
	const recipe = "../../testdata/recipes/demo.yaml"
	for name, c := range map[string]struct {
		env  string
		args []string
		want string
	}{
		"mpirun":          {"OMPI_COMM_WORLD_SIZE", []string{recipe}, "cannot join them"},
		"srun without":    {"SLURM_STEP_NUM_TASKS", []string{recipe}, "srun --mpi=pmix"},
		"parts":           {"PMI_SIZE", []string{"cache", recipe}, "each would make all parts"},
		"a library":       {"", []string{"--mpi-lib", "libmpi.so.40", recipe}, "for several processes"},
		"shares":          {"", []string{"--shard-optimizer", recipe}, "for several processes"},
		"shares of parts": {"", []string{"--shard-optimizer", "cache", recipe}, "for training"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.env != "" {
				t.Setenv(c.env, "2")
			}
			a := app()
			a.Writer, a.ErrWriter = t.Output(), t.Output()
			err := a.Run(append([]string{"qwq-convert", "distill"}, c.args...))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
