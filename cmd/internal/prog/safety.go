package prog

import (
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/runtime/safety"
)

// keySafety is the key that is a flag, and may be a section of policies.
const keySafety = "safety"

// SafetyFlag is --safety.
func SafetyFlag() cli.Flag {
	return &cli.BoolFlag{Name: keySafety, Usage: "refuse toxic texts, and the topics of the configuration's safety section, in prompts and answers"}
}

// Safety is what the configuration files say of the safety filter.
type Safety struct {
	Section bool // there is one
	Default safety.Policy
	Users   map[uint32]safety.Policy // in place of Default, by user id
}

// policyKeys are the keys of a policy.
type policyKeys struct {
	Threshold *float64 `yaml:"threshold"`
	Topics    []string `yaml:"topics"`
	Compat    bool     `yaml:"compat"`
	Off       bool     `yaml:"off"`
}

func (k policyKeys) policy() safety.Policy {
	return safety.Policy{Threshold: k.Threshold, Topics: k.Topics, Compat: k.Compat, Off: k.Off}
}

// ReadSafety reads the files' safety section; without one the policy is the default.
func ReadSafety() (out Safety, err error) {
	cfg, err := LoadConfig(ConfigFiles())
	if err != nil {
		return out, err
	}
	s := cfg[keySafety]
	if s.section == nil {
		return out, nil
	}
	return parseSafety(s.File, s.section)
}

// parseSafety reads the section; every policy in it is compiled once, so that a mistake
// is found where it stands.
func parseSafety(name string, n ast.Node) (out Safety, err error) {
	var keys struct {
		All   policyKeys            `yaml:",inline"`
		Users map[uint32]policyKeys `yaml:"users"`
	}
	if err := yaml.NodeToValue(n, &keys, yaml.Strict()); err != nil {
		return out, syntaxError(name, err)
	}
	out = Safety{Section: true, Default: keys.All.policy(), Users: map[uint32]safety.Policy{}}
	if _, err := safety.Compile(out.Default, nil); err != nil {
		return out, at(name, n.GetToken(), "%s", err)
	}
	for uid, k := range keys.Users {
		out.Users[uid] = k.policy()
		if _, err := safety.Compile(out.Users[uid], nil); err != nil {
			return out, at(name, n.GetToken(), "user %d: %s", uid, err)
		}
	}
	return out, nil
}
