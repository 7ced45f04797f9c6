//go:build !linux || !(amd64 || arm64 || arm)

package guard

// Confine does nothing where there is no landlock; Probe tells.
func Confine(Rights) error { return nil }

// Seal does nothing where there is no seccomp filter of ours; Probe tells.
func Seal() error { return nil }

// Probe says that nothing is in force.
func Probe() State { return State{Why: "not built for this system"} }

// Descriptors is how many files and sockets may be open at a time; 0: not known.
func Descriptors() int { return 0 }
