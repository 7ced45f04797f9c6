//go:build !linux

package mmap

import "errors"

func populate([]byte) error { return errors.ErrUnsupported }
