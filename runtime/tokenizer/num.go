package tokenizer

import "strconv"

func itoa(i int) string { return strconv.Itoa(i) }

func parseFloat(s string) (float32, error) {
	f, err := strconv.ParseFloat(s, 32)
	return float32(f), err
}
