package mpi

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestDetect(t *testing.T) {
	for name, c := range map[string]struct {
		env     map[string]string
		size    int
		library string
		err     string // part of the error
	}{
		"nothing":             {nil, 0, "", ErrNoLauncher.Error()},
		"mpirun of Open MPI":  {map[string]string{"OMPI_COMM_WORLD_SIZE": "4", "PMIX_RANK": "1"}, 4, "libmpi.so.40", ""},
		"mpirun within Slurm": {map[string]string{"OMPI_COMM_WORLD_SIZE": "4", "SLURM_STEP_NUM_TASKS": "1", "PMI_RANK": "0"}, 4, "libmpi.so.40", ""},
		"srun --mpi=pmix":     {map[string]string{"PMIX_RANK": "0", "SLURM_STEP_NUM_TASKS": "2"}, 2, "libmpi.so.40", ""},
		"PMIx without Slurm":  {map[string]string{"PMIX_RANK": "0"}, 0, "libmpi.so.40", ""},
		"mpirun of MPICH":     {map[string]string{"PMI_RANK": "1", "PMI_SIZE": "2"}, 2, "libmpich.so.12", ""},
		"no number":           {map[string]string{"PMI_RANK": "1", "PMI_SIZE": "two"}, 0, "", `PMI_SIZE is "two"`},
		"no rank":             {map[string]string{"OMPI_COMM_WORLD_SIZE": "0"}, 0, "", "want a number"},
		"srun without MPI":    {map[string]string{"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"}, 0, "", "--mpi=pmix"},
		"srun of one task":    {map[string]string{"SLURM_STEP_NUM_TASKS": "1"}, 0, "", ErrNoLauncher.Error()},
		"sbatch":              {map[string]string{"SLURM_NTASKS": "4"}, 0, "", ErrNoLauncher.Error()},
	} {
		l, err := Detect(func(k string) string { return c.env[k] })
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: error %v, want %q", name, err, c.err)
			}
			continue
		}
		if err != nil || l.Size != c.size || l.Libraries[0] != c.library {
			t.Errorf("%s: got %+v, %v", name, l, err)
		}
	}
	if _, err := Detect(func(string) string { return "" }); !errors.Is(err, ErrNoLauncher) {
		t.Errorf("got %v, want ErrNoLauncher", err)
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		announced, size int
		ok              bool
	}{{2, 2, true}, {0, 4, true}, {1, 1, true}, {0, 1, true}, {2, 1, false}, {4, 2, false}, {3, 3, false}, {0, 6, false}, {0, 0, false}} {
		if err := (Launcher{Name: "a launcher", Size: c.announced}).check(c.size, "a library"); (err == nil) != c.ok {
			t.Errorf("%d ranks announced, %d seen: %v", c.announced, c.size, err)
		}
	}
	if slices.Equal(openMPI, mpich) {
		t.Error("one list for both libraries")
	}
}
