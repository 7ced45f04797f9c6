// Package shard runs long jobs in parts: on one machine, on many, again after a
// kill. A part's file appears under its name only when it is complete and on
// disk, and carries the key of the job that made it, so that a second run skips
// what is done and a part of another job is never taken for one of this.
//
// No coordination is needed: any process may do any part at any time. The same
// part done twice has the same bytes, and the last rename wins. It must never
// trust a part that it has not hashed.
//
//	sel, err := shard.Parse("3/8", os.Getenv)
//	err = shard.Run(ctx, "cache.d/train", job, sel, shard.Options{})
package shard

import (
	"context"
	"encoding/hex"
	"io"
)

// Hash is a SHA-256.
type Hash [32]byte

// String is the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Job is work that falls into parts which do not need each other.
type Job interface {
	// Key hashes everything that decides the bytes of the parts and of the
	// result: inputs, settings, the number of parts, the format's version.
	Key() Hash
	// Shards is the number of parts, at least 1.
	Shards() int
	// Run writes part i, the same bytes every time.
	Run(ctx context.Context, i int, w io.Writer) error
	// Reduce makes the result of all parts, which are given in order; each is a
	// *Part.
	Reduce(ctx context.Context, parts []io.Reader, w io.Writer) error
}
