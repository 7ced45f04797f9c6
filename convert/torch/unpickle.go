package torch

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
)

// Opcodes of protocols 0 to 5 (CPython, Lib/pickletools.py) that state dicts
// and training checkpoints use. Everything else is refused by its number.
const (
	opMark, opStop, opPop, opPopMark, opDup                  = '(', '.', '0', '1', '2'
	opFloat, opInt, opBinInt, opBinInt1, opLong, opBinInt2   = 'F', 'I', 'J', 'K', 'L', 'M'
	opNone, opBinPersID, opReduce                            = 'N', 'Q', 'R'
	opShortBinString, opBinString, opUnicode, opBinUnicode   = 'U', 'T', 'V', 'X'
	opAppend, opBuild, opGlobal, opDict, opEmptyDict         = 'a', 'b', 'c', 'd', '}'
	opAppends, opGet, opBinGet, opLongBinGet                 = 'e', 'g', 'h', 'j'
	opList, opEmptyList, opPut, opBinPut, opLongBinPut       = 'l', ']', 'p', 'q', 'r'
	opSetItem, opTuple, opEmptyTuple, opSetItems, opBinFloat = 's', 't', ')', 'u', 'G'
	opProto, opNewObj, opTuple1, opTuple2, opTuple3          = 0x80, 0x81, 0x85, 0x86, 0x87
	opNewTrue, opNewFalse, opLong1, opLong4                  = 0x88, 0x89, 0x8a, 0x8b
	opBinBytes, opShortBinBytes, opShortBinUnicode           = 'B', 'C', 0x8c
	opBinUnicode8, opBinBytes8, opEmptySet, opAddItems       = 0x8d, 0x8e, 0x8f, 0x90
	opStackGlobal, opMemoize, opFrame, opByteArray8          = 0x93, 0x94, 0x95, 0x96
)

// unpickler runs one pickle program. It has no way to call anything: reduce
// knows the few constructors it may imitate.
type unpickler struct {
	in    *input
	stack []value
	marks []int // stack heights
	memo  map[uint64]value
	items int // values put into containers so far
}

// unpickle reads one pickle from r, which is left after it. The int64 is the
// number of bytes read; on an error, where it happened.
func unpickle(r *bufio.Reader) (value, int64, error) {
	u := &unpickler{in: &input{r: r}, memo: map[uint64]value{}}
	for {
		op, err := u.in.byte()
		if err != nil {
			return nil, u.in.pos, err
		}
		if op == opStop {
			v, err := u.pop()
			return v, u.in.pos, err
		}
		if err := u.step(op); err != nil {
			return nil, u.in.pos, err
		}
		if len(u.stack) > maxStack || len(u.memo) > maxMemo || u.items > maxItems {
			return nil, u.in.pos, fmt.Errorf("more than %d values on the stack, %d in the memo or %d in all", maxStack, maxMemo, maxItems)
		}
	}
}

func (u *unpickler) push(v value) error {
	switch v.(type) {
	case *dict, *list, *set, *tensor, *storage:
		u.items += 4
	}
	u.stack = append(u.stack, v)
	return nil
}

func (u *unpickler) floor() int {
	if n := len(u.marks); n > 0 {
		return u.marks[n-1]
	}
	return 0
}

func (u *unpickler) pop() (value, error) {
	if len(u.stack) <= u.floor() {
		return nil, errors.New("the stack is empty")
	}
	v := u.stack[len(u.stack)-1]
	u.stack = u.stack[:len(u.stack)-1]
	return v, nil
}

func (u *unpickler) top() (value, error) {
	if len(u.stack) <= u.floor() {
		return nil, errors.New("the stack is empty")
	}
	return u.stack[len(u.stack)-1], nil
}

// toMark pops what lies above the last mark, copied.
func (u *unpickler) toMark() ([]value, error) {
	if len(u.marks) == 0 {
		return nil, errors.New("no mark on the stack")
	}
	i := u.floor()
	items := append([]value(nil), u.stack[i:]...)
	u.items += len(items) + 1
	u.stack, u.marks = u.stack[:i], u.marks[:len(u.marks)-1]
	return items, nil
}

func (u *unpickler) step(op byte) error {
	switch op {
	case opProto:
		v, err := u.in.byte()
		if err == nil && (v < 2 || v > 5) {
			err = fmt.Errorf("protocol %d", v)
		}
		return err
	case opFrame:
		_, err := u.in.uint(8)
		return err
	case opMark:
		if len(u.marks) > maxStack {
			return errors.New("too many marks")
		}
		u.marks = append(u.marks, len(u.stack))
		return nil
	case opPop, opPopMark, opDup:
		return u.drop(op)
	case opNone:
		return u.push(nil)
	case opNewTrue, opNewFalse:
		return u.push(op == opNewTrue)
	case opBinInt, opBinInt1, opBinInt2, opLong1, opLong4, opInt, opLong, opFloat, opBinFloat:
		return u.number(op)
	case opShortBinString, opBinString, opUnicode, opBinUnicode, opShortBinUnicode, opBinUnicode8,
		opBinBytes, opShortBinBytes, opBinBytes8, opByteArray8:
		return u.text(op)
	case opPut, opBinPut, opLongBinPut, opMemoize, opGet, opBinGet, opLongBinGet:
		return u.memory(op)
	case opEmptyDict, opEmptyList, opEmptyTuple, opEmptySet, opTuple, opTuple1, opTuple2, opTuple3, opList, opDict,
		opAppend, opAppends, opSetItem, opSetItems, opAddItems:
		return u.container(op)
	case opGlobal, opStackGlobal, opReduce, opNewObj, opBuild, opBinPersID:
		return u.object(op)
	}
	return fmt.Errorf("opcode 0x%02x is not allowed", op)
}

func (u *unpickler) drop(op byte) error {
	switch op {
	case opPop:
		if n := len(u.marks); n > 0 && u.marks[n-1] == len(u.stack) {
			u.marks = u.marks[:n-1]
			return nil
		}
		_, err := u.pop()
		return err
	case opPopMark:
		_, err := u.toMark()
		return err
	}
	v, err := u.top()
	if err != nil {
		return err
	}
	return u.push(v)
}

func (u *unpickler) number(op byte) error {
	switch op {
	case opBinInt, opBinInt1, opBinInt2:
		n := map[byte]int{opBinInt: 4, opBinInt1: 1, opBinInt2: 2}[op]
		x, err := u.in.uint(n)
		if err != nil {
			return err
		}
		if op == opBinInt {
			return u.push(int64(int32(x)))
		}
		return u.push(int64(x))
	case opLong1, opLong4:
		b, err := u.in.sized(map[byte]int{opLong1: 1, opLong4: 4}[op])
		if err != nil {
			return err
		}
		return u.push(long(b))
	case opBinFloat:
		b, err := u.in.bytes(8)
		if err != nil {
			return err
		}
		return u.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
	}
	s, err := u.in.line()
	if err != nil {
		return err
	}
	if op == opInt && (s == "00" || s == "01") {
		return u.push(s == "01")
	}
	if op == opFloat {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return fmt.Errorf("number %.20q", s)
		}
		return u.push(f)
	}
	if n := len(s); op == opLong && n > 0 && s[n-1] == 'L' {
		s = s[:n-1]
	}
	i, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return fmt.Errorf("number %.20q", s)
	}
	return u.push(i)
}

// long decodes a two's complement little-endian integer. The magic number of
// legacy files and the like do not fit an int64: they become a decimal text.
func long(b []byte) value {
	if len(b) <= 8 {
		var x [8]byte
		if len(b) > 0 && b[len(b)-1]&0x80 != 0 {
			x = [8]byte{255, 255, 255, 255, 255, 255, 255, 255}
		}
		copy(x[:], b)
		return int64(binary.LittleEndian.Uint64(x[:]))
	}
	if len(b) > 64 {
		return other("a huge integer")
	}
	be := make([]byte, len(b))
	for i, c := range b {
		be[len(b)-1-i] = c
	}
	return other(new(big.Int).SetBytes(be).String())
}

func (u *unpickler) text(op byte) error {
	if op == opUnicode {
		s, err := u.in.line()
		if err != nil {
			return err
		}
		return u.push(s)
	}
	n := 4
	switch op {
	case opShortBinString, opShortBinUnicode, opShortBinBytes:
		n = 1
	case opBinUnicode8, opBinBytes8, opByteArray8:
		n = 8
	}
	b, err := u.in.sized(n)
	if err != nil {
		return err
	}
	switch op {
	case opBinBytes, opShortBinBytes, opBinBytes8, opByteArray8:
		return u.push(b)
	}
	return u.push(string(b))
}

func (u *unpickler) memory(op byte) error {
	var i uint64
	var err error
	switch op {
	case opMemoize:
		i = uint64(len(u.memo))
	case opPut, opGet:
		var s string
		if s, err = u.in.line(); err == nil {
			i, err = strconv.ParseUint(s, 10, 32)
		}
	case opBinPut, opBinGet:
		i, err = u.in.uint(1)
	default:
		i, err = u.in.uint(4)
	}
	if err != nil {
		return err
	}
	switch op {
	case opGet, opBinGet, opLongBinGet:
		v, ok := u.memo[i]
		if !ok {
			return fmt.Errorf("memo %d is empty", i)
		}
		return u.push(v)
	}
	v, err := u.top()
	if err != nil {
		return err
	}
	u.memo[i] = v
	return nil
}
