package prog

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// keys are the keys of the configuration files, each with the programs that
// have a flag of that name: the programs share the files, so each must know the
// other's keys to tell a mistake from a setting that is not for it. A test of
// every program compares them with its flags.
var keys = map[string]string{
	"add-special":          "qwq-convert",
	"allow-gid":            "qwqd",
	"allow-nonfinite":      "qwq-convert",
	"allow-rung-change":    "qwq-convert",
	"allow-uid":            "qwqd",
	"arch":                 "qwq-convert",
	"batch":                "qwq",
	"config":               "qwq-convert",
	"ctx":                  "qwq qwq-convert qwqd",
	"data":                 "qwq-convert",
	"depth":                "qwq",
	"draft":                "qwq qwqd",
	"drain":                "qwqd",
	"dry-run":              "qwq-convert",
	"echo":                 "qwq",
	"encoder":              "qwq qwqd",
	"expert-pages":         "qwq qwqd",
	"file":                 "qwq",
	"force":                "qwq-convert",
	"from":                 "qwq-convert",
	"gen-tokens":           "qwq",
	"grammar":              "qwq",
	"host":                 "qwqd",
	"idle":                 "qwqd",
	"ids":                  "qwq-convert",
	"ids-file":             "qwq-convert",
	"ignore-eos":           "qwq",
	"image":                "qwq",
	"images":               "qwqd",
	"input":                "qwq-convert",
	"interval":             "qwq",
	"json":                 "qwq qwq-convert qwqd",
	"json-object":          "qwq",
	"json-schema":          "qwq",
	"kv":                   "qwq qwq-convert qwqd",
	"labels":               "qwq",
	"listen":               "qwqd",
	"logit-bias":           "qwq",
	"max-memory":           "qwq-convert",
	"max-tokens":           "qwq",
	"messages":             "qwq-convert",
	"method":               "qwq-convert",
	"min-p":                "qwq",
	"model":                "qwq qwqd",
	"models":               "qwq qwqd",
	"most-models":          "qwqd",
	"mpi-lib":              "qwq-convert",
	"no-generation-prompt": "qwq-convert",
	"no-guard":             "qwqd",
	"no-parse-special":     "qwq-convert",
	"no-browser":           "qwq",
	"no-think":             "qwq",
	"once":                 "qwq",
	"only":                 "qwq-convert",
	"out":                  "qwq-convert",
	"output":               "qwq-convert",
	"per-user":             "qwqd",
	"plain":                "qwq",
	"port":                 "qwq",
	"precise":              "qwq qwq-convert",
	"prompt":               "qwq qwq-convert",
	"prompt-ids":           "qwq",
	"prompt-tokens":        "qwq",
	"queue":                "qwqd",
	"quiet":                "qwq",
	"reference":            "qwq-convert",
	"repeat":               "qwq",
	"repeat-penalty":       "qwq",
	"safety":               "qwq qwqd",
	"seed":                 "qwq",
	"set":                  "qwq qwq-convert",
	"shard":                "qwq-convert",
	"shard-optimizer":      "qwq-convert",
	"skip-special":         "qwq-convert",
	"socket":               "qwq qwqd",
	"socket-group":         "qwqd",
	"socket-mode":          "qwqd",
	"state":                "qwqd",
	"state-idle":           "qwqd",
	"state-size":           "qwqd",
	"state-wear":           "qwqd",
	"stdin":                "qwq qwq-convert",
	"stdin-json":           "qwq-convert",
	"stop":                 "qwq",
	"streams":              "qwqd",
	"stride":               "qwq-convert",
	"student":              "qwq-convert",
	"student-config":       "qwq-convert",
	"student-layers":       "qwq-convert",
	"system":               "qwq",
	"target-device":        "qwq-convert",
	"temp":                 "qwq",
	"template":             "qwq",
	"tensor-type":          "qwq-convert",
	"tensors":              "qwq-convert",
	"think":                "qwq",
	"threads":              "qwq qwq-convert qwqd",
	"threads-decode":       "qwq qwqd",
	"threads-prefill":      "qwq qwqd",
	"timeout":              "qwqd",
	"tls-cert":             "qwqd",
	"tls-key":              "qwqd",
	"token-file":           "qwq qwqd",
	"tools":                "qwq qwq-convert",
	"top-k":                "qwq",
	"top-p":                "qwq",
	"tracker":              "qwq qwqd",
	"type":                 "qwq-convert",
}

// CheckKeys compares the table of configuration keys with the flags of a
// program, and returns what differs.
func CheckKeys(app *cli.App) (wrong []string) {
	var has []string
	for _, c := range app.Commands {
		for _, f := range c.Flags {
			if name := f.Names()[0]; name != "help" {
				has = append(has, name)
			}
		}
	}
	for _, name := range has {
		if !slices.Contains(strings.Fields(keys[name]), app.Name) {
			wrong = append(wrong, "missing: "+name)
		}
	}
	for name, programs := range keys {
		if slices.Contains(strings.Fields(programs), app.Name) && !slices.Contains(has, name) {
			wrong = append(wrong, "no flag: "+name)
		}
	}
	slices.Sort(wrong)
	return slices.Compact(wrong)
}
