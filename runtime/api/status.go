package api

import (
	"context"
	"time"
)

// Status is the answer of GET /qwq/v1/status: what the daemon and its machine do now.
type Status struct {
	Version       string        `json:"version"`
	UptimeSeconds float64       `json:"uptime_seconds"`
	Models        []ModelStatus `json:"models"` // those that are loaded, the oldest first
	Device        *DeviceStatus `json:"device"` // null: the daemon does not look
}

// ModelStatus is a loaded model. Counts are since it was loaded.
type ModelStatus struct {
	Name          string    `json:"name"`
	Architecture  string    `json:"architecture"`
	Parameters    uint64    `json:"parameters"`
	Quantization  string    `json:"quantization"` // type of most weights, as ggml writes it
	Bytes         uint64    `json:"bytes"`        // of the file, which is mapped
	Context       int       `json:"context"`      // tokens of a conversation
	Template      bool      `json:"template"`     // false: texts are continued, the model knows no turns
	Encoder       bool      `json:"encoder"`      // it embeds texts and cannot write
	Since         time.Time `json:"since"`
	KVBytes       int64     `json:"kv_bytes"`       // of KV cache that hold something, kept ones included
	KVBytesTotal  int64     `json:"kv_bytes_total"` // that there can be
	Running       int       `json:"running"`        // requests
	Waiting       int       `json:"waiting"`
	Finished      uint64    `json:"finished"`
	Failed        uint64    `json:"failed"`
	Cancelled     uint64    `json:"cancelled"`
	Refused       uint64    `json:"refused"`
	PromptTokens  uint64    `json:"prompt_tokens"`
	CachedTokens  uint64    `json:"cached_tokens"` // of the prompts, not read again
	Generated     uint64    `json:"generated_tokens"`
	Drafted       uint64    `json:"drafted_tokens"`
	DraftAccepted uint64    `json:"accepted_drafted_tokens"`
}

// DeviceStatus is what the machine says of itself.
type DeviceStatus struct {
	Board       string         `json:"board"` // "": unknown
	System      string         `json:"system"`
	Cores       int            `json:"cores"`
	Memory      MemoryStatus   `json:"memory"`
	Temperature *float64       `json:"temperature"` // of the processor in °C; null: not available
	Clocks      []Clock        `json:"clocks"`      // one per core that tells
	Throttling  *ThrottleState `json:"throttling"`  // null: not available
}

// MemoryStatus is in bytes; 0 is unknown.
type MemoryStatus struct {
	Total     uint64 `json:"total"`
	Available uint64 `json:"available"`
	Limit     uint64 `json:"cgroup_limit"` // 0: none
	Free      uint64 `json:"free"`         // what a new program can have
	Process   uint64 `json:"process"`      // resident in the daemon, mapped weights included
}

// Clock is the frequency of a core in MHz.
type Clock struct {
	MHz float64 `json:"mhz"`
	Max float64 `json:"max_mhz"` // 0: unknown
}

// ThrottleState names the causes that slow a Raspberry Pi down, "none" without any.
type ThrottleState struct {
	Now       string `json:"now"`
	SinceBoot string `json:"since_boot"`
}

// Status asks what the daemon and its machine do.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	var s Status
	if err := c.Get(ctx, "/qwq/v1/status", &s); err != nil {
		return nil, err
	}
	return &s, nil
}
