// Package store keeps on disk what a daemon should not have to compute twice: the keys
// and values (KV) of prompts' beginnings, and the token ids of conversations.
//
//	s, err := store.Open(store.Dir("/var/lib/qwqd"), store.Options{})
//	err = s.Put(store.Snapshot{Model: key, IDs: ids, Size: n}, write)
//	n, err := s.Load(key, prompt, func(n int, r io.Reader) error { … })
//
// What is found is right or it is not found: files appear under their names only when
// they are complete and on the medium, every byte is covered by a checksum, and a file
// that does not hold what its name says is deleted. A snapshot's name is a hash of the
// model and the tokens. It serves every prompt that begins with some of its tokens, and
// may hold the later part of them only, where other snapshots have what is before.
//
// Memory cards wear out: all writes of a day are bounded, and so is the space. The
// count of a day is on the medium before the bytes that it counts.
//
// All access to files goes through FS, so that tests can cut the power at any moment.
//
//	kv/HASH.kv          a snapshot, see snapshot.go
//	sessions/HASH.ses   a conversation, see session.go
//	wear                bytes written today
//	seen                hashes of prompts' beginnings, written by Close
//	lock                held by the process that writes
package store
