package data

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"

	"github.com/qwq-edge/qwq/distill"
	"github.com/qwq-edge/qwq/internal/shard"
	"github.com/qwq-edge/qwq/runtime/tokenizer"
)

func load(t testing.TB) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.Load("../../testdata/tinystories-qwen2")
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// build runs a job in the given number of parts and opens what it makes.
func build(t testing.TB, o Options) *Rows {
	t.Helper()
	job, err := NewJob(o)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rows")
	if err := shard.Run(t.Context(), path, job, shard.Selection{}, shard.Options{}); err != nil {
		t.Fatal(err)
	}
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// dump writes pieces and targets of all rows of a split readably.
func dump(t testing.TB, r *Rows, tok *tokenizer.Tokenizer, s Split) string {
	t.Helper()
	var out strings.Builder
	var b distill.Batch
	for i := range r.Len(s) {
		if err := r.Batch(s, []int{i}, &b); err != nil {
			t.Fatal(err)
		}
		if err := b.Check(); err != nil {
			t.Fatal(err)
		}
		at := 0
		for _, n := range b.Docs {
			fmt.Fprintf(&out, "%d[", i)
			for p := at; p < at+int(n); p++ {
				out.WriteString(tok.Decode(b.IDs[p:p+1], false))
				if b.Next[p] >= 0 {
					out.WriteString("^")
				}
			}
			out.WriteString("]\n")
			at += int(n)
		}
	}
	return out.String()
}

func TestPackText(t *testing.T) {
	tok := load(t)
	path := write(t, "a.txt", "\xef\xbb\xbfOnce upon\r\n<|endoftext|>\n\n<|endoftext|>\na time\n")
	r := build(t, Options{Files: []string{path}, Tokenizer: tok, Length: 4})
	got := dump(t, r, tok, Train)
	ids := tok.Encode("Once upon", tokenizer.EncodeOptions{})
	if len(ids) < 2 || r.Stats.Documents != 2 || r.Stats.Tokens != int64(len(ids)+len(tok.Encode("a time", tokenizer.EncodeOptions{}))+2) {
		t.Fatalf("stats %+v", r.Stats)
	}
	text := strings.NewReplacer("^", "", "]\n", "", "0[", "", "1[", "", "2[", "").Replace(got)
	if !strings.HasPrefix(text, "Once upon<|endoftext|>a time<|endoftext|>") {
		t.Errorf("got %q", got)
	}
	// The end of a document predicts nothing; a piece cut by the row's end does.
	if !strings.Contains(got, "<|endoftext|>]") || strings.Contains(got, "<|endoftext|>^") {
		t.Errorf("targets: %q", got)
	}
	if scored := strings.Count(got, "^"); int64(scored) != r.Stats.Scored {
		t.Errorf("%d targets, counted %d", scored, r.Stats.Scored)
	}
}

// TestCutDocument checks that a document over several rows keeps every target.
func TestCutDocument(t *testing.T) {
	tok := load(t)
	s := strings.Repeat("One day, she saw a big, red ball. ", 20)
	r := build(t, Options{Files: []string{write(t, "a.jsonl", fmt.Sprintf("{\"text\":%q}", s))}, Tokenizer: tok, Length: 16})
	want := append(tok.Encode(s, tokenizer.EncodeOptions{}), tok.EOS())
	var b distill.Batch
	var ids, next []int32
	for i := range r.Len(Train) {
		if err := r.Batch(Train, []int{i}, &b); err != nil {
			t.Fatal(err)
		}
		ids, next = append(ids, b.IDs...), append(next, b.Next...)
	}
	if !slices.Equal(ids[:len(want)], want) || !slices.Equal(next[:len(want)-1], want[1:]) || next[len(want)-1] != -1 {
		t.Errorf("ids or targets differ from the document's")
	}
	if r.Stats.Scored != int64(len(want)-1) {
		t.Errorf("%d targets, want %d", r.Stats.Scored, len(want)-1)
	}
}

func TestCompletionAndChat(t *testing.T) {
	tok := load(t)
	lines := `{"prompt":"The dog","completion":" ran","id":7}

{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"yes"},{"role":"user","content":"go"},{"role":"assistant","content":"no"}]}
`
	r := build(t, Options{Files: []string{write(t, "a.jsonl", lines)}, Tokenizer: tok, Length: 96})
	got := dump(t, r, tok, Train)
	first, rest, _ := strings.Cut(got, "\n")
	prompt, completion, _ := strings.Cut(first, "^")
	if prompt != "0[The dog" || !strings.HasPrefix(completion, " ran^") && !strings.Contains(completion, "<|endoftext|>]") {
		t.Errorf("prompt and completion: %q", first)
	}
	// In a conversation only what follows <|im_start|>assistant is a target.
	plain := strings.ReplaceAll(rest, "^", "")
	if !strings.Contains(plain, "<|im_start|>assistant\nyes<|im_end|>") || !strings.Contains(plain, "<|im_start|>assistant\nno<|im_end|>") {
		t.Fatalf("rendered %q", plain)
	}
	for _, turn := range strings.Split(rest, "<|im_start|>") {
		asks := strings.HasPrefix(strings.ReplaceAll(turn, "^", ""), "user")
		if asks && strings.Contains(strings.TrimSuffix(turn, "^"), "^") {
			t.Errorf("a question has targets: %q", turn)
		}
	}
	all := build(t, Options{Files: []string{write(t, "a.jsonl", lines)}, Tokenizer: tok, Length: 96, Loss: LossAll})
	if all.Stats.Scored <= r.Stats.Scored {
		t.Errorf("loss all: %d targets, answers alone %d", all.Stats.Scored, r.Stats.Scored)
	}
}

func corpus(n int) string {
	var s strings.Builder
	for i := range n {
		fmt.Fprintf(&s, "{\"text\":\"Story %d. She had %d big red balls and %d dogs.\"}\n", i%(n*9/10), i%(n*9/10)*7, i%(n*9/10)%13)
	}
	return s.String()
}

func pack(t testing.TB, ext string, s string) []byte {
	var b bytes.Buffer
	var w io.WriteCloser
	switch ext {
	case ".gz":
		w = gzip.NewWriter(&b)
	case ".zst":
		w, _ = zstd.NewWriter(&b)
	default:
		return []byte(s)
	}
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestShardsAndFormats: the same rows from one part or many, plain or packed,
// JSON or parquet; duplicates are gone; about a tenth is held out.
func TestShardsAndFormats(t *testing.T) {
	tok := load(t)
	s := corpus(400)
	type doc struct {
		Text string `parquet:"text"`
		N    int64  `parquet:"n"`
	}
	var docs []doc
	for i, line := range strings.Split(strings.TrimSpace(s), "\n") {
		docs = append(docs, doc{strings.TrimSuffix(strings.TrimPrefix(line, `{"text":"`), `"}`), int64(i)})
	}
	pq := filepath.Join(t.TempDir(), "a.parquet")
	if err := parquet.WriteFile(pq, docs, parquet.Compression(&parquet.Zstd), parquet.MaxRowsPerRowGroup(150)); err != nil {
		t.Fatal(err)
	}
	var want, held string
	var id shard.Hash
	for _, c := range []struct {
		path   string
		shards int
	}{
		{write(t, "a.jsonl", s), 1},
		{write(t, "a.jsonl", s), 7},
		{write(t, "a.jsonl.gz", string(pack(t, ".gz", s))), 2},
		{write(t, "A.NDJSON.zst", string(pack(t, ".zst", s))), 3},
		{pq, 4},
	} {
		r := build(t, Options{Files: []string{c.path}, Tokenizer: tok, Length: 64, HeldOut: 0.1, Shards: c.shards})
		got, gotHeld := dump(t, r, tok, Train), dump(t, r, tok, HeldOut)
		if want == "" {
			want, held, id = got, gotHeld, r.View(All).ID()
			if r.Stats.Duplicates != 40 || r.Stats.Documents != 360 {
				t.Errorf("stats %+v, want 40 duplicates and 360 documents", r.Stats)
			}
			if share := float64(r.Stats.HeldOut) / float64(r.Stats.Tokens); share < 0.05 || share > 0.17 {
				t.Errorf("held out: %.3f of the tokens, want about 0.1", share)
			}
			continue
		}
		if r.View(All).ID() != id || r.View(Train).ID() == id {
			t.Errorf("%s in %d parts: the ID is not that of the content and split", filepath.Base(c.path), c.shards)
		}
		if got != want || gotHeld != held {
			t.Errorf("%s in %d parts: other rows", filepath.Base(c.path), c.shards)
		}
	}
}

func TestParquetMessages(t *testing.T) {
	type msg struct {
		Role    string `parquet:"role"`
		Content string `parquet:"content"`
	}
	type chat struct {
		Messages []msg `parquet:"messages,list"`
	}
	tok := load(t)
	pq := filepath.Join(t.TempDir(), "a.parquet")
	rows := []chat{{[]msg{{"user", "hi"}, {"assistant", "yes"}}}, {[]msg{{"user", "a"}, {"assistant", "b"}, {"user", "c"}, {"assistant", "d"}}}}
	if err := parquet.WriteFile(pq, rows); err != nil {
		t.Fatal(err)
	}
	js := `{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"yes"}]}
{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"},{"role":"assistant","content":"d"}]}`
	a := build(t, Options{Files: []string{pq}, Tokenizer: tok, Length: 64})
	b := build(t, Options{Files: []string{write(t, "a.jsonl", js)}, Tokenizer: tok, Length: 64})
	if x, y := dump(t, a, tok, Train), dump(t, b, tok, Train); x != y {
		t.Errorf("parquet gives %q, JSON %q", x, y)
	}
}

func TestMalformed(t *testing.T) {
	tok := load(t)
	ok := `{"text":"fine"}` + "\n"
	for _, c := range []struct{ name, content, want string }{
		{"a.jsonl", ok + "\n" + `{"text":`, "a.jsonl:3: "},
		{"a.jsonl", ok + `{"text":"a","prompt":"b","completion":"c"}`, "a.jsonl:2: more than one"},
		{"a.jsonl", `{"other":1}`, "a.jsonl:1: none of"},
		{"a.jsonl", `{"prompt":"b"}`, "a.jsonl:1: \"prompt\" and"},
		{"a.jsonl", `[1]`, "a.jsonl:1: "},
		{"a.jsonl", ok + "{\"text\":\"a\xffb\"}", "a.jsonl:2: no UTF-8: byte 0xff at byte 10"},
		{"a.jsonl", ok + `{"text":"` + strings.Repeat("x", 2000) + `"}`, "a.jsonl:2: the line is longer than 1000 bytes"},
		{"a.jsonl", ok + `{"text":"a", "text":"b"}`, `a.jsonl:2:14: the key "text" stands there twice`},
		{"a.jsonl", `{"text":"a","TEXT":"b"}`, `a.jsonl:1:13: the key "text"`},
		{"a.jsonl", `{"text":"a","\u0074ext" : "b"}`, `a.jsonl:1:13: the key "text"`},
		{"a.jsonl", `{"text":"a","note":[{"k":"\\\":","x":{"k":1}},{"k":1,"k":2}]}`, `a.jsonl:1:54: the key "k"`},
		{"a.jsonl", `{"messages":[{"role":"user","content":"a","role":"assistant"}]}`, `a.jsonl:1:43: the key "role"`},
		{"a.jsonl", `{"text":"a","note":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`, `a.jsonl:1:83: nested deeper than 64`},
		{"a.jsonl", `{"messages":[]}`, "a.jsonl:1: messages: none"},
		{"a.jsonl", `{"messages":[{"role":"user","content":"a"}]}`, "a.jsonl:1: messages: no answer"},
		{"a.jsonl", `{"messages":7}`, "a.jsonl:1: messages: "},
		{"a.txt", "fine\n\xc3(", "a.txt:2: no UTF-8: byte 0xc3 at byte 0"},
		{"a.bin", "x", "the name ends in none of"},
		{"a.jsonl.gz", "this is no gzip file at all", "gzip"},
		{"a.jsonl.zst", "no zstd here", "a.jsonl.zst"},
		{"a.jsonl.gz", string(pack(t, ".gz", ok)[:20]), "unexpected EOF"},
		{"a.parquet", "PAR1 nothing PAR1", "a.parquet"},
	} {
		job, err := NewJob(Options{Files: []string{write(t, c.name, c.content)}, Tokenizer: tok, Length: 16, MaxLine: 1000})
		if err == nil {
			err = shard.Run(t.Context(), filepath.Join(t.TempDir(), "rows"), job, shard.Selection{}, shard.Options{})
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %.40q: got %v, want %q", c.name, c.content, err, c.want)
		}
	}
	for _, o := range []Options{
		{}, {Files: []string{"x"}}, {Files: []string{"x"}, Tokenizer: tok}, {Files: []string{"x"}, Tokenizer: tok, Length: 8, HeldOut: 1},
		{Files: []string{"x"}, Tokenizer: tok, Length: 8, Loss: "x"}, {Files: []string{t.TempDir()}, Tokenizer: tok, Length: 8},
	} {
		if _, err := NewJob(o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}

func TestReplaceInvalid(t *testing.T) {
	tok := load(t)
	r := build(t, Options{Files: []string{write(t, "a.txt", "a\xff b")}, Tokenizer: tok, Length: 16, ReplaceInvalid: true})
	if got := strings.ReplaceAll(dump(t, r, tok, Train), "^", ""); !strings.Contains(got, "a") || !strings.Contains(got, " b") {
		t.Errorf("got %q", got)
	}
}

// TestLongLine cuts a text of one line into documents, never inside a character.
func TestLongLine(t *testing.T) {
	s := strings.Repeat("ab€", 60000)
	var got strings.Builder
	n := 0
	err := read(t.Context(), write(t, "a.txt", s), reading{maxLine: 100000}, visit{
		want: func() bool { return true },
		take: func(_ int, r *Record) error { n++; got.WriteString(r.Text); return nil },
	})
	if err != nil || n < 2 || got.String() != s {
		t.Errorf("%d documents, %d bytes of %d, error %v", n, got.Len(), len(s), err)
	}
}

func TestTamperedRows(t *testing.T) {
	tok := load(t)
	job, err := NewJob(Options{Files: []string{write(t, "a.jsonl", corpus(50))}, Tokenizer: tok, Length: 32, HeldOut: 0.1})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rows")
	if err := shard.Run(t.Context(), path, job, shard.Selection{}, shard.Options{}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(b); at += 1 + len(b)/300 {
		bad := slices.Clone(b)
		bad[at] ^= 0x40
		if err := os.WriteFile(path, bad, 0o666); err != nil {
			t.Fatal(err)
		}
		if r, err := Open(path); err == nil {
			r.Close()
			t.Fatalf("byte %d of %d changed: no error", at, len(b))
		}
	}
}

// TestCutWhileOpen: a file that is cut under a reader is an error, not a crash.
func TestCutWhileOpen(t *testing.T) {
	job, err := NewJob(Options{Files: []string{write(t, "a.jsonl", corpus(2000))}, Tokenizer: load(t), Length: 64})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rows")
	if err := shard.Run(t.Context(), path, job, shard.Selection{}, shard.Options{}); err != nil {
		t.Fatal(err)
	}
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	var b distill.Batch
	if err := r.Batch(Train, []int{r.Len(Train) - 1}, &b); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("got %v", err)
	}
}

func TestOrder(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 64, 1000} {
		o := Order{N: n, Seed: 3}
		seen := make([]bool, n)
		for i := range n {
			x := o.At(0, i)
			if seen[x] {
				t.Fatalf("n %d: row %d twice", n, x)
			}
			seen[x] = true
		}
	}
	o := Order{N: 100, Seed: 1}
	var c Cursor
	all := o.Next(&c, 250, nil)
	if c != (Cursor{2, 50}) {
		t.Errorf("cursor %+v, want epoch 2, 50", c)
	}
	var d Cursor
	got := o.Next(&d, 130, nil)
	got = o.Next(&d, 120, got) // as after a restart with the cursor alone
	if !slices.Equal(all, got) {
		t.Error("in two pieces the order differs")
	}
	if slices.Equal(all[:100], all[100:200]) || slices.IsSorted(all[:100]) {
		t.Error("epochs are not shuffled")
	}
	if slices.Equal(all[:100], Order{N: 100, Seed: 2}.Next(&Cursor{}, 100, nil)) {
		t.Error("another seed gives the same order")
	}
}

func FuzzJSONL(f *testing.F) {
	for _, s := range []string{
		`{"text":"a"}`, `{"prompt":"a","completion":"b"}`, `{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}`,
		"{\"text\":\"\xff\"}", "\xef\xbb\xbf{}\r\n\r\n[", `{"text":"\ud800"}`, strings.Repeat("[", 500), `{"messages":null,"text":"x"}`,
	} {
		f.Add([]byte(s), false)
	}
	tok := load(f)
	enc, err := newEncoder(tok, LossAnswers)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte, replace bool) {
		err := readJSONL(t.Context(), bytes.NewReader(b), "f", reading{maxLine: 4096, replace: replace}, visit{
			want: func() bool { return true },
			take: func(line int, r *Record) error {
				d, err := enc.encode(r)
				if err == nil && (len(d.ids) != len(d.scored) || line < 1) {
					t.Fatalf("%d ids, %d marks, line %d", len(d.ids), len(d.scored), line)
				}
				return err
			},
		})
		var known *Error
		if err != nil && !errors.As(err, &known) {
			t.Fatalf("an error without a line: %v", err)
		}
	})
}

func FuzzParquet(f *testing.F) {
	type doc struct {
		Text string `parquet:"text"`
	}
	var b bytes.Buffer
	if err := parquet.Write(&b, []doc{{"a"}, {"b"}}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		path := write(t, "f.parquet", string(b))
		_ = readParquet(t.Context(), path, reading{maxLine: 4096}, visit{
			want: func() bool { return true },
			take: func(int, *Record) error { return nil },
		})
	})
}

func FuzzRows(f *testing.F) {
	var b bytes.Buffer
	w, err := NewWriter(&b, shard.Hash{}, 4, 10, 0)
	if err != nil {
		f.Fatal(err)
	}
	if err := errors.Join(w.Add(Train, []int32{1, 2, 3, 4, 5}, make([]bool, 5)), w.Add(HeldOut, []int32{1, 2}, []bool{true, true}), w.Close()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parsePayload(b)
		if err != nil {
			return
		}
		var batch distill.Batch
		for _, s := range []Split{Train, HeldOut, All} {
			for i := range r.Len(s) {
				if r.Batch(s, []int{i}, &batch) == nil && batch.Check() != nil {
					t.Fatalf("row %d: %v", i, batch.Check())
				}
			}
		}
	})
}
