package shard

import (
	"fmt"
	"strconv"
	"strings"
)

// Selection is the parts that one process does: those whose number modulo Count
// is Index. The zero value means all of them.
type Selection struct{ Index, Count int }

// Has reports whether part i belongs to the selection.
func (s Selection) Has(i int) bool { return s.Count <= 1 || i%s.Count == s.Index }

// String is the selection as the flag writes it.
func (s Selection) String() string { return fmt.Sprintf("%d/%d", s.Index, max(s.Count, 1)) }

// maxShards bounds what a flag may ask for.
const maxShards = 1 << 20

// Select says which parts are this process's. spec is the flag i/n, with i from
// 0 to n-1. Without it the environment decides: JOB_COMPLETION_INDEX of a
// Kubernetes Indexed Job, which does not tell the number of pods, so that
// shards must; or SLURM_ARRAY_TASK_ID, with shards (the ids then count from 0),
// or with an array that runs from 0 or 1 without gaps. shards 0 means that
// nobody gave a number; the flag /n gives it and wants an array. Without either the
// process does everything.
func Select(spec string, shards int, getenv func(string) string) (Selection, error) {
	if shards < 0 || shards > maxShards {
		return Selection{}, fmt.Errorf("shard: %d shards are not between 0 and %d", shards, maxShards)
	}
	if n, ok := strings.CutPrefix(spec, "/"); ok {
		if getenv("JOB_COMPLETION_INDEX") == "" && getenv("SLURM_ARRAY_TASK_ID") == "" {
			return Selection{}, fmt.Errorf("shard: %q takes the part from JOB_COMPLETION_INDEX or SLURM_ARRAY_TASK_ID, and neither is set", spec)
		}
		s, err := parse("0/" + n)
		if err != nil {
			return Selection{}, err
		}
		spec, shards = "", s.Count
	}
	if spec != "" {
		return parse(spec)
	}
	if v := getenv("JOB_COMPLETION_INDEX"); v != "" {
		if shards == 0 {
			return Selection{}, fmt.Errorf("shard: JOB_COMPLETION_INDEX is %s, but the number of shards is not given: say it beside the job's completions", v)
		}
		return selection("JOB_COMPLETION_INDEX", v, 0, shards)
	}
	if v := getenv("SLURM_ARRAY_TASK_ID"); v != "" {
		return slurm(v, shards, getenv)
	}
	return Selection{0, 1}, nil
}

func parse(spec string) (Selection, error) {
	a, b, ok := strings.Cut(spec, "/")
	n, err := strconv.Atoi(b)
	if !ok || err != nil || n < 1 || n > maxShards {
		return Selection{}, fmt.Errorf("shard: %q is not i/n with n from 1 to %d", spec, maxShards)
	}
	i, err := strconv.Atoi(a)
	if err != nil || i < 0 || i >= n {
		return Selection{}, fmt.Errorf("shard: %q: shards of %d count from 0/%d to %d/%d", spec, n, n, n-1, n)
	}
	return Selection{i, n}, nil
}

// slurm reads an array task. A part of an array resubmitted by hand
// (--array=3,5) counts fewer tasks than there are shards: taken as it looks, it
// would do the wrong parts, so anything but a plain range needs the number.
func slurm(id string, shards int, getenv func(string) string) (Selection, error) {
	if shards > 0 {
		return selection("SLURM_ARRAY_TASK_ID", id, 0, shards)
	}
	num := func(name string) int {
		n, err := strconv.Atoi(getenv(name))
		if err != nil {
			return -1
		}
		return n
	}
	first, last, count := num("SLURM_ARRAY_TASK_MIN"), num("SLURM_ARRAY_TASK_MAX"), num("SLURM_ARRAY_TASK_COUNT")
	if first != 0 && first != 1 || count < 1 || last-first+1 != count {
		return Selection{}, fmt.Errorf("shard: array task %s of %q to %q with %q tasks is no range from 0 or 1: give the number of shards",
			id, getenv("SLURM_ARRAY_TASK_MIN"), getenv("SLURM_ARRAY_TASK_MAX"), getenv("SLURM_ARRAY_TASK_COUNT"))
	}
	return selection("SLURM_ARRAY_TASK_ID", id, first, count)
}

func selection(name, v string, first, count int) (Selection, error) {
	i, err := strconv.Atoi(v)
	if err != nil || i < first || i-first >= count || count > maxShards {
		return Selection{}, fmt.Errorf("shard: %s is %q, outside %d to %d", name, v, first, first+count-1)
	}
	return Selection{i - first, count}, nil
}
