package torch

import (
	"errors"
	"fmt"
)

// container runs the opcodes that build tuples, lists, dicts and sets.
func (u *unpickler) container(op byte) error {
	switch op {
	case opEmptyDict:
		return u.push(newDict())
	case opEmptyList:
		return u.push(&list{})
	case opEmptySet:
		return u.push(&set{})
	case opEmptyTuple:
		return u.push(tuple{})
	case opTuple1, opTuple2, opTuple3:
		n := int(op) - opTuple1 + 1
		if len(u.stack)-u.floor() < n {
			return errors.New("the stack is empty")
		}
		i := len(u.stack) - n
		t := append(tuple(nil), u.stack[i:]...)
		u.stack, u.items = u.stack[:i], u.items+n
		return u.push(t)
	case opAppend, opSetItem:
		return u.one(op)
	}
	items, err := u.toMark()
	if err != nil {
		return err
	}
	switch op {
	case opTuple:
		return u.push(tuple(items))
	case opList:
		return u.push(&list{items})
	case opDict:
		d := newDict()
		if err := setAll(d, items); err != nil {
			return err
		}
		return u.push(d)
	case opAppends, opAddItems:
		return u.extend(items)
	}
	v, err := u.top() // opSetItems
	if err != nil {
		return err
	}
	return setAll(v, items)
}

// one runs the opcodes that add a single item.
func (u *unpickler) one(op byte) error {
	v, err := u.pop()
	if err != nil {
		return err
	}
	u.items++
	if op == opAppend {
		return u.extend([]value{v})
	}
	k, err := u.pop()
	if err != nil {
		return err
	}
	d, err := u.top()
	if err != nil {
		return err
	}
	return setAll(d, []value{k, v})
}

func (u *unpickler) extend(items []value) error {
	v, err := u.top()
	if err != nil {
		return err
	}
	switch v := v.(type) {
	case *list:
		v.items = append(v.items, items...)
	case *set:
		v.items = append(v.items, items...)
	default:
		return fmt.Errorf("append to %s", kind(v))
	}
	return nil
}

func setAll(v value, items []value) error {
	d, ok := v.(*dict)
	if !ok {
		return fmt.Errorf("set item of %s", kind(v))
	}
	if len(items)%2 != 0 {
		return errors.New("key without a value")
	}
	for i := 0; i < len(items); i += 2 {
		d.set(items[i], items[i+1])
	}
	return nil
}
