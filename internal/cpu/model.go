package cpu

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Model names the processor, and on boards the board before it: "AMD EPYC 9454
// 48-Core Processor", "Raspberry Pi 5 Model B Rev 1.0, 4 x 0x41/0xd0b". It tells
// machines apart and is "" where the system does not say.
func Model() string { return ReadModel(os.DirFS("/")) }

// maxModel bounds what Model returns, in bytes.
const maxModel = 200

// ReadModel is Model of the system whose root folder is root.
func ReadModel(root fs.FS) string {
	var parts []string
	if board := file(root, "sys/firmware/devicetree/base/model"); board != "" {
		parts = append(parts, strings.TrimRight(board, "\x00"))
	}
	parts = append(parts, processors(file(root, "proc/cpuinfo"))...)
	s := strings.ToValidUTF8(strings.Join(parts, ", "), "?")
	return strings.TrimSpace(s[:min(len(s), maxModel)])
}

// processors lists the kinds of processors that cpuinfo tells of: x86 writes a
// model name, arm64 an implementer and a part for each core.
func processors(cpuinfo string) []string {
	var kinds []string
	counts := map[string]int{}
	implementer := ""
	for line := range strings.Lines(cpuinfo) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "model name":
			return []string{value}
		case "CPU implementer":
			implementer = value
		case "CPU part":
			kind := implementer + "/" + value
			if counts[kind]++; counts[kind] == 1 {
				kinds = append(kinds, kind)
			}
		}
	}
	for i, kind := range kinds {
		kinds[i] = fmt.Sprintf("%d x %s", counts[kind], kind)
	}
	return kinds
}
