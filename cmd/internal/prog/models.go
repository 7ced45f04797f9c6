package prog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// ModelsFlag is --models: the folders that names are looked up in first.
func ModelsFlag() cli.Flag {
	return &cli.StringFlag{Name: "models", Usage: "`FOLDERS` with models, between colons, that are looked in first"}
}

// ModelDirs are the folders that -m NAME looks in, in order; first are those of
// ModelsFlag.
func ModelDirs(first string) []string {
	dirs := filepath.SplitList(first)
	if home, err := os.UserHomeDir(); err == nil {
		dirs = append(dirs, filepath.Join(home, ".local", "share", "qwq", "models"))
	}
	return append(dirs, "/var/lib/qwq/models")
}

// Model is one model file found by name.
type Model struct{ Name, Path string }

var part = regexp.MustCompile(`-(\d{5})-of-\d{5}$`)

// Models lists the model files of the given folders: a.gguf is "a", b/q8.gguf
// is "b:q8". Of a split model only the first part counts. A name in an earlier
// folder hides the same name in a later one; folders that do not exist are
// passed over.
func Models(dirs []string) []Model {
	var out []Model
	for _, dir := range dirs {
		for _, pattern := range []string{"*.gguf", filepath.Join("*", "*.gguf")} {
			paths, err := fs.Glob(os.DirFS(dir), filepath.ToSlash(pattern))
			if err != nil {
				continue
			}
			for _, p := range paths {
				name := strings.ReplaceAll(strings.TrimSuffix(p, ".gguf"), "/", ":")
				if m := part.FindStringSubmatch(name); m != nil {
					if m[1] != "00001" {
						continue
					}
					name = part.ReplaceAllString(name, "")
				}
				if !slices.ContainsFunc(out, func(m Model) bool { return m.Name == name }) {
					out = append(out, Model{name, filepath.Join(dir, filepath.FromSlash(p))})
				}
			}
		}
	}
	return out
}

// FindModel resolves what -m was given: a path that exists, or NAME[:TAG] in
// dirs. NAME:TAG is also found as NAME-TAG.gguf, and NAME alone when it
// has a single tag.
func FindModel(name string, dirs []string) (string, error) {
	switch _, err := os.Stat(name); {
	case err == nil:
		return name, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	case strings.ContainsRune(name, filepath.Separator) || strings.HasSuffix(name, ".gguf"):
		return "", fmt.Errorf("model file %q does not exist", name)
	}
	found := Models(dirs)
	var tags []Model
	for _, m := range found {
		if m.Name == name || m.Name == strings.Replace(name, ":", "-", 1) {
			return m.Path, nil
		}
		if head, _, ok := strings.Cut(m.Name, ":"); ok && head == name {
			tags = append(tags, m)
		}
	}
	if len(tags) == 1 {
		return tags[0].Path, nil
	}
	if len(tags) > 1 {
		return "", Hint(fmt.Errorf("model %q has several tags", name), "take one of %s", list(tags))
	}
	err := fmt.Errorf("no model %q in %s", name, Dirs(dirs))
	if len(found) == 0 {
		return "", Hint(err, "there are no models there; -m takes the path of a .gguf file too")
	}
	return "", Hint(err, "there are: %s", list(found))
}

func list(models []Model) string {
	var names []string
	for _, m := range models {
		names = append(names, m.Name)
	}
	return strings.Join(names, ", ")
}

// Dirs writes a list of folders for people.
func Dirs(dirs []string) string { return strings.Join(dirs, ", ") }
