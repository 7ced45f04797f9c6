package deps

// The table reads like the one in ARCHITECTURE.md: each row says that the
// packages on the left may be imported by the packages on the right, and the
// relation is transitive. A name covers the package and its sub-packages unless
// these have a name of their own here.
var order = []struct{ below, above string }{
	{"internal/cpu", "internal/kernel runtime/telemetry"},
	{"quant", "arm/ref"},
	{"arm/ref", "arm internal/x86"},
	{"arm internal/x86", "internal/kernel"},
	{"quant internal/mmap", "gguf"},
	{"gguf", "gguf/arch"},
	{"quant gguf", "quant/calib quant/eval"},
	{"quant gguf", "runtime/tokenizer"},
	{"gguf/arch quant/calib internal/kernel internal/shard runtime/tokenizer runtime/chat", "convert"},
	{"gguf/arch internal/kernel", "runtime/backend"},
	{"runtime/backend", "runtime/kvcache"},
	{"runtime/kvcache", "runtime/model"},
	{"runtime/model", "runtime/engine"},
	{"runtime/tokenizer runtime/chat runtime/sample runtime/grammar runtime/vision", "runtime/engine"},
	{"runtime/model internal/npy", "runtime/seed"},
	{"runtime/engine", "runtime/sched runtime/safety runtime/dialog"},
	{"runtime/sched runtime/safety runtime/dialog", "runtime/server"},
	{"runtime/api runtime/store runtime/telemetry runtime/guard", "runtime/server"},
	{"runtime/backend", "runtime/cuda"},
	{"distill/launch", "distill/mpi"},
	{"convert runtime/backend runtime/model runtime/engine internal/kernel quant/calib quant/eval internal/shard", "distill"},
}

// leaves import nothing of ours and are imported by whoever the order names,
// and by cmd.
const leaves = "runtime/chat runtime/sample runtime/grammar runtime/store runtime/api runtime/webui runtime/vision runtime/guard " +
	"internal/cpu internal/mmap internal/shard internal/demo internal/asmgen internal/npy quant"

// testOnly packages are imported by tests and by each other, by nothing else.
const testOnly = "internal/kerneltest internal/testdata cmd/internal/scripttest runtime/model/modeltest"

// thirdParty says which of our packages may import a module. "*" is every package.
var thirdParty = map[string]string{
	"github.com/x448/float16":                  "*",
	"golang.org/x/sys":                         "*",
	"golang.org/x/text":                        "runtime/tokenizer runtime/safety",
	"github.com/dlclark/regexp2/v2":            "runtime/tokenizer",
	"github.com/klauspost/compress":            "convert distill",
	"github.com/parquet-go/parquet-go":         "distill/data",
	"periph.io/x/conn/v3":                      "runtime/telemetry",
	"periph.io/x/host/v3":                      "runtime/telemetry",
	"github.com/santhosh-tekuri/jsonschema/v6": "runtime/grammar",
	"github.com/landlock-lsm/go-landlock":      "runtime/guard",
	"github.com/urfave/cli/v2":                 "cmd",
	"github.com/schollz/progressbar/v3":        "cmd",
	"charm.land/bubbles/v2":                    "cmd/internal/repl",
	"charm.land/bubbletea/v2":                  "cmd/internal/repl cmd/internal/top",
	"charm.land/lipgloss/v2":                   "cmd/internal/repl cmd/internal/markdown",
	"github.com/guptarohit/asciigraph":         "cmd",
	"golang.org/x/term":                        "cmd",
	"github.com/goccy/go-yaml":                 "cmd distill/recipe",
	"github.com/ebitengine/purego":             "runtime/cuda distill/mpi",
	"github.com/rogpeppe/go-internal":          testOnly,
}

// tagged modules may be imported only by files that carry the tag.
var tagged = map[string][]string{
	"github.com/ebitengine/purego": {"cuda", "mpi"},
}

// taggedPackages of ours may be imported only by files that carry the tag.
var taggedPackages = map[string]string{
	"runtime/cuda": "cuda",
	"distill/mpi":  "mpi",
}

// linkSets lists what a command must not link, directly or through others.
var linkSets = map[string]string{
	"cmd/qwq":  "convert distill",
	"cmd/qwqd": "convert distill cmd/internal/repl cmd/internal/top",
}
