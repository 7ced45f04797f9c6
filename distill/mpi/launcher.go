package mpi

import (
	"errors"
	"fmt"
	"strconv"
)

// ErrNoLauncher is a process that no MPI launcher started: a run of one.
var ErrNoLauncher = errors.New("mpi: no launcher's variables")

// Launcher is what started this process, as its variables say.
type Launcher struct {
	Name string
	Size int // ranks announced; 0: not said
	// Libraries are the shared libraries that speak with the launcher, the
	// likeliest first.
	Libraries []string
}

var (
	openMPI = []string{"libmpi.so.40"}
	mpich   = []string{"libmpich.so.12", "libmpi.so.12"}
)

// launchers by their first variable, the innermost first: mpirun inside of a
// Slurm job sets its own beside Slurm's.
var launchers = []struct {
	name, mark, size string
	libraries        []string
}{
	{"Open MPI's mpirun", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", openMPI},
	{"a PMIx launcher", "PMIX_RANK", "SLURM_STEP_NUM_TASKS", openMPI},
	{"a PMI launcher", "PMI_RANK", "PMI_SIZE", mpich},
	{"a PMI launcher", "PMI_SIZE", "PMI_SIZE", mpich},
}

// Detect finds the launcher in the environment. ErrNoLauncher: there is none. A
// Slurm step of several tasks without a way to speak with MPI is an error.
func Detect(getenv func(string) string) (Launcher, error) {
	for _, l := range launchers {
		if getenv(l.mark) == "" {
			continue
		}
		found := Launcher{Name: l.name, Libraries: l.libraries}
		if s := getenv(l.size); s != "" {
			n, err := strconv.Atoi(s)
			if err != nil || n < 1 {
				return Launcher{}, fmt.Errorf("mpi: %s is %q: want a number of ranks", l.size, s)
			}
			found.Size = n
		}
		return found, nil
	}
	if n, err := strconv.Atoi(getenv("SLURM_STEP_NUM_TASKS")); err == nil && n > 1 {
		return Launcher{}, fmt.Errorf("mpi: Slurm started %d tasks without MPI: srun --mpi=pmix for Open MPI, srun --mpi=pmi2 for MPICH", n)
	}
	return Launcher{}, ErrNoLauncher
}

// check compares what the launcher announced with what the library sees. A
// launcher of one kind with a library of the other makes size jobs of one rank.
func (l Launcher) check(size int, library string) error {
	if l.Size > 1 && size != l.Size {
		return fmt.Errorf("mpi: %s started %d ranks, but %s sees %d: they do not belong together (Options.Library chooses another)", l.Name, l.Size, library, size)
	}
	if size < 1 || size&(size-1) != 0 {
		return fmt.Errorf("mpi: %d ranks: want a power of two", size)
	}
	return nil
}
