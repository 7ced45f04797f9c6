package prog

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/qwq-edge/qwq/runtime/chat"
)

// Vars reads template variables, NAME=JSON each.
func Vars(sets []string) (map[string]any, error) {
	vars := map[string]any{}
	for _, s := range sets {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return nil, Usagef("--set %q is not NAME=JSON", s).Hintf("for example --set enable_thinking=false or --set name='\"text\"'")
		}
		v, err := chat.ParseJSON([]byte(value))
		if err != nil {
			return nil, Usagef("--set %s: %q is no JSON value: %s", name, clip(value), err).Hintf("a text needs quotes: --set %s='\"text\"'", name)
		}
		vars[name] = v
	}
	return vars, nil
}

// Tools reads a file of tool definitions: a JSON array of objects. No name, no
// tools.
func Tools(name string) ([]json.RawMessage, error) {
	if name == "" {
		return nil, nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var tools []json.RawMessage
	if err := json.Unmarshal(b, &tools); err != nil {
		return nil, fmt.Errorf("%s: no array of tool definitions: %w", name, err)
	}
	return tools, nil
}
