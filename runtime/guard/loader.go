//go:build linux && (amd64 || arm64 || arm)

package guard

import (
	"debug/elf"
	"fmt"
)

// loader lists what a program is executed with: nothing for a static one, the folders of C
// libraries for one that was built with cgo.
func loader(exe string) ([]string, error) {
	f, err := elf.Open(exe)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", exe, err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return []string{"/lib", "/lib64", "/usr/lib", "/etc/ld.so.cache"}, nil
		}
	}
	return nil, nil
}
