package server

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qwq-edge/qwq/internal/testdata"
	"github.com/qwq-edge/qwq/runtime/api"
)

var update = flag.Bool("update", false, "write openapi.yaml anew")

// operation is what a route takes and gives, for openapi.yaml.
type operation struct {
	summary         string
	in, out, stream any    // values of the types; nil: none
	form            string // of the stream
}

const (
	sse    = "text/event-stream"
	ndjson = "application/x-ndjson"
)

var operations = map[string]operation{
	"POST /v1/chat/completions":         {"Answer a conversation, as OpenAI does.", api.ChatRequest{}, api.Chat{}, api.Chat{}, sse},
	"POST /v1/completions":              {"Continue texts, or fill in the middle with suffix.", api.CompletionRequest{}, api.Completion{}, api.Completion{}, sse},
	"POST /v1/embeddings":               {"Vectors of texts and, where the model sees, images, of length 1: what the model file says, else the mean of the last hidden states.", api.EmbeddingRequest{}, api.Embeddings{}, nil, ""},
	"POST /v1/responses":                {"Answer a conversation, as OpenAI's responses API does; nothing is stored.", api.ResponsesRequest{}, api.Response{}, api.ResponseEvent{}, sse},
	"GET /v1/models":                    {"The models that can be asked; OpenAI's and Anthropic's form in one.", nil, api.ModelList{}, nil, ""},
	"GET /v1/models/{name}":             {"One model.", nil, api.Model{}, nil, ""},
	"POST /v1/messages":                 {"Answer a conversation, as Anthropic does.", api.MessagesRequest{}, api.AnthropicAnswer{}, api.AnthropicEvent{}, sse},
	"POST /v1/messages/count_tokens":    {"How long a conversation's prompt is.", api.MessagesRequest{}, api.TokenCount{}, nil, ""},
	"POST /api/generate":                {"Answer a prompt, as Ollama does.", api.OllamaGenerate{}, api.OllamaAnswer{}, api.OllamaAnswer{}, ndjson},
	"POST /api/chat":                    {"Answer a conversation, as Ollama does.", api.OllamaChat{}, api.OllamaAnswer{}, api.OllamaAnswer{}, ndjson},
	"POST /api/embed":                   {"Vectors of texts, as Ollama gives them.", api.OllamaEmbed{}, api.OllamaEmbeddings{}, nil, ""},
	"POST /api/embeddings":              {"The vector of a text, in Ollama's older form.", api.OllamaEmbedOne{}, api.OllamaEmbedding{}, nil, ""},
	"GET /api/tags":                     {"The models that can be asked, as Ollama lists them.", nil, api.OllamaModels{}, nil, ""},
	"POST /api/show":                    {"What a model is; it is loaded for that.", api.OllamaShowRequest{}, api.OllamaShow{}, nil, ""},
	"GET /api/ps":                       {"The models that are loaded.", nil, api.OllamaModels{}, nil, ""},
	"GET /qwq/v1/status":                {"What the daemon and its machine do now: loaded models, queues, tokens, memory, temperature.", nil, api.Status{}, nil, ""},
	"GET /qwq/v1/sessions":              {"The caller's conversations that are kept, see session_id.", nil, api.SessionList{}, nil, ""},
	"GET /qwq/v1/sessions/{name}":       {"One of them.", nil, api.Session{}, nil, ""},
	"GET /qwq/v1/sessions/{name}/state": {"The dialog tracker's state of a conversation, and its topics.", nil, api.SessionState{}, nil, ""},
	"DELETE /qwq/v1/sessions/{name}":    {"Forget a conversation.", nil, api.SessionDeleted{}, nil, ""},
	"GET /api/version":                  {"The daemon's version.", nil, api.OllamaVersion{}, nil, ""},
}

// unions are the types that JSON writes in several ways.
var unions = map[reflect.Type]string{
	reflect.TypeFor[api.Content]():       `{"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/components/schemas/Part"}}]}`,
	reflect.TypeFor[api.Strings]():       `{"nullable": true, "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}`,
	reflect.TypeFor[api.Blocks]():        `{"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/components/schemas/Block"}}]}`,
	reflect.TypeFor[api.ResponseInput](): `{"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/components/schemas/ResponseItem"}}]}`,
	reflect.TypeFor[api.Vector]():        `{"anyOf": [{"type": "array", "items": {"type": "number"}}, {"type": "string", "format": "byte"}]}`,
	reflect.TypeFor[api.Prompt]():        `{"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "array", "items": {"type": "integer"}}, {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}]}`,
	reflect.TypeFor[api.Inputs]():        `{"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}, {"type": "array", "items": {"type": "integer"}}, {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}}, {"type": "array", "items": {"$ref": "#/components/schemas/Input"}}]}`,
	reflect.TypeFor[api.Think]():         `{"anyOf": [{"type": "boolean"}, {"type": "string"}]}`,
	reflect.TypeFor[json.RawMessage]():   `{}`,
	reflect.TypeFor[any]():               `{}`,
	reflect.TypeFor[time.Time]():         `{"type": "string", "format": "date-time"}`,
}

// unionParts are types that only the unions name.
var unionParts = []any{api.Part{}, api.Input{}, api.Block{}, api.ResponseItem{}}

// spec writes openapi.yaml. Schemas and their words come from the Go types.
type spec struct {
	bytes.Buffer
	words map[string]string // comments, by Type and Type.Field
	types map[string]reflect.Type
	given map[string]bool // types that stand in requests: no field is required
}

func (s *spec) line(depth int, format string, a ...any) {
	fmt.Fprintf(s, "%s%s\n", strings.Repeat("  ", depth), fmt.Sprintf(format, a...))
}

// quote writes a string as JSON does, which YAML reads.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err)
	}
	return strings.TrimSpace(b.String())
}

// schema is a type in place.
func (s *spec) schema(t reflect.Type, given bool) string {
	if u, ok := unions[t]; ok {
		return u
	}
	switch t.Kind() {
	case reflect.Pointer:
		in := s.schema(t.Elem(), given)
		if strings.HasPrefix(in, `{"$ref"`) {
			return `{"nullable": true, "allOf": [` + in + `]}`
		}
		return `{"nullable": true, ` + in[1:]
	case reflect.Struct:
		s.add(t, given)
		return `{"$ref": "#/components/schemas/` + t.Name() + `"}`
	case reflect.Slice:
		return `{"nullable": true, "type": "array", "items": ` + s.schema(t.Elem(), given) + `}`
	case reflect.Map:
		return `{"nullable": true, "type": "object", "additionalProperties": ` + s.schema(t.Elem(), given) + `}`
	case reflect.String:
		return `{"type": "string"}`
	case reflect.Bool:
		return `{"type": "boolean"}`
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Uint64:
		return `{"type": "integer"}`
	case reflect.Float32, reflect.Float64:
		return `{"type": "number"}`
	}
	panic("no schema of " + t.String())
}

// add notes a structure for the components.
func (s *spec) add(t reflect.Type, given bool) {
	if _, ok := s.types[t.Name()]; ok && (s.given[t.Name()] || !given) {
		return
	}
	s.types[t.Name()] = t
	s.given[t.Name()] = given
	for f := range fields(t) {
		s.schema(f.Type, given)
	}
}

// fields are a structure's, those of embedded ones among them.
func fields(t reflect.Type) func(func(reflect.StructField, string) bool) {
	return func(yield func(reflect.StructField, string) bool) {
		for f := range t.Fields() {
			if f.Anonymous {
				for g, owner := range fields(f.Type) {
					if !yield(g, owner) {
						return
					}
				}
			} else if f.Tag.Get("json") != "-" && !yield(f, t.Name()) {
				return
			}
		}
	}
}

func (s *spec) component(name string) {
	t := s.types[name]
	s.line(2, "%s:", name)
	s.line(3, "type: object")
	s.line(3, "description: %s", quote(s.words[name]))
	var required []string
	s.line(3, "properties:")
	for f, owner := range fields(t) {
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if options == "" && !s.given[name] {
			required = append(required, tag)
		}
		text := s.schema(f.Type, s.given[name])
		if w := s.words[owner+"."+f.Name]; w != "" && !strings.HasPrefix(text, `{"$ref"`) {
			text = `{"description": ` + quote(w) + strings.Replace(", "+text[1:], ", }", "}", 1)
		}
		s.line(4, "%s: %s", tag, text)
	}
	if len(required) > 0 {
		s.line(3, "required: [%s]", strings.Join(required, ", "))
	}
}

func (s *spec) operation(method string, path string, o operation) {
	s.line(2, "%s:", strings.ToLower(method))
	s.line(3, "summary: %s", quote(o.summary))
	if strings.Contains(path, "{name}") {
		s.line(3, `parameters: [{"name": "name", "in": "path", "required": true, "schema": {"type": "string"}}]`)
	}
	if o.in != nil {
		s.line(3, "requestBody:")
		s.line(4, "required: true")
		s.line(4, "content: {\"application/json\": {\"schema\": %s}}", s.schema(reflect.TypeOf(o.in), true))
	}
	s.line(3, "responses:")
	s.line(4, "\"200\":")
	s.line(5, "description: %s", quote("the answer"))
	s.line(5, "content:")
	s.line(6, "application/json: {\"schema\": %s}", s.schema(reflect.TypeOf(o.out), false))
	if o.stream != nil {
		s.line(6, "%s:", o.form)
		s.line(7, "schema: %s", s.schema(reflect.TypeOf(o.stream), false))
	}
	s.line(4, "default:")
	s.line(5, "description: %s", quote("an error; 503 has Retry-After"))
	fail := reflect.TypeFor[api.ErrorBody]()
	switch {
	case strings.HasPrefix(path, "/api/"):
		fail = reflect.TypeFor[api.OllamaError]()
	case strings.HasPrefix(path, "/v1/messages"):
		fail = reflect.TypeFor[api.AnthropicErrorBody]()
	}
	s.line(5, "content: {\"application/json\": {\"schema\": %s}}", s.schema(fail, false))
}

// readWords collects the comments of the types.
func (s *spec) readWords(t *testing.T, dir string) {
	t.Helper()
	set := token.NewFileSet()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	text := func(c ...*ast.CommentGroup) string {
		var b strings.Builder
		for _, g := range c {
			b.WriteString(g.Text())
		}
		return strings.Join(strings.Fields(b.String()), " ")
	}
	for _, name := range files {
		f, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.TYPE {
				continue
			}
			typ := g.Specs[0].(*ast.TypeSpec)
			s.words[typ.Name.Name] = text(g.Doc)
			if st, ok := typ.Type.(*ast.StructType); ok {
				for _, f := range st.Fields.List {
					for _, n := range f.Names {
						s.words[typ.Name.Name+"."+n.Name] = cmp.Or(text(f.Comment), text(f.Doc))
					}
				}
			}
		}
	}
}

// TestOpenAPI: openapi.yaml says what the table of routes and the types say, every
// route and every field.
func TestOpenAPI(t *testing.T) {
	root := testdata.Root(t)
	s := &spec{words: map[string]string{}, types: map[string]reflect.Type{}, given: map[string]bool{}}
	s.readWords(t, filepath.Join(root, "runtime", "api"))
	s.line(0, "# Made from the Go types by go test ./runtime/server -run TestOpenAPI -update; do not edit.")
	s.line(0, "openapi: 3.0.3")
	s.line(0, "info:")
	s.line(1, "title: qwqd")
	s.line(1, "version: \"1\"")
	s.line(1, "description: %s", quote("The HTTP APIs of qwqd: OpenAI's, Anthropic's and Ollama's, on a Unix socket or on TCP with a token. Fields that are not named here are ignored."))
	s.line(0, "servers: [{\"url\": \"http://localhost\"}]")
	s.line(0, "paths:")
	left := maps.Clone(operations)
	last := ""
	for _, r := range (&Server{}).table() {
		path := strings.ReplaceAll(r.path, "...", "")
		o, ok := left[r.method+" "+path]
		if !ok {
			t.Errorf("%s %s is not described", r.method, path)
			continue
		}
		delete(left, r.method+" "+path)
		if path != last {
			s.line(1, "%s:", path)
		}
		last = path
		s.operation(r.method, path, o)
	}
	for name := range left {
		t.Errorf("%s is described and not served", name)
	}
	for _, v := range unionParts {
		s.add(reflect.TypeOf(v), true)
	}
	s.line(0, "components:")
	s.line(1, "schemas:")
	for _, name := range slices.Sorted(maps.Keys(s.types)) {
		if s.words[name] == "" {
			t.Errorf("the type %s has no comment", name)
		}
		s.component(name)
	}
	path := filepath.Join(root, "openapi.yaml")
	if *update {
		if err := os.WriteFile(path, s.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.Bytes(), want) {
		t.Error("openapi.yaml is not current: go test ./runtime/server -run TestOpenAPI -update")
	}
}
