package convert

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/qwq-edge/qwq/quant"
)

// fileTypes are the types a file can be made of, each with llama.cpp's number
// for general.file_type (the "small" mix for K types, which is what a pure
// file comes nearest to).
var fileTypes = map[quant.Type]uint32{
	quant.F32: 0, quant.F16: 1, quant.BF16: 32,
	quant.Q8_0: 7, quant.Q4_0: 2, quant.Q4_1: 3, quant.Q5_0: 8, quant.Q5_1: 9,
	quant.Q2_K: 10, quant.Q3_K: 11, quant.Q4_K: 14, quant.Q5_K: 16, quant.Q6_K: 18,
	quant.IQ4_NL: 25, quant.IQ4_XS: 30, quant.TQ1_0: 36, quant.TQ2_0: 37,
}

// fallbacks says what a tensor becomes when its row is no multiple of the
// type's block. The result is looked up again.
var fallbacks = map[quant.Type]quant.Type{
	quant.Q2_K: quant.IQ4_NL, quant.Q3_K: quant.IQ4_NL, quant.Q4_K: quant.Q5_0, quant.Q5_K: quant.Q5_1, quant.Q6_K: quant.Q8_0,
	quant.IQ4_XS: quant.IQ4_NL, quant.TQ1_0: quant.Q4_0, quant.TQ2_0: quant.Q4_0,
	quant.Q4_0: quant.F16, quant.Q4_1: quant.F16, quant.Q5_0: quant.F16, quant.Q5_1: quant.F16, quant.Q8_0: quant.F16, quant.IQ4_NL: quant.F16,
}

// mixes are names of llama.cpp's mixtures, so that asking for one says why not.
var mixes = []string{"q2_k_s", "q3_k_s", "q3_k_m", "q3_k_l", "q4_k_s", "q4_k_m", "q5_k_s", "q5_k_m"}

// keepF32 are endings of matrices that stay in F32: routers, norms, and what an
// encoder adds to each token, as llama.cpp does.
var keepF32 = []string{"ffn_gate_inp.weight", "ffn_gate_inp_shexp.weight", "_norm.weight",
	"position_embd.weight", "token_types.weight"}

// plan decides the type of every tensor.
type plan struct {
	base  quant.Type
	rules []rule
}

type rule struct {
	re   *regexp.Regexp
	typ  quant.Type
	used bool
}

func newPlan(typ string, rules []Rule) (*plan, error) {
	base, err := parseType(typ)
	if err != nil {
		return nil, fmt.Errorf("convert: type %.80q: %w", typ, err)
	}
	p := &plan{base: base}
	for _, r := range rules {
		re, err := regexp.Compile(r.Regex)
		if err != nil {
			return nil, fmt.Errorf("convert: tensor type %s=%s: %w", r.Regex, r.Type, err)
		}
		t, err := parseType(r.Type)
		if err != nil {
			return nil, fmt.Errorf("convert: tensor type %s=%s: %w", r.Regex, r.Type, err)
		}
		p.rules = append(p.rules, rule{re: re, typ: t})
	}
	return p, nil
}

// Types lists the names that Options.Type takes now, in ggml's order.
func Types() []string {
	var s []string
	for t := quant.Type(0); t < 64; t++ {
		if _, ok := fileTypes[t]; ok && t.CanEncode() {
			s = append(s, strings.ToLower(t.String()))
		}
	}
	return s
}

func parseType(s string) (quant.Type, error) {
	for _, m := range mixes {
		if strings.EqualFold(s, m) {
			return 0, fmt.Errorf("mixtures have no encoder yet (there are: %s)", strings.Join(Types(), " "))
		}
	}
	t, err := quant.ParseType(s)
	if err != nil {
		return 0, fmt.Errorf("no such type (there are: %s)", strings.Join(Types(), " "))
	}
	if _, ok := fileTypes[t]; !ok || !t.CanEncode() {
		return 0, fmt.Errorf("%s has no encoder yet (there are: %s)", t, strings.Join(Types(), " "))
	}
	return t, nil
}

// matrix is the type for a matrix with rows of cols, and what it would have
// been, if that is another one.
func (p *plan) matrix(name string, cols int) (t quant.Type, wanted string) {
	for _, k := range keepF32 {
		if strings.HasSuffix(name, k) {
			return quant.F32, ""
		}
	}
	t = p.base
	for i := range p.rules {
		if r := &p.rules[i]; r.re.MatchString(name) {
			t, r.used = r.typ, true
		}
	}
	asked := t
	for {
		if _, ok := t.RowBytes(cols); ok {
			break
		}
		next, ok := fallbacks[t]
		if !ok {
			break
		}
		t = next
	}
	if t != asked {
		return t, asked.String()
	}
	return t, ""
}

// unused is an error for the first rule that matched no matrix.
func (p *plan) unused() error {
	for _, r := range p.rules {
		if !r.used {
			return fmt.Errorf("convert: tensor type %s=%s matches no matrix of the model", r.re, strings.ToLower(r.typ.String()))
		}
	}
	return nil
}
