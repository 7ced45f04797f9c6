package store

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// memFS is an FS in memory that writes down every operation, so that the power can be
// cut after each of them.
type memFS struct {
	mu     sync.Mutex
	inodes []*inode
	names  map[string]map[string]int // folder, name: inode
	log    []op
	room   int64 // bytes that may be written; -1: any number
	lies   bool  // Free does not know of room
	fail   int   // the operation that fails, counted down; 0: none
	ro     bool
	locked bool
}

type inode struct {
	data []byte
	time time.Time
}

// op is one change. Reads are not written down.
type op struct {
	kind     string // mkdir, create, write, sync, rename, remove, syncdir
	dir      string
	from, to string
	inode    int
	data     []byte
}

func newMem() *memFS {
	return &memFS{names: map[string]map[string]int{"": {}}, room: -1}
}

var errIO = errors.New("input/output error")

// step counts an operation that may fail.
func (m *memFS) step(write bool) error {
	if m.fail > 0 {
		if m.fail--; m.fail == 0 {
			return errIO
		}
	}
	if write && m.ro {
		return syscall.EROFS
	}
	return nil
}

func split(name string) (dir, base string) {
	if d, b, ok := strings.Cut(name, "/"); ok {
		return d, b
	}
	return "", name
}

func (m *memFS) find(name string) (int, error) {
	d, b := split(name)
	i, ok := m.names[d][b]
	if !ok {
		return 0, fs.ErrNotExist
	}
	return i, nil
}

func (m *memFS) Mkdir(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.names[name] != nil {
		return nil
	}
	if err := m.step(true); err != nil {
		return err
	}
	m.names[name] = map[string]int{}
	m.log = append(m.log, op{kind: "mkdir", to: name})
	return nil
}

func (m *memFS) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step(true); err != nil {
		return nil, err
	}
	d, b := split(name)
	if m.names[d] == nil {
		return nil, fs.ErrNotExist
	}
	if _, ok := m.names[d][b]; ok {
		return nil, fs.ErrExist
	}
	m.inodes = append(m.inodes, &inode{time: time.Now()})
	i := len(m.inodes) - 1
	m.names[d][b] = i
	m.log = append(m.log, op{kind: "create", dir: d, to: b, inode: i})
	return &memFile{m: m, inode: i}, nil
}

func (m *memFS) Open(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := m.find(name)
	if err != nil {
		return nil, err
	}
	return &memFile{m: m, inode: i, r: bytes.NewReader(m.inodes[i].data)}, nil
}

func (m *memFS) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step(true); err != nil {
		return err
	}
	i, err := m.find(from)
	if err != nil {
		return err
	}
	d, a := split(from)
	_, b := split(to)
	delete(m.names[d], a)
	m.names[d][b] = i
	m.log = append(m.log, op{kind: "rename", dir: d, from: a, to: b})
	return nil
}

func (m *memFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step(true); err != nil {
		return err
	}
	i, err := m.find(name)
	if err != nil {
		return err
	}
	if m.room >= 0 {
		m.room += int64(len(m.inodes[i].data))
	}
	d, b := split(name)
	delete(m.names[d], b)
	m.log = append(m.log, op{kind: "remove", dir: d, from: b})
	return nil
}

func (m *memFS) List(dir string) ([]Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.names[dir] == nil {
		return nil, fs.ErrNotExist
	}
	var out []Entry
	for name, i := range m.names[dir] {
		out = append(out, Entry{name, int64(len(m.inodes[i].data)), m.inodes[i].time})
	}
	return out, nil
}

func (m *memFS) Touch(name string, t time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, err := m.find(name)
	if err == nil {
		m.inodes[i].time = t
	}
	return err
}

func (m *memFS) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.step(false); err != nil {
		return err
	}
	m.log = append(m.log, op{kind: "syncdir", dir: dir})
	return nil
}

func (m *memFS) Free() (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.room < 0 || m.lies {
		return 1 << 40, nil
	}
	return m.room, nil
}

func (m *memFS) Lock() (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ro {
		return nil, syscall.EROFS
	}
	if m.locked {
		return nil, ErrLocked
	}
	m.locked = true
	return unlock{m}, nil
}

type unlock struct{ m *memFS }

func (u unlock) Close() error {
	u.m.mu.Lock()
	defer u.m.mu.Unlock()
	u.m.locked = false
	return nil
}

type memFile struct {
	m     *memFS
	inode int
	r     *bytes.Reader
}

func (f *memFile) Read(p []byte) (int, error) { return f.r.Read(p) }
func (f *memFile) Close() error               { return nil }

func (f *memFile) Write(p []byte) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.m.step(true); err != nil {
		return 0, err
	}
	var err error
	if f.m.room >= 0 {
		if int64(len(p)) > f.m.room {
			p, err = p[:f.m.room], syscall.ENOSPC
		}
		f.m.room -= int64(len(p))
	}
	n := f.m.inodes[f.inode]
	n.data = append(n.data, p...)
	f.m.log = append(f.m.log, op{kind: "write", inode: f.inode, data: bytes.Clone(p)})
	return len(p), err
}

func (f *memFile) Sync() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.m.step(false); err != nil {
		return err
	}
	f.m.log = append(f.m.log, op{kind: "sync", inode: f.inode})
	return nil
}

// What a power cut leaves of operations that were not synced.
const (
	cutNothing = iota // neither data nor names: only what was synced is there
	cutData           // names are journalled, data is not: files have their length, and zeros
	cutTail           // names are journalled, files end where they were synced
	cutKill           // everything: the process was killed, not the machine
	cutRandom         // any part of the names, any blocks of the data
	cutKinds
)

// cut is what the medium has after the first k operations of a log and a power cut.
func cut(log []op, k, kind int, rng *rand.Rand) *memFS {
	type state struct{ cur, synced []byte }
	files := map[int]*state{}
	dirs := map[string]map[string]int{"": {}} // what is durable
	pending := map[string][]op{}
	apply := func(o op) {
		d := dirs[o.dir]
		if o.kind == "mkdir" {
			if dirs[o.to] == nil {
				dirs[o.to] = map[string]int{}
			}
			return
		}
		if d == nil {
			return
		}
		switch o.kind {
		case "create":
			d[o.to] = o.inode
		case "rename":
			if i, ok := d[o.from]; ok {
				delete(d, o.from)
				d[o.to] = i
			}
		case "remove":
			delete(d, o.from)
		}
	}
	for _, o := range log[:k] {
		switch o.kind {
		case "write":
			files[o.inode].cur = append(files[o.inode].cur, o.data...)
		case "sync":
			files[o.inode].synced = bytes.Clone(files[o.inode].cur)
		case "syncdir":
			for _, p := range pending[o.dir] {
				apply(p)
			}
			pending[o.dir] = nil
		default:
			if o.kind == "create" {
				files[o.inode] = &state{}
			}
			pending[o.dir] = append(pending[o.dir], o)
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(pending)) { // "" first: it has the folders
		n := len(pending[dir])
		switch kind {
		case cutNothing:
			n = 0
		case cutRandom:
			n = rng.IntN(n + 1)
		}
		for _, p := range pending[dir][:n] {
			apply(p)
		}
	}
	m := newMem()
	m.names = dirs
	for i := range len(files) {
		f := files[i]
		data := f.synced
		switch kind {
		case cutData:
			data = append(bytes.Clone(f.synced), make([]byte, len(f.cur)-len(f.synced))...)
		case cutKill:
			data = f.cur
		case cutRandom:
			data = append(bytes.Clone(f.synced), make([]byte, len(f.cur)-len(f.synced))...)
			for at := len(f.synced); at < len(data); at += 4096 {
				if end := min(at+4096, len(data)); rng.IntN(2) == 0 {
					copy(data[at:end], f.cur[at:end])
				}
			}
			if rng.IntN(3) == 0 {
				data = data[:len(f.synced)+rng.IntN(len(data)-len(f.synced)+1)]
			}
		}
		m.inodes = append(m.inodes, &inode{data: bytes.Clone(data)})
	}
	return m
}
