//go:build !amd64 || noasm

package x86

import "github.com/qwq-edge/qwq/quant"

func encode(Level, []byte, quant.Type, []float32) bool { return false }
