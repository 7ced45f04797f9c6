package recipe

import (
	"fmt"
	"strconv"
	"strings"
)

// Flag is a setting of the command line that takes the place of the recipe's.
type Flag struct {
	Name  string // as it is typed: --student
	Key   string // of the recipe: student.size, student.layers, student.config or student.device
	Value string
}

// sizes are the keys that say a student's shape.
var sizes = []string{"size", "layers", "hidden", "ffn", "heads", "kv-heads", "config"}

// set applies a flag. A size or a configuration takes the place of all that the
// recipe says of the student's shape.
func (r *Recipe) set(p *place, f Flag) error {
	s := &r.Student
	forget := func(keys ...string) {
		for _, k := range keys {
			if p.flags["student."+k] == "" {
				delete(p.keys, "student."+k)
			}
		}
	}
	shape := func() { // but what another flag has said
		layers := s.Layers
		s.Size, s.Layers, s.Hidden, s.FFN, s.Heads, s.KVHeads, s.Config = "", 0, 0, 0, 0, 0, ""
		if p.flags["student.layers"] != "" {
			s.Layers = layers
		}
		forget(sizes...)
	}
	switch f.Key {
	case "student.size":
		shape()
		s.Size = f.Value
	case "student.layers":
		n, err := strconv.Atoi(f.Value)
		if err != nil || n < 1 {
			return &Error{File: f.Name, Msg: fmt.Sprintf("%q is no number of layers", f.Value)}
		}
		if s.Config != "" {
			return &Error{File: f.Name, Msg: "the student's configuration file says its layers"}
		}
		s.Layers = n
	case "student.config":
		shape()
		s.Config, s.Start = f.Value, "random"
		s.PruneSteps, s.Between = 0, 0
		forget("start", "prune-steps", "between")
	case "student.device":
		s.Device = f.Value
	default:
		return &Error{File: f.Name, Msg: "sets no key of a recipe"}
	}
	p.flags[f.Key] = f.Name
	return nil
}

// under says whether any of the keys of a section is there.
func (p *place) under(section string, keys ...string) string {
	for _, k := range keys {
		if k = section + "." + k; p.has(k) {
			return strings.TrimPrefix(k, section+".")
		}
	}
	return ""
}
