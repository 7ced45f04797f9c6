package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// document is a text about one thing, as turns of two sentences.
type document struct {
	source string
	turns  [][]string // sentences of each turn
	vec    [][]float32
	words  []int // of each turn
}

// A document of less than least turns is left out; longer ones are cut at most.
const (
	least = 4
	most  = 60
)

var (
	article = regexp.MustCompile(`^ = [^=].* = $`)
	heading = regexp.MustCompile(`^ = `)
	chapter = regexp.MustCompile(`^CHAPTER [IVXL]+\.?\s*$`)
	endings = regexp.MustCompile(`([.!?][”"']?)\s+`)
)

// read reads the documents of all sources.
func read(dir string) ([]*document, error) {
	var docs []*document
	for _, s := range []struct {
		name string
		f    func(path string) ([]*document, error)
	}{
		{"wikitext-2-tok/valid.txt", wikitext},
		{"gutenberg-aozora/Mark.Twain-Tom.Sawyer.txt", book},
		{"gutenberg-aozora/botchan.txt", book},
		{"tinyshakespeare/input.txt", plays},
		{"gsm8k/train.jsonl", problems},
	} {
		got, err := s.f(filepath.Join(dir, s.name))
		if err != nil {
			return nil, err
		}
		n := 0
		for _, d := range got {
			if len(d.turns) < least {
				continue
			}
			d.source = strings.TrimSuffix(filepath.Base(filepath.Dir(s.name))+"/"+filepath.Base(s.name), filepath.Ext(s.name))
			d.turns = d.turns[:min(len(d.turns), most)]
			docs = append(docs, d)
			n++
		}
		if n == 0 {
			return nil, fmt.Errorf("%s: no documents", s.name)
		}
	}
	return docs, nil
}

// sentences cuts a text; very short ones join the next.
func sentences(text string) []string {
	text = strings.Join(strings.Fields(strings.ReplaceAll(text, "<unk>", "")), " ")
	var out []string
	at, from := 0, 0
	for _, m := range endings.FindAllStringIndex(text, -1) {
		if m[1]-from > 25 {
			out, from = append(out, strings.TrimSpace(text[from:m[1]])), m[1]
		}
		at = m[1]
	}
	if rest := strings.TrimSpace(text[from:]); len(rest) > 25 || at == 0 && rest != "" {
		out = append(out, rest)
	}
	return out
}

// turnsOf groups sentences by two.
func turnsOf(s []string) (turns [][]string) {
	for len(s) > 1 {
		turns, s = append(turns, s[:2]), s[2:]
	}
	return turns
}

func wikitext(path string) (docs []*document, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var s []string
	flush := func() {
		docs = append(docs, &document{turns: turnsOf(s)})
		s = nil
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case article.MatchString(line):
			flush()
		case !heading.MatchString(line):
			s = append(s, sentences(line)...)
		}
	}
	flush()
	return docs, nil
}

// book is its chapters.
func book(path string) (docs []*document, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	inside := false
	flush := func() {
		if inside {
			docs = append(docs, &document{turns: turnsOf(sentences(text.String()))})
		}
		text.Reset()
	}
	for line := range strings.Lines(string(b)) {
		switch {
		case chapter.MatchString(strings.TrimSpace(line)):
			flush()
			inside = true
		case strings.HasPrefix(line, "*** END"):
			flush()
			return docs, nil
		default:
			text.WriteString(line)
		}
	}
	flush()
	return docs, nil
}

// plays is runs of 40 speeches.
func plays(path string) (docs []*document, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	speeches := strings.Split(string(b), "\n\n")
	const run = 40
	for i := 0; i+run <= len(speeches); i += run {
		var s []string
		for _, x := range speeches[i : i+run] {
			if _, said, ok := strings.Cut(x, ":\n"); ok {
				s = append(s, sentences(said)...)
			}
		}
		docs = append(docs, &document{turns: turnsOf(s)})
	}
	return docs, nil
}

// problems is some of GSM8K, question and answer.
func problems(path string) (docs []*document, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	calc := regexp.MustCompile(`<<[^>]*>>|####.*`)
	for scan := bufio.NewScanner(bytes.NewReader(b)); scan.Scan() && len(docs) < 1200; {
		var p struct{ Question, Answer string }
		if err := json.Unmarshal(scan.Bytes(), &p); err != nil {
			return nil, err
		}
		s := append(sentences(p.Question), sentences(calc.ReplaceAllString(strings.ReplaceAll(p.Answer, "\n", ". "), ""))...)
		docs = append(docs, &document{turns: turnsOf(s)})
	}
	return docs, nil
}
