//go:build mpi

package mpi

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// library is a loaded MPI. All calls are made on one locked thread. What C writes
// to or reads from lies on the heap: a goroutine's stack may move.
type library struct {
	name string
	fn   [len(symbols)]uintptr

	// The two ABIs. Open MPI's handles are addresses of its variables, MPICH's
	// are numbers that mpi.h fixes.
	world, byteType, errorsReturn, statusIgnore uintptr

	out  [2]int32   // where calls put small results
	text [8192]byte // MPI_MAX_LIBRARY_VERSION_STRING of MPICH; Open MPI's is 256
}

const (
	fnInitThread = iota
	fnFinalize
	fnAbort
	fnSize
	fnRank
	fnSendrecv
	fnIprobe
	fnSetErrhandler
	fnErrorString
	fnVersion
)

var symbols = [...]string{
	fnInitThread: "MPI_Init_thread", fnFinalize: "MPI_Finalize", fnAbort: "MPI_Abort",
	fnSize: "MPI_Comm_size", fnRank: "MPI_Comm_rank", fnSendrecv: "MPI_Sendrecv", fnIprobe: "MPI_Iprobe",
	fnSetErrhandler: "MPI_Comm_set_errhandler", fnErrorString: "MPI_Error_string", fnVersion: "MPI_Get_library_version",
}

// threadFunneled: only the thread that initialised MPI calls it. The same number in both.
const threadFunneled = 1

// load opens the first library that exists.
func load(names []string) (*library, error) {
	// MPICH's UCX would take SIGSEGV, SIGBUS and SIGFPE from Go.
	if err := os.Setenv("UCX_ERROR_SIGNALS", ""); err != nil {
		return nil, err
	}
	var errs []error
	for _, name := range names {
		// Open MPI's plugins look for its symbols among the global ones.
		h, err := purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_GLOBAL)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		return bind(h, name)
	}
	return nil, fmt.Errorf("mpi: no library (Debian: libopenmpi3 for Open MPI, libmpich12 for MPICH): %w", errors.Join(errs...))
}

func bind(h uintptr, name string) (*library, error) {
	l := &library{name: name}
	for i, s := range symbols {
		p, err := purego.Dlsym(h, s)
		if err != nil {
			return nil, fmt.Errorf("mpi: %s: %w", name, err)
		}
		l.fn[i] = p
	}
	if _, err := purego.Dlsym(h, "ompi_mpi_comm_world"); err == nil {
		return l, l.openMPI(h)
	}
	l.world, l.byteType, l.errorsReturn, l.statusIgnore = 0x44000000, 0x4c00010d, 0x54000001, 1
	return l, nil
}

// openMPI finds the handles of Open MPI; its MPI_STATUS_IGNORE is 0.
func (l *library) openMPI(h uintptr) error {
	for s, p := range map[string]*uintptr{"ompi_mpi_comm_world": &l.world, "ompi_mpi_byte": &l.byteType, "ompi_mpi_errors_return": &l.errorsReturn} {
		var err error
		if *p, err = purego.Dlsym(h, s); err != nil {
			return fmt.Errorf("mpi: %s: %w", l.name, err)
		}
	}
	return nil
}

// call is one MPI function; its result other than 0 is an error.
func (l *library) call(fn int, args ...uintptr) error {
	code, _, _ := purego.SyscallN(l.fn[fn], args...)
	if code = uintptr(uint32(code)); code == 0 {
		return nil
	}
	text := "no description"
	if fn != fnInitThread {
		if r, _, _ := purego.SyscallN(l.fn[fnErrorString], code, at(&l.text[0]), at(&l.out[0])); uint32(r) == 0 {
			text = l.string()
		}
	}
	return fmt.Errorf("mpi: %s: %s (%d)", symbols[fn], text, code)
}

// string is what the library put into text.
func (l *library) string() string {
	s, _, _ := bytes.Cut(l.text[:], []byte{0})
	s, _, _ = bytes.Cut(s, []byte{'\n'})
	return string(bytes.TrimSpace(s))
}

// at is the address of a value on the heap that the caller keeps.
func at[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

// start initialises MPI.
func (l *library) start() (rank, size int, err error) {
	if err := l.call(fnInitThread, 0, 0, threadFunneled, at(&l.out[0])); err != nil {
		return 0, 0, err
	}
	if l.out[0] < threadFunneled {
		return 0, 0, fmt.Errorf("mpi: %s has threads of level %d, want %d", l.name, l.out[0], threadFunneled)
	}
	if err := errors.Join(l.call(fnSetErrhandler, l.world, l.errorsReturn), l.call(fnRank, l.world, at(&l.out[0])), l.call(fnSize, l.world, at(&l.out[1]))); err != nil {
		return 0, 0, err
	}
	rank, size = int(l.out[0]), int(l.out[1])
	if err := l.call(fnVersion, at(&l.text[0]), at(&l.out[0])); err != nil {
		return 0, 0, err
	}
	l.name = l.string()
	return rank, size, nil
}

// tag is of all messages.
const tag = 1

// comes says whether a message of a rank is there.
func (l *library) comes(rank int) (bool, error) {
	err := l.call(fnIprobe, uintptr(rank), tag, l.world, at(&l.out[0]), l.statusIgnore)
	return l.out[0] != 0, err
}

// sendrecv sends out to a rank and receives in from it, at most limit bytes at a time.
func (l *library) sendrecv(rank int, out, in []byte, limit int) error {
	for first := true; first || len(out)+len(in) > 0; first = false {
		n, m := min(len(out), limit), min(len(in), limit)
		err := l.call(fnSendrecv,
			uintptr(unsafe.Pointer(unsafe.SliceData(out))), uintptr(n), l.byteType, uintptr(rank), tag,
			uintptr(unsafe.Pointer(unsafe.SliceData(in))), uintptr(m), l.byteType, uintptr(rank), tag,
			l.world, l.statusIgnore)
		runtime.KeepAlive(out)
		runtime.KeepAlive(in)
		if err != nil {
			return err
		}
		out, in = out[n:], in[m:]
	}
	return nil
}
