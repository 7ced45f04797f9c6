package pipeline

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/qwq-edge/qwq/distill/data"
)

// checkPaths refuses a recipe that names a file that is not there, or one that
// nobody can read, before any work.
func (p *Pipeline) checkPaths() error {
	model, key := p.r.Teacher.Model, "teacher.model"
	if p.r.Teacher.Served() {
		model, key = p.r.Teacher.Tokenizer, "teacher.tokenizer"
	}
	if _, err := p.there(key, model); err != nil {
		return err
	}
	if c := p.r.Student.Config; c != "" {
		if err := p.regular("student.config", c); err != nil {
			return err
		}
	}
	for _, l := range []struct {
		key   string
		files []string
	}{{"data.files", p.r.Data.Files}, {"evaluate.files", p.r.Evaluate.Files}} {
		for i, f := range l.files {
			key := fmt.Sprintf("%s.%d", l.key, i)
			if err := p.regular(key, f); err != nil {
				return err
			}
			if err := data.CheckName(f); err != nil {
				return p.r.Errorf(key, "%w", err)
			}
		}
	}
	return nil
}

// there is what lies at a path of the recipe.
func (p *Pipeline) there(key, path string) (fs.FileInfo, error) {
	st, err := os.Stat(p.at(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, p.r.Errorf(key, "%q: there is no %s (paths are relative to the recipe's folder): %w", path, p.at(path), fs.ErrNotExist)
	}
	if err != nil {
		return nil, p.r.Errorf(key, "%w", err)
	}
	return st, nil
}

func (p *Pipeline) regular(key, path string) error {
	st, err := p.there(key, path)
	if err == nil && !st.Mode().IsRegular() {
		err = p.r.Errorf(key, "%q: not a regular file", path)
	}
	return err
}
