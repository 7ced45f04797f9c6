//go:build !mpi

package main

import (
	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/distill/launch"
)

func (j *joined) open(l launch.Launcher, _ string) error {
	return prog.Usagef("%s started several processes, and this program cannot join them", l.Name).Hintf("make build-mpi makes bin/qwq-convert-mpi, which can")
}
