package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/grammar"
)

// outputGrammar reads the grammar that the text must follow; nil: none.
func outputGrammar(c *cli.Context) (*grammar.Grammar, error) {
	text, schema := c.String("grammar"), c.String("json-schema")
	switch {
	case text != "" && schema != "", (text != "" || schema != "") && c.Bool("json-object"):
		return nil, prog.Usagef("--grammar, --json-schema and --json-object exclude each other")
	case c.Bool("json-object"):
		return grammar.AnyObject(), nil
	case text != "":
		b, err := readGrammar(text)
		if err != nil {
			return nil, err
		}
		return named(text)(grammar.ParseGBNF(string(b), grammar.Limits{}))
	case schema != "":
		b, err := readGrammar(schema)
		if err != nil {
			return nil, err
		}
		return named(schema)(grammar.FromSchema(b, grammar.SchemaOptions{}))
	}
	return nil, nil
}

// named puts a file's name before an error.
func named(file string) func(*grammar.Grammar, error) (*grammar.Grammar, error) {
	return func(g *grammar.Grammar, err error) (*grammar.Grammar, error) {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		return g, nil
	}
}

// readGrammar reads a file, but no more of it than a grammar may have.
func readGrammar(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, grammar.MaxBytes+1))
}

// mask restricts a text to a grammar.
type mask struct {
	*grammar.Matcher
	err error // why nothing is allowed
}

func newMask(m *engine.Model, g *grammar.Grammar) (*mask, error) {
	if m.Tokenizer() == nil {
		return nil, errors.New("the model file has no tokenizer, which a grammar needs")
	}
	return &mask{Matcher: grammar.NewVocabulary(m.Tokenizer()).Matcher(g)}, nil
}

// Allowed implements engine.Mask.
func (m *mask) Allowed() []uint64 {
	allowed, err := m.Matcher.Allowed()
	if m.err == nil {
		m.err = err
	}
	if m.err != nil {
		return []uint64{}
	}
	return allowed
}

// Accept implements engine.Mask.
func (m *mask) Accept(id int32) { m.err = m.Matcher.Accept(id) } // readings may become too many
