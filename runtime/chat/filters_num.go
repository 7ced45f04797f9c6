package chat

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

func filterAbs(_ *machine, v any, a *args) (any, error) {
	if err := noArgs(a); err != nil {
		return nil, err
	}
	if n, ok := integer(v); ok {
		if n < 0 {
			return intOp(tokSub, 0, n)
		}
		return n, nil
	}
	if f, ok := v.(float64); ok {
		return math.Abs(f), nil
	}
	return nil, fmt.Errorf("bad operand type: %q", typeName(v))
}

// maxNumber is the longest text read as a number, Python's own bound for
// integers.
const maxNumber = 4300

// toInt is Python's int(v) or int(float(v)).
func toInt(v any, base int64) (int64, bool) {
	if n, ok := integer(v); ok {
		return n, true
	}
	if s, ok := text(v); ok && len(s) <= maxNumber {
		s = strings.TrimFunc(s, isSpace)
		if n, err := strconv.ParseInt(strings.ReplaceAll(trimBase(s, base), "_", ""), int(base), 64); err == nil {
			return n, true
		}
	}
	f, ok := toFloat(v)
	if !ok || math.IsNaN(f) || math.Abs(f) >= 1<<63 {
		return 0, false
	}
	return int64(f), true
}

// trimBase drops the 0x, 0o or 0b that belongs to base.
func trimBase(s string, base int64) string {
	p := map[int64]string{16: "0x", 8: "0o", 2: "0b"}[base]
	if p != "" && len(s) > 2 && strings.EqualFold(s[:2], p) {
		return s[2:]
	}
	return s
}

func toFloat(v any) (float64, bool) {
	if f, ok := number(v); ok {
		return f, true
	}
	s, ok := text(v)
	if !ok || len(s) > maxNumber {
		return 0, false
	}
	s = strings.TrimFunc(s, isSpace)
	if strings.ContainsAny(s, "xXpP") {
		return 0, false
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	return f, err == nil || errors.Is(err, strconv.ErrRange)
}

func filterInt(_ *machine, v any, a *args) (any, error) {
	p, err := a.bind(0, "default", "base")
	if err != nil {
		return nil, err
	}
	base := int64(10)
	if p[1] != unset {
		n, ok := integer(p[1])
		if !ok || n < 2 || n > 36 {
			return nil, errors.New("base must be an integer from 2 to 36")
		}
		base = n
	}
	if b, ok := v.(bigInt); ok {
		return b, nil
	}
	if n, ok := toInt(v, base); ok {
		return n, nil
	}
	if p[0] == unset {
		return int64(0), nil
	}
	return p[0], nil
}

func filterFloat(_ *machine, v any, a *args) (any, error) {
	p, err := a.bind(0, "default")
	if err != nil {
		return nil, err
	}
	if f, ok := toFloat(v); ok {
		return f, nil
	}
	if p[0] == unset {
		return 0.0, nil
	}
	return p[0], nil
}

func filterRound(_ *machine, v any, a *args) (any, error) {
	p, err := a.bind(0, "precision", "method")
	if err != nil {
		return nil, err
	}
	prec := int64(0)
	if p[0] != unset {
		n, ok := integer(p[0])
		if !ok || n > 300 || n < -300 {
			return nil, errors.New("precision must be an integer from -300 to 300")
		}
		prec = n
	}
	method := "common"
	if p[1] != unset {
		method, _ = text(p[1])
	}
	x, ok := number(v)
	if !ok {
		return nil, fmt.Errorf("%q cannot be rounded", typeName(v))
	}
	scale := math.Pow(10, float64(prec))
	switch method {
	case "common":
		return roundHalfEven(v, x, prec), nil
	case "ceil":
		return math.Ceil(x*scale) / scale, nil
	case "floor":
		return math.Floor(x*scale) / scale, nil
	}
	return nil, errors.New("method must be common, ceil or floor")
}

// roundHalfEven is Python's round: exact on the decimal expansion.
func roundHalfEven(v any, x float64, prec int64) any {
	if n, ok := integer(v); ok {
		if prec >= 0 {
			return n
		}
		scale := math.Pow(10, float64(-prec))
		if scale > 1e18 {
			return int64(0)
		}
		return int64(math.RoundToEven(float64(n)/scale) * scale)
	}
	if prec < 0 {
		scale := math.Pow(10, float64(-prec))
		return math.RoundToEven(x/scale) * scale
	}
	f, err := strconv.ParseFloat(strconv.FormatFloat(x, 'f', int(prec), 64), 64)
	if err != nil {
		return x
	}
	return f
}

func filterSum(m *machine, v any, a *args) (any, error) {
	p, err := a.bind(0, "attribute", "start")
	if err != nil {
		return nil, err
	}
	items, err := m.iterate(v)
	if err != nil {
		return nil, err
	}
	get, err := m.getter(p[0], nil)
	if err != nil {
		return nil, err
	}
	sum := p[1]
	if sum == unset {
		sum = int64(0)
	}
	for _, x := range items {
		if x, err = get(x); err != nil {
			return nil, err
		}
		if _, ok := text(sum); ok {
			return nil, errors.New("sum of strings is not supported; use join")
		}
		if sum, err = m.binary(tokAdd, sum, x); err != nil {
			return nil, err
		}
	}
	return sum, m.step(len(items))
}
