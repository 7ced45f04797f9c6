package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/qwq-edge/qwq/runtime/safety"
)

// row is a text with its label.
type row struct {
	text    string
	toxic   bool
	source  string
	test    bool // held out of every training
	words   []int
	chinese bool
}

// data is everything that is read.
type data struct {
	rows  []row
	words []string            // the lists, English first
	books map[string][]string // sentences that no training sees
}

var noise = regexp.MustCompile(`https?://\S+|(^|\s)RT\b|@\w+:?|&#\d+;?`)

// apart puts one row of five aside, by what it says: equal texts go the same way.
func apart(text string) bool {
	h := fnv.New32a()
	h.Write([]byte(text))
	return h.Sum32()>>8%5 == 0
}

func read(dir string) (*data, error) {
	d := &data{books: map[string][]string{}}
	for _, f := range []func(string) error{d.lists, d.davidson, d.templates, d.benign, d.unseen} {
		if err := f(dir); err != nil {
			return nil, err
		}
	}
	byFirst := map[string][]int{} // list words by their first word, or character
	for i, w := range d.words {
		k := firstOf(w)
		byFirst[k] = append(byFirst[k], i)
	}
	for i := range d.rows {
		d.rows[i].words = d.listed(byFirst, d.rows[i])
	}
	return d, nil
}

var wordsOf = regexp.MustCompile(`[a-z0-9]+`)

func firstOf(w string) string {
	if f := wordsOf.FindString(w); f != "" && w[0] < 0x80 {
		return f
	}
	r := []rune(w)
	return string(r[:1])
}

// listed are the words of the lists that a row holds.
func (d *data) listed(byFirst map[string][]int, r row) (out []int) {
	text := strings.ToLower(r.text)
	if r.chinese {
		for _, c := range text {
			for _, i := range byFirst[string(c)] {
				if strings.Contains(text, d.words[i]) {
					out = append(out, i)
				}
			}
		}
	}
	padded := " " + strings.Join(wordsOf.FindAllString(text, -1), " ") + " "
	for _, w := range strings.Fields(padded) {
		for _, i := range byFirst[w] {
			if strings.Contains(padded, " "+strings.Join(wordsOf.FindAllString(d.words[i], -1), " ")+" ") && d.words[i][0] < 0x80 {
				out = append(out, i)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (d *data) lists(dir string) error {
	for _, name := range []string{"en", "zh"} {
		b, err := os.ReadFile(filepath.Join(dir, "toxicity/ldnoobw", name))
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(b)) {
			if w := strings.ToLower(strings.TrimSpace(line)); w != "" && firstOf(w) != "" {
				d.words = append(d.words, w)
			}
		}
	}
	return nil
}

func (d *data) davidson(dir string) error {
	b, err := os.ReadFile(filepath.Join(dir, "toxicity/davidson/labeled_data.csv"))
	if err != nil {
		return err
	}
	records, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		return err
	}
	for _, f := range records[1:] {
		text := strings.TrimSpace(noise.ReplaceAllString(html.UnescapeString(f[6]), " "))
		d.rows = append(d.rows, row{text: text, toxic: f[5] != "2", source: "davidson", test: apart(text)})
	}
	return nil
}

func (d *data) templates(dir string) error {
	b, err := os.ReadFile(filepath.Join(dir, "toxicity/unintended-bias/zh-cn_sentence_templates.csv"))
	if err != nil {
		return err
	}
	records, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
	if err != nil {
		return err
	}
	for _, f := range records[1:] {
		d.rows = append(d.rows, row{text: f[2], toxic: f[1] == "toxic", source: "templates", test: apart(f[2]), chinese: true})
	}
	return nil
}

// benign reads texts that are taken to hold no toxic sentence.
func (d *data) benign(dir string) error {
	for _, name := range []string{"tinyshakespeare/input.txt", "wikitext-2-tok/valid.txt", "gutenberg-aozora/wagahaiwa_nekodearu.txt"} {
		b, err := os.ReadFile(filepath.Join(dir, "text", name))
		if err != nil {
			return err
		}
		d.sentences(filepath.Dir(name), string(b))
	}
	b, err := os.ReadFile(filepath.Join(dir, "text/gsm8k/train.jsonl"))
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var q struct{ Question string }
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			return fmt.Errorf("gsm8k: %w", err)
		}
		d.sentences("gsm8k", q.Question)
	}
	return lines.Err()
}

func (d *data) sentences(source, text string) {
	for _, s := range sentences(text) {
		d.rows = append(d.rows, row{text: s, source: source, test: apart(s)})
	}
}

// sentences are a text's windows; lines that were broken in a paragraph are joined.
func sentences(text string) (out []string) {
	for _, paragraph := range strings.Split(strings.ReplaceAll(text, "\r", ""), "\n\n") {
		for _, w := range safety.Windows(strings.ReplaceAll(strings.TrimSpace(paragraph), "\n", " ")) {
			if w = strings.TrimSpace(w); w != "" {
				out = append(out, w)
			}
		}
	}
	return out
}

func (d *data) unseen(dir string) error {
	for _, name := range []string{"Mark.Twain-Tom.Sawyer.txt", "botchan.txt"} {
		b, err := os.ReadFile(filepath.Join(dir, "text/gutenberg-aozora", name))
		if err != nil {
			return err
		}
		d.books[name] = sentences(string(b))
	}
	return nil
}
