package recipe

import (
	"github.com/qwq-edge/qwq/distill/loss"
	"github.com/qwq-edge/qwq/distill/optim"
)

// Recipe is a whole distillation. Zero values that have a default are replaced by
// it in Parse. Paths are relative to the recipe's folder.
type Recipe struct {
	Out      string   `yaml:"out"`     // folder of all results
	Seed     uint64   `yaml:"seed"`    // of everything that is drawn
	Threads  int      `yaml:"threads"` // that compute; 0: one per CPU
	Teacher  Teacher  `yaml:"teacher"`
	Student  Student  `yaml:"student"`
	Data     Data     `yaml:"data"`
	Cache    Cache    `yaml:"cache"`
	Loss     Loss     `yaml:"loss"`
	Train    Train    `yaml:"train"`
	Baseline Baseline `yaml:"baseline"`
	Export   string   `yaml:"export"`   // type of the Hugging Face folder's matrices: f32, f16 or bf16; f32
	Quantize []string `yaml:"quantize"` // types of the files to ship
	Evaluate Evaluate `yaml:"evaluate"`
	Gate     Gate     `yaml:"gate"`

	Path string `yaml:"-"` // of the file, "" when parsed from bytes
}

// Teacher is the model that is imitated.
type Teacher struct {
	Model string `yaml:"model"` // GGUF file, or Hugging Face folder
	Type  string `yaml:"type"`  // weights that a folder is converted to; f16
}

// Student is its shape; a size of 0 is the teacher's.
type Student struct {
	Start   string `yaml:"start"` // prune (the teacher's weights) or random
	Size    string `yaml:"size"`  // parameters, such as 30M: sizes that are not given follow
	Layers  int    `yaml:"layers"`
	Hidden  int    `yaml:"hidden"`
	FFN     int    `yaml:"ffn"`
	Heads   int    `yaml:"heads"`
	KVHeads int    `yaml:"kv-heads"`
	// Device is a name of student.Devices that the student must fit, with Context
	// tokens, and give Rate tokens a second.
	Device  string  `yaml:"device"`
	Context int     `yaml:"context"`
	Rate    float64 `yaml:"rate"`
	// PruneSteps is the cuts on the way, with Between training steps after each but
	// the last; 0: the fewest that cut at most a third of the parameters each.
	PruneSteps int `yaml:"prune-steps"` // 1
	Between    int `yaml:"between"`
	Rows       int `yaml:"rows"` // of text that decide what is pruned; 64
}

// Data is what the student reads: files, or text sampled from the teacher.
type Data struct {
	Files    []string  `yaml:"files"`
	Generate *Generate `yaml:"generate"`
	Length   int       `yaml:"length"`   // tokens of a row; 256
	HeldOut  float64   `yaml:"held-out"` // share of the files' documents kept from training
	Answers  *bool     `yaml:"answers"`  // of conversations only the answers are targets; true
}

// Generate is text sampled from the teacher, with its targets on the way.
type Generate struct {
	Sequences   int      `yaml:"sequences"`
	Prompts     []string `yaml:"prompts"`
	MaxTokens   int      `yaml:"max-tokens"`  // sampled for a sequence; 0: until the row is full
	Temperature float64  `yaml:"temperature"` // 1
	TopP        float64  `yaml:"top-p"`       // 1
	Batch       int      `yaml:"batch"`       // sequences at a time; 64
}

// Cache is what is kept of the teacher.
type Cache struct {
	Live    bool      `yaml:"live"` // nothing: the teacher runs during training
	K       int       `yaml:"k"`    // likeliest ids of a position; 32
	Temps   []float64 `yaml:"temperatures"`
	Samples int       `yaml:"samples"` // ids drawn per position and temperature
	Parts   int       `yaml:"parts"`   // files; 0: one per 4,096 rows
	Batch   int       `yaml:"batch"`   // rows at a time; 8
}

// Loss is loss.Spec; both weights must be written.
type Loss struct {
	Soft        *float64       `yaml:"soft"`
	Hard        *float64       `yaml:"hard"`
	Temperature float64        `yaml:"temperature"`
	Kind        loss.Kind      `yaml:"kind"`
	Beta        float64        `yaml:"beta"`
	Lambda      float64        `yaml:"lambda"`
	Reduction   loss.Reduction `yaml:"reduction"`
	Unscaled    bool           `yaml:"unscaled"`
	Sampled     bool           `yaml:"sampled"`
}

// Spec is the loss as its package has it.
func (l Loss) Spec() loss.Spec {
	return loss.Spec{Soft: *l.Soft, Hard: *l.Hard, Temperature: l.Temperature, Kind: l.Kind, Beta: l.Beta, Lambda: l.Lambda,
		Reduction: l.Reduction, Unscaled: l.Unscaled, Sampled: l.Sampled}
}

// Train is the training of the student, and of the hard-label one.
type Train struct {
	Steps     int         `yaml:"steps"`
	Batch     int         `yaml:"batch"`  // rows of a micro-batch; 4
	Leaves    int         `yaml:"leaves"` // micro-batches of a step; 1
	LR        float64     `yaml:"lr"`     // at its peak
	FinalLR   float64     `yaml:"final-lr"`
	Schedule  optim.Shape `yaml:"schedule"`  // constant, linear or cosine; cosine
	Warmup    int         `yaml:"warmup"`    // steps
	Optimizer string      `yaml:"optimizer"` // adamw or adam; adamw
	Decay     float64     `yaml:"decay"`     // of weights
	Beta1     float64     `yaml:"beta1"`
	Beta2     float64     `yaml:"beta2"`
	Eps       float64     `yaml:"eps"`
	Clip      float64     `yaml:"clip"` // the gradient's norm
	EMA       float64     `yaml:"ema"`  // the student is the moving average of its weights
	Precision string      `yaml:"precision"`
	Recompute bool        `yaml:"recompute"` // layers in the backward pass: less memory
	Freeze    []string    `yaml:"freeze"`    // patterns of tensor names
	Every     int         `yaml:"checkpoint-every"`
}

// Options is the optimizer's.
func (t Train) Options() optim.Options {
	return optim.Options{Beta1: t.Beta1, Beta2: t.Beta2, Eps: t.Eps, Decay: t.Decay, Decoupled: t.Optimizer == "adamw"}
}

// Baseline is a student of the same start, rows and steps with hard labels alone.
type Baseline struct {
	Hard bool    `yaml:"hard"`
	LR   float64 `yaml:"lr"` // 0: train's
	// Margin is how much better, in nats a token, the teacher must be than the
	// baseline: else it has nothing to teach and the run stops.
	Margin *float64 `yaml:"margin"` // 0.15
}

// Evaluate is what the models are measured on.
type Evaluate struct {
	Files   []string `yaml:"files"`   // held-out text; none: the data's held-out documents
	Rows    int      `yaml:"rows"`    // at most; 0: all
	Samples []string `yaml:"samples"` // prompts that each model goes on from
	Tokens  int      `yaml:"tokens"`  // of a sample; 60
	Temp    float64  `yaml:"temperature"`
}

// Gate is what must hold; an absent key is not checked.
type Gate struct {
	Order    bool     `yaml:"order"`     // start > hard-label > distilled in nats
	Quantize *float64 `yaml:"quantized"` // most relative loss of nats by quantization
	Closes   *float64 `yaml:"closes"`    // least part of the gap from hard-label to teacher
	Words    *float64 `yaml:"words"`     // least part of the samples' words that the training text has
	KL       *float64 `yaml:"kl"`        // most nats between teacher and student
}
