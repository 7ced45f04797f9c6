package grammar

import "sync"

// key names the masks of a state. Grammars that share a rule share its masks.
type key struct {
	frame  [16]byte // linkedFrame.sum
	state  int32    // of the frame
	after  bool     // what comes after the frame, in this grammar: frame is linkedFrame.own
	lo, hi int32    // of a loop that is not pure: turns that must and may still come, as far as a token reaches
}

// cache keeps entries up to a number of bytes and forgets those that were
// asked for least recently.
type cache struct {
	mu    sync.Mutex
	most  int
	bytes int
	items map[key]*item
	ring  item // ring.next was used last
}

type item struct {
	prev, next *item
	key        key
	entry      *entry
}

func newCache(most int) *cache {
	c := &cache{most: most, items: map[key]*item{}}
	c.ring.prev, c.ring.next = &c.ring, &c.ring
	return c
}

func (c *cache) get(k *key) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	it := c.items[*k]
	if it == nil {
		return nil
	}
	if c.ring.next != it {
		it.unlink()
		c.front(it)
	}
	return it.entry
}

func (c *cache) put(k *key, e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.items[*k] != nil || e.bytes() > c.most {
		return
	}
	for c.bytes+e.bytes() > c.most {
		old := c.ring.prev
		old.unlink()
		delete(c.items, old.key)
		c.bytes -= old.entry.bytes()
	}
	it := &item{key: *k, entry: e}
	c.items[*k] = it
	c.front(it)
	c.bytes += e.bytes()
}

func (c *cache) front(it *item) {
	it.prev, it.next = &c.ring, c.ring.next
	it.prev.next, it.next.prev = it, it
}

func (i *item) unlink() { i.prev.next, i.next.prev = i.next, i.prev }
