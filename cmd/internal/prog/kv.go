package prog

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// CheckKV checks the --kv flag; --precise implies f32.
func CheckKV(c *cli.Context) error {
	kinds := []string{"auto", "f32", "f16", "q8_0"}
	kv := c.String("kv")
	if !slices.Contains(kinds, kv) {
		return Usagef("--kv %q is none of %s", kv, strings.Join(kinds, ", "))
	}
	if c.Bool("precise") && kv != "auto" && kv != "f32" {
		return Usagef("--precise means a float32 KV cache; --kv %s contradicts it", kv)
	}
	return nil
}
