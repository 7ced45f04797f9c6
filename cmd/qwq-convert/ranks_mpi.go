//go:build mpi

package main

import (
	"github.com/qwq-edge/qwq/distill/launch"
	"github.com/qwq-edge/qwq/distill/mpi"
)

func (j *joined) open(_ launch.Launcher, lib string) error {
	c, err := mpi.Open(mpi.Options{Library: lib})
	if err != nil {
		return err
	}
	j.Ranks, j.leave = c, c.Close
	return nil
}
