package main

import (
	"log/slog"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/runtime/safety"
	"github.com/qwq-edge/qwq/runtime/server"
)

// safetyFilter is the filter, and what the flags say of it.
type safetyFilter struct {
	*server.Safety
	on  bool // without a section too
	off bool // in spite of one
}

// newSafety makes the filter of --safety and of the configuration's section.
func newSafety(c *cli.Context, log *slog.Logger) (*safetyFilter, error) {
	file, err := prog.ReadSafety()
	if err != nil {
		return nil, err
	}
	f := &safetyFilter{off: file.Section && !c.Bool("safety"), on: !file.Section && c.Bool("safety")}
	f.Safety, err = server.NewSafety(f.rules(file), log)
	return f, err
}

// rules are what is in force.
func (f *safetyFilter) rules(file prog.Safety) server.SafetyRules {
	if f.off || !f.on && !file.Section {
		return server.SafetyRules{Default: safety.Policy{Off: true}}
	}
	return server.SafetyRules{Default: file.Default, Users: file.Users}
}

// reload reads the section anew. One with a mistake changes nothing.
func (f *safetyFilter) reload(log *slog.Logger) {
	file, err := prog.ReadSafety()
	if err == nil {
		err = f.Set(f.rules(file))
	}
	if err != nil {
		log.Warn("the safety policies stay as they were", "error", err.Error())
		return
	}
	log.Info("safety policies are read anew", "users", len(file.Users))
}
