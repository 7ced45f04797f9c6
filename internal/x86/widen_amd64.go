//go:build !noasm

package x86

//go:noescape
func widenAVX512(wide *float32, low, high *int32, sum *int16, blocks int)

func widen(l Level, wide []float32, low, high []int32, sum []int16) bool {
	if l < AVX512 {
		return false
	}
	for at := 0; at < len(wide); at += quantizeChunk {
		widenAVX512(&wide[at], &low[at], &high[at], &sum[2*at], min(quantizeChunk, len(wide)-at))
	}
	return true
}
