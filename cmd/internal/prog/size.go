package prog

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

var units = []struct {
	name  string
	bytes float64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12},
	{"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}, {"t", 1 << 40}, {"b", 1},
}

// ParseSize reads a number of bytes: 512MiB, 1.5GB, 64M (MiB), 4096.
func ParseSize(s string) (int64, error) {
	num, unit := strings.ToLower(strings.TrimSpace(s)), 1.0
	for _, u := range units {
		if head, ok := strings.CutSuffix(num, u.name); ok {
			num, unit = strings.TrimSpace(head), u.bytes
			break
		}
	}
	v, err := strconv.ParseFloat(num, 64)
	if err != nil || !(v >= 0) || v*unit > math.MaxInt64/2 {
		return 0, fmt.Errorf("%q is no size: write it as 512MiB, 2GB or 1048576", s)
	}
	return int64(v * unit), nil
}

// Size writes a number of bytes for people, in units of 1000.
func Size(n int64) string {
	v, i := float64(n), 0
	for ; math.Abs(v) >= 999.5 && i < 4; i++ {
		v /= 1000
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	prec := 1
	if v >= 99.95 {
		prec = 0
	}
	return strconv.FormatFloat(v, 'f', prec, 64) + " " + []string{"", "kB", "MB", "GB", "TB"}[i]
}
