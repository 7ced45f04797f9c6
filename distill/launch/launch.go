// Package launch says how this process was started: by which MPI launcher, with how
// many others, on how many CPUs. It reads variables and joins nothing; distill/mpi
// does, in programs that are built for it. Others learn here that they are not
// alone.
//
//	l, err := launch.Detect(os.Getenv) // ErrAlone: a run of one process
package launch

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// ErrAlone is a process that no MPI launcher started: a run of one.
var ErrAlone = errors.New("launch: no launcher's variables")

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

// Detect finds the launcher in the environment. ErrAlone: there is none. A
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
				return Launcher{}, fmt.Errorf("launch: %s is %q: want a number of ranks", l.size, s)
			}
			found.Size = n
		}
		return found, nil
	}
	if n, err := strconv.Atoi(getenv("SLURM_STEP_NUM_TASKS")); err == nil && n > 1 {
		return Launcher{}, fmt.Errorf("launch: Slurm started %d tasks without MPI: srun --mpi=pmix for Open MPI, srun --mpi=pmi2 for MPICH", n)
	}
	return Launcher{}, ErrAlone
}

// Check compares what the launcher announced with what the library sees. A
// launcher of one kind with a library of the other makes size jobs of one rank.
func (l Launcher) Check(size int, library string) error {
	if l.Size > 1 && size != l.Size {
		return fmt.Errorf("launch: %s started %d ranks, but %s sees %d: they do not belong together (another library can be chosen)", l.Name, l.Size, library, size)
	}
	if size < 1 || size&(size-1) != 0 {
		return fmt.Errorf("launch: %d ranks: want a power of two", size)
	}
	return nil
}

// Threads is how many a process takes: what Slurm says; 0, one per CPU, where the
// launcher has bound it to some of the machine's; and else its share of cpus.
func (l Launcher) Threads(getenv func(string) string, cpus, machine int) int {
	if n, err := strconv.Atoi(getenv("SLURM_CPUS_PER_TASK")); err == nil && n > 0 {
		return min(n, cpus)
	}
	if cpus < machine {
		return 0
	}
	for _, name := range []string{"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"} {
		if n, err := strconv.Atoi(getenv(name)); err == nil && n > 1 {
			return max(1, cpus/n)
		}
	}
	return 0
}

// CPUs is how many the machine has, whichever this process may use.
func CPUs() int {
	b, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		return runtime.NumCPU()
	}
	n, err := countCPUs(strings.TrimSpace(string(b)))
	if err != nil {
		return runtime.NumCPU()
	}
	return n
}

// countCPUs reads a list like 0-3,8.
func countCPUs(list string) (n int, err error) {
	for _, s := range strings.Split(list, ",") {
		first, last, isRange := strings.Cut(s, "-")
		a, err := strconv.Atoi(first)
		b := a
		if err == nil && isRange {
			b, err = strconv.Atoi(last)
		}
		if err != nil || b < a {
			return 0, fmt.Errorf("launch: %q is no list of CPUs", list)
		}
		n += b - a + 1
	}
	return n, nil
}
