package grammar

import (
	"errors"
	"strings"
	"testing"
)

func mustGBNF(t testing.TB, text string) *Grammar {
	t.Helper()
	g, err := ParseGBNF(text, Limits{})
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return g
}

const jsonGBNF = `
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws ( string ":" ws value ("," ws string ":" ws value)* )? "}" ws
array  ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
ws ::= | " " | "\n" [ \t]{0,20}
`

// texts are grammars with texts that match, that begin one that does, and
// that do neither.
var texts = []struct {
	name, gbnf         string
	full, prefix, dead []string
}{
	{"literal", `root ::= "abc"`, []string{"abc"}, []string{"", "a", "ab"}, []string{"b", "abcd", "ac"}},
	{"alternatives", "root ::= \"a\" |\n \"ab\" | # comment\n \"\"", []string{"", "a", "ab"}, nil, []string{"b", "aba"}},
	{"bar on the next line", "root ::= \"a\"\n  | \"b\"\n", []string{"a", "b"}, []string{""}, []string{"ab"}},
	{"class", `root ::= [a-cx] [^a-c] [\]\-]`, []string{"xd]", "aé-", "a日]"}, []string{"a\xe6", "a\xe6\x97", "x"}, []string{"d", "aa", "a\xff", "a\xed\xa0"}},
	{"surrogates", `root ::= [\uD7FF-\uE000]`, []string{"\ud7ff", "\ue000"}, []string{"\xed", "\xee"}, []string{"\xed\xa0", "\xee\x81"}},
	{"any", `root ::= . .`, []string{"a\n", "😀b"}, []string{"\xf0\x9f", "a"}, []string{"\x80", "abc", "\xf5"}},
	{"escapes", `root ::= "\x41\u00e9\U0001F600\n\t\r\\\"\[\]"`, []string{"Aé😀\n\t\r\\\"[]"}, []string{"A"}, []string{"a"}},
	{"star", `root ::= "a"* "b"`, []string{"b", "aab"}, []string{"", "aaa"}, []string{"c", "abb"}},
	{"plus", `root ::= "ab"+`, []string{"ab", "abab"}, []string{"", "aba"}, []string{"abb"}},
	{"nested loops", `root ::= ("a"* "b"?)* "c"`, []string{"c", "aabbac"}, []string{"", "bb"}, []string{"cc"}},
	{"braces", `root ::= "a"{2} "b"{1,} "c"{,2} "d"{0,1}`, []string{"aab", "aabbbccd", "aabd"}, []string{"a", "aa"}, []string{"aaa", "ab", "aabccc", "aabdd"}},
	{"zero times", `root ::= "a"{0} "b"`, []string{"b"}, []string{""}, []string{"a"}},
	{"counted", `root ::= "<" [a-z]{3,100} ">"`, []string{"<abc>", "<" + strings.Repeat("a", 100) + ">"},
		[]string{"<ab", "<" + strings.Repeat("a", 100)}, []string{"<ab>", "<" + strings.Repeat("a", 101)}},
	{"counted, overlapping what follows", `root ::= [a-z]{0,90} "x" [a-z]{5,90}`, []string{"xabcde", "abxabcde", "xxxxxxxx"}, []string{"a", "xabcd"}, []string{"x!", strings.Repeat("a", 91)}},
	{"counted pairs", `root ::= "[" item ("," item){79,} "]"` + "\nitem ::= \"(\" item \")\" | [0-9]+", []string{"[" + strings.Repeat("12,((3)),", 40) + "4]"},
		[]string{"[" + strings.Repeat("1,", 30)}, []string{"[" + strings.Repeat("1,", 30) + "2]", "[,"}},
	{"counted, empty turns", `root ::= ("ab"?  "c"?){1,50} "!"`, []string{"!", "ababc!", strings.Repeat("abc", 50) + "!"}, []string{"", "abab"}, []string{strings.Repeat("abc", 50) + "a", "aa"}},
	{"counted, ambiguous turns", `root ::= ("a" | "aa"){30,40} "b"`, []string{strings.Repeat("a", 30) + "b", strings.Repeat("a", 80) + "b"},
		[]string{strings.Repeat("a", 80)}, []string{strings.Repeat("a", 29) + "b", strings.Repeat("a", 81)}},
	{"recursion", "root ::= \"(\" root \")\" | \"x\"", []string{"x", "((x))"}, []string{"", "((", "((x"}, []string{")", "(x))", "xx"}},
	{"two stacks", "root ::= a | b\na ::= \"(\" a \")\" | \"x\"\nb ::= \"(\" b \"]\" | \"x\"", []string{"((x))", "((x]]"}, []string{"((x)", "((x]"}, []string{"((x)]", "((x])"}},
	{"right recursion", "root ::= item root | \"\"\nitem ::= [a-z]+ \";\" tail\ntail ::= item | \"\"", []string{"", "a;bb;c;"}, []string{"a;b"}, []string{";"}},
	{"empty rules", "root ::= e e \"a\" e f\ne ::= \"\" | e2\ne2 ::= \"\"\nf ::= \"b\" f | e", []string{"a", "abbb"}, []string{""}, []string{"aa", "b"}},
	{"unproductive branch", "root ::= \"a\" | \"b\" loop\nloop ::= \"c\" loop", []string{"a"}, []string{""}, []string{"b"}},
	{"json", jsonGBNF, []string{`{}`, `{"a": [1,2, {"b":null }], "c":"\u00e9\n"}`}, []string{`{"a": [[[1.5e`, `{"`, "{\"\xe6"}, []string{`[`, `{,`, `{"a"  :`, `{"a":01`, `{"a":[1}`}},
}

func TestTexts(t *testing.T) {
	v := NewVocabulary(testWords())
	for _, c := range texts {
		t.Run(c.name, func(t *testing.T) {
			g := mustGBNF(t, c.gbnf)
			for want, list := range [][]string{c.dead, c.prefix, c.full} {
				for _, s := range list {
					m := v.Matcher(g)
					got := 1
					if m.AcceptText([]byte(s)) != nil {
						got = 0
					} else if m.Done() {
						got = 2
					}
					if got != want {
						t.Errorf("%.60q: got %d, want %d (0 dead, 1 begun, 2 matches)", s, got, want)
					}
				}
			}
		})
	}
}

// TestMasks compares the mask after every byte of every text with trying all
// tokens.
func TestMasks(t *testing.T) {
	for _, c := range texts {
		t.Run(c.name, func(t *testing.T) {
			v := NewVocabulary(testWords(c.full...))
			g := mustGBNF(t, c.gbnf)
			for _, s := range append(c.full, c.prefix...) {
				m := v.Matcher(g)
				for i := range len(s) + 1 {
					if err := compare(m); err != nil {
						t.Fatalf("after %.60q: %v", s[:i], err)
					}
					if i < len(s) {
						if err := m.AcceptText([]byte{s[i]}); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
		})
	}
}

func TestGBNFErrors(t *testing.T) {
	deep := strings.Repeat("(", 200) + `"a"` + strings.Repeat(")", 200)
	for name, c := range map[string]struct{ text, want string }{
		"empty":              {"", "no rule root"},
		"no root":            {`a ::= "b"`, "no rule root"},
		"undefined":          {"root ::= \"a\"\n  | b", "line 2, column 5: no rule b"},
		"twice":              {"root ::= \"a\"\nroot ::= \"b\"", "line 2, column 1: a second rule root"},
		"no arrow":           {"root = \"a\"", "expected ::="},
		"open literal":       {"root ::= \"a", "column 10: the literal does not end"},
		"open class":         {"root ::= [a", "the class does not end"},
		"open group":         {"root ::= (\"a\"", "expected )"},
		"bad escape":         {`root ::= "\q"`, `unknown escape \q`},
		"bad hex":            {`root ::= "\xg0"`, "hexadecimal"},
		"surrogate":          {`root ::= "\ud800"`, "hexadecimal"},
		"backwards range":    {`root ::= [z-a]`, "ends below its start"},
		"nothing to repeat":  {`root ::= *`, "repeats nothing"},
		"bad braces":         {`root ::= "a"{x}`, "{x} is not"},
		"empty braces":       {`root ::= "a"{,}`, "{,} is not"},
		"backwards braces":   {`root ::= "a"{3,2}`, "2 is less than 3"},
		"huge braces":        {`root ::= "a"{9999999999}`, "numbers up to 1048576"},
		"stray":              {`root ::= "a" )`, `unexpected ')'`},
		"token":              {`root ::= <think>`, "token references"},
		"rule in a rule":     {"root ::= (\"a\"\nb ::= \"c\")", "a rule begins inside another"},
		"left recursion":     {`root ::= root "a" | "b"`, "root is left recursive"},
		"hidden recursion":   {"root ::= \"x\" a\na ::= e b\nb ::= a \"c\" | \"d\"\ne ::= \"z\"?", "left recursive"},
		"nothing matches":    {`root ::= "a" root`, "matches no finite text"},
		"no UTF-8":           {"root ::= \"\xff\"", "no UTF-8"},
		"too deep":           {"root ::= " + deep, "128 nested groups"},
		"too many states":    {`root ::= [a-z]* "a" [a-z]{40} "b"` + "\n", ""},
		"exponential":        {"root ::= (" + strings.Repeat(`[ab]* "a" [ab]{22} |`, 1) + ` "c")`, "65536 states"},
		"product of repeats": {`root ::= ((("a" "b"?){60}){60}){60} [^a]{1000000}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseGBNF(c.text, Limits{})
			if c.want == "" {
				return // either is fine, if it comes soon
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
	if _, err := ParseGBNF(`root ::= "abc"`, Limits{Bytes: 5}); !errors.As(err, new(*LimitError)) {
		t.Errorf("a long text: got %v", err)
	}
	if _, err := ParseGBNF(`root ::= a b`+"\na ::= \"\"\nb ::= \"\"", Limits{Rules: 2}); !errors.As(err, new(*LimitError)) {
		t.Errorf("many rules: got %v", err)
	}
}
