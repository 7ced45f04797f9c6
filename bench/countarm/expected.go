package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// readExpected reads the recorded counts: lines "shape model test core count",
// and comments after #. No file is no records.
func readExpected(path string) (map[key]float64, error) {
	want := map[key]float64{}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return want, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		line, _, _ := strings.Cut(s.Text(), "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		var k key
		var n float64
		if _, err := fmt.Sscan(line, &k.shape, &k.model, &k.test, &k.cpu, &n); err != nil || n <= 0 {
			return nil, fmt.Errorf("%s: line %q: want shape, model, test, core and a count", path, s.Text())
		}
		want[k] = n
	}
	return want, s.Err()
}

// writeExpected replaces the records of the tests that ran; others stay.
func writeExpected(path string, want map[key]float64, rows []row) error {
	for _, r := range rows {
		want[r.key] = r.total()
	}
	var lines []string
	for k, n := range want {
		lines = append(lines, fmt.Sprintf("%-5s %s %-7s %-10s %.0f\n", k.shape, k.model, k.test, k.cpu, n))
	}
	slices.Sort(lines)
	text := "# Guest instructions per token; written by go run ./bench/countarm -update, see make count-arm.\n" + strings.Join(lines, "")
	return os.WriteFile(path, []byte(text), 0o644)
}

// regressions is an error that names the counts beyond their records. A test
// without a record is one as well: it would never be compared.
func regressions(rows []row, want map[key]float64) error {
	var list []string
	for _, r := range rows {
		e, ok := want[r.key]
		switch got := r.total(); {
		case !ok:
			list = append(list, fmt.Sprintf("%v has no record", r.key))
		case got > e*(1+tolerance):
			list = append(list, fmt.Sprintf("%v: %.0f instructions per token, recorded %.0f: %+.1f %%", r.key, got, e, 100*(got/e-1)))
		}
	}
	if list != nil {
		return fmt.Errorf("beyond the recorded counts (-update records new ones):\n\t%s", strings.Join(list, "\n\t"))
	}
	return nil
}
