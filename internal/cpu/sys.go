package cpu

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// read fills what /sys/devices/system/cpu knows.
func (i *Info) read(root fs.FS) {
	cores := map[string]bool{}
	for _, n := range parseList(file(root, "present")) {
		dir := fmt.Sprintf("cpu%d/", n)
		siblings := file(root, dir+"topology/core_cpus_list")
		if siblings == "" { // before Linux 5.3
			siblings = file(root, dir+"topology/thread_siblings_list")
		}
		if siblings != "" {
			cores[siblings] = true
		}
		mhz := number(file(root, dir+"cpufreq/cpuinfo_max_freq")) / 1000
		i.add(n, mhz, number(file(root, dir+"cpu_capacity")))
	}
	i.Physical = len(cores)
	slices.SortStableFunc(i.Clusters, func(a, b Cluster) int {
		return cmp.Or(cmp.Compare(b.Capacity, a.Capacity), cmp.Compare(b.MaxMHz, a.MaxMHz))
	})
	i.caches(root)
}

// add puts CPU n into the cluster of its kind.
func (i *Info) add(n, mhz, capacity int) {
	for k := range i.Clusters {
		if c := &i.Clusters[k]; c.MaxMHz == mhz && c.Capacity == capacity {
			c.CPUs = append(c.CPUs, n)
			return
		}
	}
	i.Clusters = append(i.Clusters, Cluster{[]int{n}, mhz, capacity})
}

// caches reads the sizes of CPU 0's caches.
func (i *Info) caches(root fs.FS) {
	for n := range 8 {
		dir := fmt.Sprintf("cpu0/cache/index%d/", n)
		size := bytes(file(root, dir+"size"))
		if file(root, dir+"type") == "Instruction" {
			continue
		}
		switch file(root, dir+"level") {
		case "1":
			i.L1D = size
		case "2":
			i.L2 = size
		case "3":
			i.L3 = size
		}
	}
}

// parseList reads a list as Linux writes it: "0-3,6". Anything odd is dropped.
func parseList(s string) []int {
	var list []int
	for part := range strings.SplitSeq(s, ",") {
		lo, hi, found := strings.Cut(part, "-")
		if !found {
			hi = lo
		}
		a, err1 := strconv.Atoi(lo)
		b, err2 := strconv.Atoi(hi)
		if err1 != nil || err2 != nil || a < 0 || b > 4095 {
			continue
		}
		for n := a; n <= b; n++ {
			list = append(list, n)
		}
	}
	return list
}

// bytes reads a cache size such as 32K or 1M.
func bytes(s string) int {
	unit := 1
	switch {
	case strings.HasSuffix(s, "K"):
		unit = 1 << 10
	case strings.HasSuffix(s, "M"):
		unit = 1 << 20
	}
	return number(strings.TrimRight(s, "KM")) * unit
}

// number reads a non-negative number that fits 31 bits; 0 if it is none.
func number(s string) int {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0
	}
	return int(n)
}
