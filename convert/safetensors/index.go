package safetensors

import (
	"fmt"
	"path/filepath"

	"github.com/qwq-edge/qwq/convert/checkpoint"
)

// OpenIndex opens the shards that an index file names. A shard that is missing
// is named, as is a tensor that is not where the index says.
func OpenIndex(path string) (*File, error) {
	x, err := checkpoint.ReadIndex(path)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	all := &File{}
	for _, name := range x.Files() {
		f, err := Open(filepath.Join(filepath.Dir(path), name))
		if err != nil {
			all.Close()
			return nil, err
		}
		if all.meta == nil {
			all.meta = f.meta
		}
		all.tensors = append(all.tensors, f.tensors...)
		all.files = append(all.files, f.files...)
	}
	if err := x.Check(all.tensors); err != nil {
		all.Close()
		return nil, fmt.Errorf("safetensors: %s: %w", path, err)
	}
	return all, nil
}
