package gguf

import (
	"math"
	"slices"
	"testing"
)

func TestEach(t *testing.T) {
	words := []string{"a", "", "\u00e9\u4e2d", "tail"}
	v := Strings(words)
	for from := range len(words) + 2 {
		var got []string
		for s := range v.EachStr(from) {
			got = append(got, string(s))
		}
		if want := words[min(from, len(words)):]; !slices.Equal(got, want) {
			t.Errorf("from %d: got %q, want %q", from, got, want)
		}
	}
	for range v.EachStr(1) {
		break
	}
	if v.StrBytes() != 10 || Int32s([]int32{1}).StrBytes() != 0 {
		t.Errorf("got %d bytes", v.StrBytes())
	}
	for _, v := range []Value{Bytes([]byte{1, 255}), Int32s([]int32{-1, math.MaxInt32}), Uint32s([]uint32{0, math.MaxUint32})} {
		want, _ := v.Ints()
		var got []int64
		for i, x := range v.EachInt() {
			if i != len(got) {
				t.Errorf("index %d at place %d", i, len(got))
			}
			got = append(got, x)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %d, want %d", got, want)
		}
		for range v.EachStr(0) {
			t.Error("a string in an array of numbers")
		}
	}
	for range Strings(words).EachInt() {
		t.Error("a number in an array of strings")
	}
	for range (Value{}).EachStr(0) {
		t.Error("a string in no value")
	}
}
