// Package mpi joins processes that an MPI launcher started (mpirun, srun, an
// MPIJob) so that distill/train can exchange bytes between them. The library,
// Open MPI or MPICH, is found when the program runs: no cgo, no headers, one
// binary for both. All but this comment needs the build tag mpi, which makes the
// program a dynamic one.
//
// It sends bytes between pairs and nothing else: sums are distill/train's, in its
// own order, so that they have the same bits on any number of processes. It must
// never call a collective that computes.
//
//	c, err := mpi.Open(mpi.Options{}) // launch.ErrAlone: a run of one process
//	t, err := train.New(pool, dev, m, source, loss, train.Options{Exchanger: c, …})
//	err = t.Run(ctx)
//	err = c.Close(err) // with an error: all processes of the job end
package mpi
