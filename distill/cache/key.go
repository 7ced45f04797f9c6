package cache

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/qwq-edge/qwq/distill"
)

// rowKey is the SHA-256 of a row's ids and document boundaries: "row\n", the
// length, the number of pieces, their lengths, the ids, all little-endian 4
// bytes.
func rowKey(ids, docs []int32) distill.Hash {
	b := make([]byte, 0, 12+4*(len(ids)+len(docs)))
	b = append(b, "row\n"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(ids)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(docs)))
	for _, n := range docs {
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	for _, id := range ids {
		b = binary.LittleEndian.AppendUint32(b, uint32(id))
	}
	return sha256.Sum256(b)
}

// RowKeys is the key of every row of a batch.
func RowKeys(b *distill.Batch) []distill.Hash {
	keys := make([]distill.Hash, b.Rows)
	d := 0
	for r := range keys {
		first := d
		for n := 0; n < b.Length; d++ {
			n += int(b.Docs[d])
		}
		keys[r] = rowKey(b.IDs[r*b.Length:(r+1)*b.Length], b.Docs[first:d])
	}
	return keys
}
