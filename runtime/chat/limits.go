package chat

import "fmt"

// Limits bound one rendering. A zero field means the default. The defaults of
// Steps, Memory and Output grow with the size of the values passed in, so that
// a long conversation needs no setting.
type Limits struct {
	// Steps counts evaluated expressions, loop turns and elements touched by
	// filters; default 4,000,000 + 64 per input byte.
	Steps int64
	// Depth counts nested macro calls, loops and values; default 200.
	Depth int
	// Memory counts bytes of strings and lists made during the rendering,
	// freed ones too; default 32 MiB + 64 per input byte,
	// at most 1 GiB.
	Memory int64
	// Output is the greatest length of the result in bytes; default
	// 16 MiB + 16 per input byte, at most 512 MiB.
	Output int64
}

const (
	maxSource = 1 << 20 // bytes of template source
	maxNest   = 200     // nested expressions and blocks in the source
)

func (l Limits) withDefaults(input int64) Limits {
	if l.Steps <= 0 {
		l.Steps = 4_000_000 + 64*input
	}
	if l.Depth <= 0 {
		l.Depth = 200
	}
	if l.Memory <= 0 {
		l.Memory = min(32<<20+64*input, 1<<30)
	}
	if l.Output <= 0 {
		l.Output = min(16<<20+16*input, 1<<29)
	}
	return l
}

// step charges n steps.
func (m *machine) step(n int) error {
	m.steps -= int64(n)
	if m.steps < 0 {
		return fmt.Errorf("more than %d steps: %w", m.lim.Steps, ErrLimit)
	}
	return nil
}

// grow charges n bytes before they are allocated.
func (m *machine) grow(n int64) error {
	m.memory -= n
	if n < 0 || m.memory < 0 {
		return fmt.Errorf("more than %d bytes of memory: %w", m.lim.Memory, ErrLimit)
	}
	return nil
}

// elems charges for a list of n elements.
func (m *machine) elems(n int) error {
	if err := m.step(n); err != nil {
		return err
	}
	return m.grow(16 * int64(n))
}

// scan charges for reading n bytes.
func (m *machine) scan(n int) error { return m.step(n / 32) }

func (m *machine) enter() error {
	m.depth++
	if m.depth > m.lim.Depth {
		return fmt.Errorf("nested deeper than %d: %w", m.lim.Depth, ErrLimit)
	}
	return nil
}

func (m *machine) leave() { m.depth-- }
