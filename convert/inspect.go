package convert

// Info describes a model file or folder: what `qwq-convert inspect` prints.
type Info struct {
	Architecture string           `json:"architecture"`
	Name         string           `json:"name,omitempty"`
	Parameters   int64            `json:"parameters"` // tied weights counted once
	Tensors      []TensorInfo     `json:"tensors"`
	BytesPerType map[string]int64 `json:"bytes_per_type"`
	Memory       Memory           `json:"memory"`
	Fit          Fit              `json:"fit"`
}

// TensorInfo is one stored tensor; Type is spelled as ggml does (Q8_0), source
// types that GGUF lacks as their own format does (F8_E4M3).
type TensorInfo struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Shape []int  `json:"shape"` // rows first
	Bytes int64  `json:"bytes"`
}

// Memory is what running the model needs at a context length, in bytes.
type Memory struct {
	Context int   `json:"context"` // tokens
	Weights int64 `json:"weights"` // mapped file
	KV      int64 `json:"kv"`      // f16 cache of Context tokens
	Scratch int64 `json:"scratch"` // activations and logits of one batch
}

// Fit is the verdict for this machine; Available is the smaller of the
// kernel's MemAvailable and what the control group has left.
type Fit struct {
	OK        bool   `json:"ok"`
	Needed    int64  `json:"needed"`
	Available int64  `json:"available"`
	Reason    string `json:"reason"`
}
