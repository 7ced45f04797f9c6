package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/internal/cpu"
	"github.com/qwq-edge/qwq/quant"
	"github.com/qwq-edge/qwq/runtime/model/modeltest"
)

func TestCandidates(t *testing.T) {
	cluster := func(n int) cpu.Cluster { return cpu.Cluster{CPUs: make([]int, n)} }
	for _, c := range []struct {
		n    int
		info cpu.Info
		want []int
	}{
		{1, cpu.Info{}, []int{1}},
		{2, cpu.Info{Physical: 2, Clusters: []cpu.Cluster{cluster(2)}}, []int{1, 2}},
		{4, cpu.Info{Physical: 4}, []int{1, 2, 3, 4}},
		{8, cpu.Info{Physical: 8, Clusters: []cpu.Cluster{cluster(3), cluster(5)}}, []int{1, 2, 3, 4, 5, 6, 8}},
		{16, cpu.Info{Physical: 8}, []int{1, 2, 4, 8, 12, 16}},
		{2, cpu.Info{Physical: 64, Clusters: []cpu.Cluster{cluster(64)}}, []int{1, 2}}, // a container
	} {
		if got := candidates(c.n, c.info); !slices.Equal(got, c.want) {
			t.Errorf("%d cpus, %+v: %v, want %v", c.n, c.info, got, c.want)
		}
	}
}

func TestFewest(t *testing.T) {
	for _, c := range []struct {
		rates []float64 // of 1, 2, 3 … threads
		want  int
	}{
		{[]float64{10}, 1},
		{[]float64{10, 19}, 2},
		{[]float64{32, 33.8, 29}, 2}, // a Pi 5's decoding
		{[]float64{33, 33.8, 29}, 1},
		{[]float64{10, 20, 19.5, 20.5}, 2},
		{[]float64{10, 0, 5}, 3}, // the time was not enough
	} {
		var trials []Trial
		for i, r := range c.rates {
			trials = append(trials, Trial{Threads: i + 1, Decode: r})
		}
		if got := fewest(trials, func(t Trial) float64 { return t.Decode }); got != c.want {
			t.Errorf("%v: %d threads, want %d", c.rates, got, c.want)
		}
	}
}

func TestSizeClass(t *testing.T) {
	for n, want := range map[uint64]string{0: "1 MiB", 1 << 20: "1 MiB", 1<<20 + 1: "2 MiB", 518 << 20: "1 GiB", 512 << 20: "512 MiB", 5 << 30: "8 GiB"} {
		if got := sizeClass(n); got != want {
			t.Errorf("%d bytes: %s, want %s", n, got, want)
		}
	}
}

// entry is a measurement of this machine for the model at path.
func entry(t *testing.T, path string, prefill, decode int) ThreadCounts {
	t.Helper()
	m := load(t, path, Options{})
	c := m.threads.key
	c.Prefill, c.Decode = prefill, decode
	return c
}

// TestThreadOptions: what a step runs with, from the flags, the table, or
// nothing.
func TestThreadOptions(t *testing.T) {
	path := modeltest.Write(t, modeltest.Spec{Type: quant.Q8_0})
	all := runtime.NumCPU()
	table := filepath.Join(t.TempDir(), "threads.json")
	if err := writeThreadTable(table, entry(t, path, all, 1)); err != nil {
		t.Fatal(err)
	}
	other := entry(t, path, all, all)
	other.Machine = "another machine"
	if err := writeThreadTable(table, other); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o                     Options
		pool, prefill, decode int
	}{
		{Options{}, all, all, all},
		{Options{Threads: 3}, 3, 3, 3},
		{Options{PrefillThreads: 3, DecodeThreads: 1}, 3, 3, 1},
		{Options{Threads: 2, DecodeThreads: 5}, 5, 2, 5},
		{Options{ThreadTable: table}, all, all, 1},
		{Options{ThreadTable: table, DecodeThreads: 2}, max(all, 2), all, 2},
		{Options{ThreadTable: table, Threads: 2}, 2, 2, 2},
		{Options{ThreadTable: filepath.Join(t.TempDir(), "none")}, all, all, all},
	} {
		m := load(t, path, c.o)
		i := m.Info()
		if i.Threads != c.pool || i.Prefill != c.prefill || i.Decode != c.decode {
			t.Errorf("%+v: %d threads, prefill %d, decode %d; want %d, %d, %d", c.o, i.Threads, i.Prefill, i.Decode, c.pool, c.prefill, c.decode)
		}
		s, err := m.NewSeq(Request{IDs: make([]int32, prefillRows), MaxTokens: 3, IgnoreEOS: true})
		if err != nil {
			t.Fatal(err)
		}
		for n, want := range []int{c.prefill, c.decode} {
			if err := m.Step(context.Background(), []*Seq{s}); err != nil {
				t.Fatal(err)
			}
			if got := m.threads.pool.Active(); got != want {
				t.Errorf("%+v: step %d with %d threads, want %d", c.o, n, got, want)
			}
		}
		s.Release()
	}
	for _, o := range []Options{{Threads: -1}, {PrefillThreads: -1}, {DecodeThreads: -1}} {
		if m, err := Open(path, o); err == nil {
			m.Close()
			t.Errorf("%+v: no error", o)
		}
	}
}

// TestThreadTable: whatever the file holds, it is used, or ignored with a word.
func TestThreadTable(t *testing.T) {
	path := modeltest.Write(t, modeltest.Spec{Type: quant.Q8_0})
	good := entry(t, path, 1, 1)
	good.Trials = []Trial{{1, 1e9, 2e9}}
	dir := t.TempDir()
	file := filepath.Join(dir, "qwq", "threads.json") // the folder is made
	if err := writeThreadTable(file, good); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadThreadTable(file); err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], good) {
		t.Fatalf("read back: %+v, %v", got, err)
	}
	good.Decode = runtime.NumCPU()
	if err := writeThreadTable(file, good); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadThreadTable(file); err != nil || len(got) != 1 || got[0].Decode != good.Decode {
		t.Fatalf("measured again: %+v, %v", got, err)
	}
	for i := range maxTableEntries + 5 {
		other := good
		other.Machine = fmt.Sprint(i)
		if err := writeThreadTable(file, other); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := ReadThreadTable(file); err != nil || len(got) != maxTableEntries || got[0].Machine != "5" {
		t.Errorf("%d entries, %v", len(got), err)
	}
	if list, err := os.ReadDir(filepath.Dir(file)); err != nil || len(list) != 1 {
		t.Errorf("%v left beside the table, %v", list, err)
	}
	for name, content := range map[string]string{
		"empty": "", "text": "hello", "version": `{"version":9}`, "no counts": `{"version":1,"entries":[{}]}`,
		"too many": `{"version":1,"entries":[{"cpus":2,"prefill":9,"decode":1}]}`,
		"negative": `{"version":1,"entries":[{"cpus":2,"prefill":1,"decode":-1}]}`,
		"huge":     `{"version":1,"x":"` + strings.Repeat("x", maxTableBytes) + `"}`,
	} {
		bad := filepath.Join(dir, name)
		if err := os.WriteFile(bad, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		m := load(t, path, Options{ThreadTable: bad})
		if w := strings.Join(m.Info().Warnings, " "); !strings.Contains(w, bad) || !strings.Contains(w, "thread counts") {
			t.Errorf("%s: warnings %q", name, w)
		}
		if err := writeThreadTable(bad, good); err != nil {
			t.Errorf("%s: not replaced: %v", name, err)
		}
		if got, err := ReadThreadTable(bad); err != nil || len(got) != 1 {
			t.Errorf("%s: replaced by %v, %v", name, got, err)
		}
	}
	if _, err := ReadThreadTable(dir); err == nil {
		t.Error("a folder is a table")
	}
	if err := writeThreadTable(filepath.Join(file, "x"), good); err == nil {
		t.Error("written below a file")
	}
}

// TestCalibration: measured once in a long generation, within its time, kept,
// found again, and the ids are the same throughout.
func TestCalibration(t *testing.T) {
	if runtime.NumCPU() == 1 {
		t.Skip("one cpu: nothing to choose")
	}
	path := modeltest.Write(t, modeltest.Spec{Arch: "qwen2", Type: quant.Q8_0, Layers: 3, Hidden: 256, FFN: 512, Heads: 4, HeadDim: 64, Vocab: 2000, Tied: true})
	table := filepath.Join(t.TempDir(), "threads.json")
	r := Request{IDs: []int32{1, 2, 3}, MaxTokens: calibrateAfter + 100, IgnoreEOS: true}
	want, _, _ := collect(t, load(t, path, Options{Threads: 1}), r)
	m := load(t, path, Options{ThreadTable: table})
	short := r
	short.MaxTokens = calibrateAfter / 2
	collect(t, m, short)
	if _, err := os.Stat(table); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("measured after %d tokens: %v", short.MaxTokens, err)
	}
	if got, _, _ := collect(t, m, r); !slices.Equal(got, want) {
		t.Error("other ids while thread counts are measured")
	}
	list, err := ReadThreadTable(table)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	c := list[0]
	if !c.matches(&m.threads.key) || c.Type != "Q8_0" || !c.valid() || c.Trials[0].Threads != 1 || c.Trials[len(c.Trials)-1].Threads != runtime.NumCPU() {
		t.Errorf("%+v", c)
	}
	if i := m.Info(); i.Prefill != c.Prefill || i.Decode != c.Decode {
		t.Errorf("measured %d and %d, used %d and %d", c.Prefill, c.Decode, i.Prefill, i.Decode)
	}
	next := load(t, path, Options{ThreadTable: table})
	if i := next.Info(); !next.threads.done || i.Prefill != c.Prefill || i.Decode != c.Decode {
		t.Errorf("found again: %+v", i)
	}
	if got, _, _ := collect(t, next, r); !slices.Equal(got, want) {
		t.Error("other ids with the counts of the table")
	}
	start := time.Now()
	again, err := next.MeasureThreads()
	if err != nil || again.Trials[0].Decode <= 0 || math.IsInf(again.Trials[0].Prefill, 0) {
		t.Errorf("%+v, %v", again, err)
	}
	if d := time.Since(start); d > 5*calibrationTime { // other tests compute beside it
		t.Errorf("measuring took %v", d)
	}
	t.Logf("%+v", again)
	blocked := load(t, path, Options{ThreadTable: filepath.Join(table, "x")})
	if c, err := blocked.MeasureThreads(); !errors.Is(err, ErrNotKept) || !c.valid() {
		t.Errorf("not writable: %+v, %v", c, err)
	}
	if _, err := load(t, path, Options{Threads: 1}).MeasureThreads(); err == nil {
		t.Error("measured with one of the threads")
	}
}
