package prog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSafetySection: the section turns the flag on and gives policies; a mistake is told
// with its place.
func TestSafetySection(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	file := filepath.Join(dir, "qwq", "qwq.yaml")
	if err := os.Mkdir(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("threads: 2\nsafety:\n  threshold: 0.8\n  topics: [a, 政治]\n  users:\n    1000:\n      off: true\n    7: {topics: [b], compat: true}\n")
	s, err := ReadSafety()
	if err != nil || !s.Section || *s.Default.Threshold != 0.8 || len(s.Default.Topics) != 2 || !s.Users[1000].Off || !s.Users[7].Compat || s.Users[7].Threshold != nil {
		t.Errorf("%+v, %v", s, err)
	}
	cfg, err := LoadConfig(ConfigFiles())
	if err != nil || cfg["safety"].Values[0] != "true" {
		t.Errorf("%+v, %v", cfg["safety"], err)
	}
	for _, text := range []string{"safety: true\n", "safety: false\n", "threads: 1\n"} {
		write(text)
		if s, err := ReadSafety(); err != nil || s.Section {
			t.Errorf("%q: %+v, %v", text, s, err)
		}
	}
	for text, want := range map[string]string{
		"safety:\n  treshold: 0.8\n":               "qwq.yaml:2:3: ",
		"safety:\n  threshold: 2\n":                "threshold 2 is not in 0 to 1",
		"safety:\n  threshold: .nan\n":             "threshold NaN",
		"safety:\n  topics: ['']\n":                "topic 1 has 0 characters",
		"safety:\n  users: {me: {off: true}}\n":    "qwq.yaml:",
		"safety:\n  users: {5: {threshold: -1}}\n": "user 5: ",
		"threads:\n  a: 1\n":                       `key "threads"`,
	} {
		write(text)
		if _, err := LoadConfig(ConfigFiles()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
