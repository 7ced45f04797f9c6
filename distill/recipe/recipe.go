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
	OnPolicy OnPolicy `yaml:"on-policy"`
	Baseline Baseline `yaml:"baseline"`
	Export   string   `yaml:"export"`   // type of the Hugging Face folder's matrices: f32, f16 or bf16; f32
	Quantize []string `yaml:"quantize"` // types of the files to ship
	Finish   *Finish  `yaml:"finish"`
	Evaluate Evaluate `yaml:"evaluate"`
	Gate     Gate     `yaml:"gate"`

	Path string `yaml:"-"` // of the file, "" when parsed from bytes

	at *place
}

// Errorf is an error at the place of a key such as "data.files", or of the flag that
// set it.
func (r *Recipe) Errorf(key, format string, a ...any) error { return r.at.errorf(key, format, a...) }

// Has says whether the file, or a flag, gives the key.
func (r *Recipe) Has(key string) bool { return r.at.has(key) }

// Teacher is the model that is imitated: a file here, or one that is served.
type Teacher struct {
	Model string `yaml:"model"` // GGUF file, or Hugging Face folder; of a served one the server's name
	Type  string `yaml:"type"`  // weights that a folder is converted to; f16

	URL       string `yaml:"url"`       // of an OpenAI-compatible API that scores given ids: http://host:8000/v1
	Tokenizer string `yaml:"tokenizer"` // of the served model: GGUF file, Hugging Face folder or tokenizer file
	Vocab     int    `yaml:"vocab"`     // ids that the served model knows; 0: the tokenizer's
	Revision  string `yaml:"revision"`  // which weights are behind the name: part of the cache's key
	KeyEnv    string `yaml:"key-env"`   // environment variable that holds the API key
}

// Served says whether the teacher is behind an API.
func (t Teacher) Served() bool { return t.URL != "" }

// Student is its shape; a size of 0 is the teacher's.
type Student struct {
	Start   string `yaml:"start"` // prune (the teacher's weights) or random
	Size    string `yaml:"size"`  // parameters, such as 30M: sizes that are not given follow
	Layers  int    `yaml:"layers"`
	Hidden  int    `yaml:"hidden"`
	FFN     int    `yaml:"ffn"`
	Heads   int    `yaml:"heads"`
	KVHeads int    `yaml:"kv-heads"`
	Vocab   int    `yaml:"vocab"`  // ids that are kept, those that the text uses most
	Config  string `yaml:"config"` // a Hugging Face config.json: all sizes, and a random start
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
	// KeepDuplicates keeps documents that are there more than once.
	KeepDuplicates bool   `yaml:"keep-duplicates"`
	ReplaceInvalid bool   `yaml:"replace-invalid"` // bytes that are no UTF-8 become U+FFFD; else they are an error
	Separator      string `yaml:"separator"`       // line between the documents of a text file; <|endoftext|>
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
	Hidden      *Hidden        `yaml:"hidden"`
}

// Hidden is loss.Hidden: a loss between states of student and live teacher, in the
// training of the student alone.
type Hidden struct {
	Kind   loss.HiddenKind `yaml:"kind"`   // mse or cosine
	Weight float64         `yaml:"weight"` // of the mean of the layers
	// Layers are the student's with the teacher's: the states after them, 0 being
	// the embedding's. None: all of the student's, spread over the teacher's.
	Layers map[int]int `yaml:"layers"`
}

// Spec is the loss as its package has it.
func (h Hidden) Spec() loss.Hidden { return loss.Hidden{Kind: h.Kind, Weight: h.Weight} }

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
	Clip      float64     `yaml:"clip"`       // the gradient's norm
	EMA       float64     `yaml:"ema"`        // the student is the moving average of its weights
	Precision string      `yaml:"precision"`  // fp32, bf16 or fp16; fp32
	LossScale float64     `yaml:"loss-scale"` // of fp16 at first; 65536
	Recompute bool        `yaml:"recompute"`  // layers in the backward pass: less memory
	Freeze    []string    `yaml:"freeze"`     // patterns of tensor names
	LoRA      *LoRA       `yaml:"lora"`
	Every     int         `yaml:"checkpoint-every"`
}

// LoRA trains low-rank pairs in place of the weights; the student has their sum.
type LoRA struct {
	Rank  int      `yaml:"rank"`
	Alpha float64  `yaml:"alpha"` // the pair counts alpha/rank times; 0: rank
	Match []string `yaml:"match"` // patterns of the matrices that have a pair; blk.*
}

// Options is the optimizer's.
func (t Train) Options() optim.Options {
	return optim.Options{Beta1: t.Beta1, Beta2: t.Beta2, Eps: t.Eps, Decay: t.Decay, Decoupled: t.Optimizer == "adamw"}
}

// OnPolicy is rounds after the training: the student samples, the teacher scores
// what it wrote, and the student learns from that.
type OnPolicy struct {
	Rounds   int      `yaml:"rounds"`
	Steps    int      `yaml:"steps"`    // of training a round
	LR       float64  `yaml:"lr"`       // constant; train.lr
	Loss     *Loss    `yaml:"loss"`     // soft 1, hard 0, kind reverse, temperature 1
	Generate Generate `yaml:"generate"` // by the student, each round anew
}

// Baseline is a student of the same start, rows and steps with hard labels alone.
type Baseline struct {
	Hard bool    `yaml:"hard"`
	LR   float64 `yaml:"lr"` // 0: train's
	// Margin is how much better, in nats a token, the teacher must be than the
	// baseline: else it has nothing to teach and the run stops.
	Margin *float64 `yaml:"margin"` // 0.15
}

// Finish goes on with the student after training in the numbers of a quantized
// file, so that it makes up for their rounding.
type Finish struct {
	Type  string  `yaml:"type"` // one of Recipe.Quantize
	Steps int     `yaml:"steps"`
	LR    float64 `yaml:"lr"` // at its peak; else as Train
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
	Finish   bool     `yaml:"finish"`    // finished < rounded only, in nats
	KL       *float64 `yaml:"kl"`        // most nats between teacher and student
}
