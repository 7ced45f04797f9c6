package launch

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
		"nothing":             {nil, 0, "", ErrAlone.Error()},
		"mpirun of Open MPI":  {map[string]string{"OMPI_COMM_WORLD_SIZE": "4", "PMIX_RANK": "1"}, 4, "libmpi.so.40", ""},
		"mpirun within Slurm": {map[string]string{"OMPI_COMM_WORLD_SIZE": "4", "SLURM_STEP_NUM_TASKS": "1", "PMI_RANK": "0"}, 4, "libmpi.so.40", ""},
		"srun --mpi=pmix":     {map[string]string{"PMIX_RANK": "0", "SLURM_STEP_NUM_TASKS": "2"}, 2, "libmpi.so.40", ""},
		"PMIx without Slurm":  {map[string]string{"PMIX_RANK": "0"}, 0, "libmpi.so.40", ""},
		"mpirun of MPICH":     {map[string]string{"PMI_RANK": "1", "PMI_SIZE": "2"}, 2, "libmpich.so.12", ""},
		"no number":           {map[string]string{"PMI_RANK": "1", "PMI_SIZE": "two"}, 0, "", `PMI_SIZE is "two"`},
		"no rank":             {map[string]string{"OMPI_COMM_WORLD_SIZE": "0"}, 0, "", "want a number"},
		"srun without MPI":    {map[string]string{"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "0"}, 0, "", "--mpi=pmix"},
		"srun of one task":    {map[string]string{"SLURM_STEP_NUM_TASKS": "1"}, 0, "", ErrAlone.Error()},
		"sbatch":              {map[string]string{"SLURM_NTASKS": "4"}, 0, "", ErrAlone.Error()},
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
	if _, err := Detect(func(string) string { return "" }); !errors.Is(err, ErrAlone) {
		t.Errorf("got %v, want ErrAlone", err)
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		announced, size int
		ok              bool
	}{{2, 2, true}, {0, 4, true}, {1, 1, true}, {0, 1, true}, {2, 1, false}, {4, 2, false}, {3, 3, false}, {0, 6, false}, {0, 0, false}} {
		if err := (Launcher{Name: "a launcher", Size: c.announced}).Check(c.size, "a library"); (err == nil) != c.ok {
			t.Errorf("%d ranks announced, %d seen: %v", c.announced, c.size, err)
		}
	}
	if slices.Equal(openMPI, mpich) {
		t.Error("one list for both libraries")
	}
}

func TestThreads(t *testing.T) {
	for name, c := range map[string]struct {
		env           map[string]string
		cpus, machine int
		want          int
	}{
		"Slurm":           {map[string]string{"SLURM_CPUS_PER_TASK": "4", "OMPI_COMM_WORLD_LOCAL_SIZE": "2"}, 16, 16, 4},
		"Slurm, too many": {map[string]string{"SLURM_CPUS_PER_TASK": "40"}, 16, 16, 16},
		"bound":           {map[string]string{"OMPI_COMM_WORLD_LOCAL_SIZE": "2"}, 1, 2, 0},
		"Open MPI":        {map[string]string{"OMPI_COMM_WORLD_LOCAL_SIZE": "2"}, 8, 8, 4},
		"MPICH":           {map[string]string{"MPI_LOCALNRANKS": "4"}, 8, 8, 2},
		"more than CPUs":  {map[string]string{"MPI_LOCALNRANKS": "4"}, 2, 2, 1},
		"one a machine":   {map[string]string{"MPI_LOCALNRANKS": "1"}, 8, 8, 0},
	} {
		if got := (Launcher{}).Threads(func(k string) string { return c.env[k] }, c.cpus, c.machine); got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
	for list, want := range map[string]int{"0": 1, "0-3": 4, "0-3,8,10-11": 7, "": 0, "0-": 0, "3-1": 0, "a": 0} {
		if got, err := countCPUs(list); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: got %d, %v, want %d", list, got, err, want)
		}
	}
}
