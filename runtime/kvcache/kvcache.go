// Package kvcache keeps account of the pages that hold keys and values: which
// sequence owns which page, and how many share it. The bytes belong to the
// Device; this package never looks inside a page but to blank the unused end
// of one that is saved.
//
// A page is 64 positions of all layers. Fork shares pages; the first write
// after it copies the page that is written. Pages are handed out lowest
// number first, so that equal histories give equal layouts.
//
//	c, err := kvcache.New(store)
//	s := c.New()
//	err = s.Reserve(n)          // positions s.Len() to n-1 may be written
//	views = append(views, s.View(s.Len(), n-s.Len(), true))
//	s.Commit(n)                 // after the step that wrote them
//	t := s.Fork()
package kvcache

import (
	"errors"
	"fmt"
	"sync"

	"github.com/qwq-edge/qwq/runtime/backend"
)

// PagePositions is the number of positions of a page.
const PagePositions = backend.PagePositions

// ErrFull is wrapped by the error of a Reserve, Load or Fork that needs more
// pages than are free.
var ErrFull = errors.New("out of kv pages")

// PageError says how many pages were missing.
type PageError struct {
	Need, Free, Total int // pages
}

func (e *PageError) Error() string {
	return fmt.Sprintf("kvcache: %v: %d needed, %d of %d free (%d positions each)", ErrFull, e.Need, e.Free, e.Total, PagePositions)
}

func (e *PageError) Unwrap() error { return ErrFull }

// Cache hands out the pages of one store. Its methods, and those of different
// sequences, may be called concurrently; one sequence is for one goroutine at
// a time.
type Cache struct {
	store backend.KVStore
	total int

	mu   sync.Mutex
	refs []int32 // by page id: sequences that hold it; grows to total
	free []int32 // min-heap of released ids
	used int
}

// New takes over the pages of a store.
func New(store backend.KVStore) (*Cache, error) {
	n := store.Spec().Pages
	if n < 1 {
		return nil, fmt.Errorf("kvcache: store of %d pages", n)
	}
	return &Cache{store: store, total: n}, nil
}

// Store is the store that holds the bytes.
func (c *Cache) Store() backend.KVStore { return c.store }

// Pages returns how many pages are held by sequences (shared ones counted
// once), and how many there can be.
func (c *Cache) Pages() (used, total int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used, c.total
}

// take appends n pages to ids, or takes none.
func (c *Cache) take(ids []int32, n int) ([]int32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if free := c.total - c.used; n > free {
		return ids, &PageError{Need: n, Free: free, Total: c.total}
	}
	if grow := len(c.refs) + n - len(c.free); n > len(c.free) {
		if err := c.store.Grow(grow); err != nil {
			return ids, err
		}
		for len(c.refs) < grow {
			c.push(int32(len(c.refs)))
			c.refs = append(c.refs, 0)
		}
	}
	for range n {
		id := c.pop()
		c.refs[id] = 1
		ids = append(ids, id)
	}
	c.used += n
	return ids, nil
}

func (c *Cache) drop(ids []int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		if c.refs[id]--; c.refs[id] == 0 {
			c.push(id)
			c.used--
		} else if c.refs[id] < 0 {
			panic(fmt.Sprintf("kvcache: page %d released twice", id))
		}
	}
}

func (c *Cache) share(ids []int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		c.refs[id]++
	}
}

func (c *Cache) shared(id int32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refs[id] > 1
}

func (c *Cache) push(id int32) {
	h := append(c.free, id)
	for i := len(h) - 1; i > 0 && h[(i-1)/2] > h[i]; i = (i - 1) / 2 {
		h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
	}
	c.free = h
}

func (c *Cache) pop() int32 {
	h := c.free
	id := h[0]
	h[0] = h[len(h)-1]
	h = h[:len(h)-1]
	for i := 0; ; {
		k := 2*i + 1
		if k+1 < len(h) && h[k+1] < h[k] {
			k++
		}
		if k >= len(h) || h[i] <= h[k] {
			break
		}
		h[i], h[k] = h[k], h[i]
		i = k
	}
	c.free = h
	return id
}
