package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// counts are instructions by symbol.
type counts map[string]float64

func (c counts) total() float64 {
	sum := 0.0
	for _, n := range c {
		sum += n
	}
	return sum
}

// add is c += d·f.
func (c counts) add(d counts, f float64) counts {
	for s, n := range d {
		c[s] += n * f
	}
	return c
}

// counter runs the program under the emulator.
type counter struct{ qwq, plugin, out string }

// build makes the plugin; a missing tool is named with its Debian package.
func (c *counter) build(source string) error {
	for tool, pkg := range map[string]string{"qemu-aarch64": "qemu-user (the static one takes no plugin)", "gcc": "gcc libc6-dev"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s is missing: apt-get install %s", tool, pkg)
		}
	}
	out, err := exec.Command("gcc", "-O2", "-Wall", "-shared", "-fPIC", "-o", c.plugin, source).CombinedOutput()
	if err != nil {
		return fmt.Errorf("gcc %s: %w\n%s", source, err, out)
	}
	return nil
}

const prefillTokens = 64

// tests are the instructions per token of a decode step and of a prefill.
func (c *counter) tests(core core, model string, tokens int) (decode, prefill counts, err error) {
	one, err := c.generate(core, model, 1, 1)
	if err != nil {
		return nil, nil, err
	}
	more, err := c.generate(core, model, 1, 1+tokens)
	if err != nil {
		return nil, nil, err
	}
	long, err := c.generate(core, model, prefillTokens, 1)
	if err != nil {
		return nil, nil, err
	}
	decode = counts{}.add(more, 1/float64(tokens)).add(one, -1/float64(tokens))
	prefill = counts{}.add(long, 1.0/prefillTokens).add(one, -1.0/prefillTokens).add(decode, 1.0/prefillTokens)
	return decode, prefill, nil
}

// generate counts one run that reads prompt tokens and writes n.
func (c *counter) generate(core core, model string, prompt, n int) (counts, error) {
	ids := make([]string, prompt)
	for i := range ids {
		ids[i] = strconv.Itoa(100 + i)
	}
	cmd := exec.Command("qemu-aarch64", "-cpu", core.cpu, "-plugin", c.plugin+",out="+c.out, c.qwq,
		"generate", "-m", model, "--prompt-ids", strings.Join(ids, ","), "-n", strconv.Itoa(n),
		"--threads", "1", "--temp", "0", "--ignore-eos", "--ctx", "128", "--kv", "f16", "--json")
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1", "QWQ_KERNEL="+core.rung)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return read(c.out)
}

// read adds the plugin's lines up: "instructions symbol".
func read(path string) (counts, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c := counts{}
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		n, symbol, _ := strings.Cut(s.Text(), " ")
		v, err := strconv.ParseUint(n, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: line %q: %w", path, s.Text(), err)
		}
		c[symbol] += float64(v)
	}
	if len(c) == 0 && s.Err() == nil {
		return nil, errors.New("the plugin wrote no count")
	}
	return c, s.Err()
}
