//go:build !unix

package pipeline

// lock does nothing: other systems have no advisory lock that a kill lifts.
func lock(string, bool) (func(), error) { return func() {}, nil }
