package chat

type tokenKind uint8

const (
	tokEOF tokenKind = iota
	tokData
	tokVarBegin
	tokVarEnd
	tokBlockBegin
	tokBlockEnd
	tokName
	tokString
	tokInt
	tokFloat
	tokAdd
	tokSub
	tokMul
	tokDiv
	tokFloorDiv
	tokMod
	tokPow
	tokTilde
	tokEq
	tokNe
	tokLt
	tokLe
	tokGt
	tokGe
	tokAssign
	tokLParen
	tokRParen
	tokLBracket
	tokRBracket
	tokLBrace
	tokRBrace
	tokDot
	tokComma
	tokColon
	tokPipe
	tokSemicolon
)

var tokenNames = [...]string{
	"end of template", "text", "{{", "}}", "{%", "%}", "name", "string", "integer", "float",
	"+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "=",
	"(", ")", "[", "]", "{", "}", ".", ",", ":", "|", ";",
}

func (k tokenKind) String() string { return tokenNames[k] }

// operators in the order in which they are tried: longer ones first.
var operators = []struct {
	text string
	kind tokenKind
}{
	{"**", tokPow}, {"//", tokFloorDiv}, {"==", tokEq}, {"!=", tokNe}, {"<=", tokLe}, {">=", tokGe},
	{"+", tokAdd}, {"-", tokSub}, {"*", tokMul}, {"/", tokDiv}, {"%", tokMod}, {"~", tokTilde},
	{"<", tokLt}, {">", tokGt}, {"=", tokAssign}, {"(", tokLParen}, {")", tokRParen},
	{"[", tokLBracket}, {"]", tokRBracket}, {"{", tokLBrace}, {"}", tokRBrace},
	{".", tokDot}, {",", tokComma}, {":", tokColon}, {"|", tokPipe}, {";", tokSemicolon},
}

// token is a piece of a template. text is the name, the decoded string, the
// digits of a number or the template data.
type token struct {
	kind tokenKind
	text string
	span
}
