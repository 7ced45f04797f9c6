//go:build !unix

package shard

import "os"

// lock does nothing here: temporary files of dead processes stay.
func lock(*os.File) (got, busy bool) { return false, false }
