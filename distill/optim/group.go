package optim

import (
	"fmt"
	"path"
)

// Param names the parameters Off to Off+Rows*Cols-1; a vector has one row.
type Param struct {
	Name       string
	Rows, Cols int
	Off        int
}

// Rules say which parameters train and which decay.
type Rules struct {
	DecayVectors bool     // norms and biases decay too; by default only matrices do
	Freeze       []string // names or patterns (path.Match) of parameters that do not change
}

// Group is a range of parameters that are treated alike.
type Group struct {
	Lo, Hi int
	Decay  bool
	Frozen bool
}

// Groups are the ranges of params, which are in ascending order, adjacent ones
// of one kind joined. A pattern that is malformed or matches nothing is an error.
func Groups(params []Param, r Rules) ([]Group, error) {
	used := make([]bool, len(r.Freeze))
	var list []Group
	end := 0
	for _, p := range params {
		if p.Off < end || p.Rows < 0 || p.Cols < 0 {
			return nil, fmt.Errorf("optim: parameter %q of %dx%d at %d, those before end at %d", p.Name, p.Rows, p.Cols, p.Off, end)
		}
		g := Group{Lo: p.Off, Hi: p.Off + p.Rows*p.Cols, Decay: p.Rows > 1 || r.DecayVectors}
		for i, pattern := range r.Freeze {
			ok, err := path.Match(pattern, p.Name)
			if err != nil {
				return nil, fmt.Errorf("optim: freeze %q: %w", pattern, err)
			}
			g.Frozen, used[i] = g.Frozen || ok, used[i] || ok
		}
		end = g.Hi
		if n := len(list); n > 0 && list[n-1].Hi == g.Lo && list[n-1].Decay == g.Decay && list[n-1].Frozen == g.Frozen {
			list[n-1].Hi = g.Hi
			continue
		}
		list = append(list, g)
	}
	for i, ok := range used {
		if !ok {
			return nil, fmt.Errorf("optim: freeze %q matches no parameter", r.Freeze[i])
		}
	}
	return list, nil
}
