// Package guard takes from the daemon what it does not need: after it, a request that
// found a hole in a parser could read the models and answer on open sockets, no more.
//
// Two steps. Confine, first thing in main: landlock bounds which files may be opened, and
// forbids TCP connections and signals to others. It binds the calling thread alone, so one
// locked thread is restricted and then executes the program anew, under the same process id:
// every thread of the new image inherits it. (Telling all threads, as the landlock module's
// usual entry does, is not possible in a program that loads C libraries.) Seal, when the
// sockets are open: a seccomp filter that the kernel itself puts on all threads; a call
// outside its list fails with EPERM, execve, ptrace, bpf, mount and their kind end the
// process.
//
// Neither is trusted to have worked: Probe tries what must be refused and reports what was.
package guard

// Rights are the paths that stay open. What does not exist is passed over.
type Rights struct {
	Read    []string // files, or folders with all below them
	Write   []string // folders: files are made, written, renamed and removed there, and read
	Sockets []string // folders: sockets are made there, and files removed
	// Notify is systemd's socket: an abstract one ("@…") needs that these stay reachable.
	Notify string
}

// State is what is in force, found by trying.
type State struct {
	Landlock   bool   `json:"landlock"`     // opening / was refused
	Seccomp    bool   `json:"seccomp"`      // socket() was refused, and every thread has the filter
	NoNewPrivs bool   `json:"no_new_privs"` // no thread gains anything from a set-user-id program
	Why        string `json:"why,omitempty"`
}
