package cache_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/qwq-edge/qwq/convert"
	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/distill/cache"
	"github.com/qwq-edge/qwq/distill/data"
	"github.com/qwq-edge/qwq/distill/teacher"
	"github.com/qwq-edge/qwq/internal/shard"
)

// From a text to what a teacher says about it: tokenize and pack, cache, read.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	in := func(name string) string { return filepath.Join(dir, name) }
	story := "Once upon a time, there was a little girl named Lily. She had a big red ball.\n<|endoftext|>\n"
	err = os.WriteFile(in("stories.txt"), []byte(strings.Repeat(story, 3)), 0o666)
	check(err)
	_, err = convert.Quantize(ctx, convert.Options{Source: "../../testdata/tinystories-qwen2", Out: in("t.gguf"), Type: "q8_0"})
	check(err)

	t, err := teacher.Open(in("t.gguf"), teacher.Options{})
	check(err)
	defer t.Close()
	tok, err := t.Tokenizer()
	check(err)
	pack, err := data.NewJob(data.Options{Files: []string{in("stories.txt")}, Tokenizer: tok, Length: 16})
	check(err)
	check(shard.Run(ctx, in("rows"), pack, shard.Selection{}, shard.Options{}))
	rows, err := data.Open(in("rows"))
	check(err)
	defer rows.Close()

	job, err := cache.NewJob(cache.Options{Source: rows.View(data.Train), Teacher: t, Tokenizer: rows.Tokenizer, Vocab: t.Vocabulary(), K: 8})
	check(err)
	check(shard.Run(ctx, in("cache"), job, shard.Selection{}, shard.Options{}))
	c, err := cache.Open(in("cache"))
	check(err)
	defer c.Close()
	cached, err := c.Teacher(cache.TeacherOptions{Temps: []float64{1}, Tokenizer: rows.Tokenizer})
	check(err)
	var b distill.Batch
	var said distill.Targets
	check(rows.Batch(data.Train, []int{0}, &b))
	check(cached.Score(ctx, &b, 0, 4, &said))
	fmt.Printf("%d documents, %d left out as duplicates\n", rows.Stats.Documents, rows.Stats.Duplicates)
	fmt.Printf("after %q the teacher expects %q\n", tok.Decode(b.IDs[:4], false), tok.Decode(said.IDs[3*said.K:3*said.K+1], false))
	// Output:
	// 1 documents, 2 left out as duplicates
	// after "Once upon a time" the teacher expects ","
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
