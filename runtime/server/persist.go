package server

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/kvcache"
	"github.com/qwq-edge/qwq/runtime/store"
)

// disk is a model's part of the store; it is the Disk of its scheduler.
type disk struct {
	s     *store.Store
	log   *slog.Logger
	name  string
	model store.Model

	topics *Topics // nil: nobody follows conversations
}

// sessionKey names a user's session within the process.
func sessionKey(user uint32, id string) string {
	return strconv.FormatUint(uint64(user), 10) + " " + id
}

func splitKey(key string) (user uint32, id string) {
	head, id, _ := strings.Cut(key, " ")
	n, err := strconv.ParseUint(head, 10, 32)
	if err != nil {
		panic("server: not a session's key: " + key)
	}
	return uint32(n), id
}

// Prompt implements sched.Disk: what is on disk but for less than a prefix's least length
// need not be written again.
func (d *disk) Prompt(ids []int32, session string) int {
	n := d.s.Prompt(d.model, ids, tag(session))
	if n == 0 || n-d.s.Base(d.model, ids[:n], store.Tag{}) < store.LeastPrefix {
		return 0
	}
	return n
}

func tag(session string) store.Tag {
	if session == "" {
		return store.Tag{}
	}
	return store.SessionTag(splitKey(session))
}

// Base implements sched.Disk.
func (d *disk) Base(ids []int32, session string) int { return d.s.Base(d.model, ids, tag(session)) }

func (d *disk) Find(ids []int32) int { return d.s.Find(d.model, ids) }

func (d *disk) Load(ids []int32, f func(int, io.Reader) error) {
	_, err := d.s.Load(d.model, ids, func(n int, r io.Reader) error {
		err := f(n, r)
		if errors.Is(err, kvcache.ErrSnapshot) {
			err = fmt.Errorf("%w: %w", store.ErrCorrupt, err)
		}
		return err
	})
	d.tell("a snapshot could not be read", err)
}

func (d *disk) Save(ids []int32, from int, session string, size int64, write func(io.Writer) error) {
	x := store.Snapshot{Model: d.model, IDs: ids, From: from, Session: tag(session), Size: size}
	d.tell("a snapshot could not be written", d.s.Put(x, write))
}

func (d *disk) Session(session string, ids []int32) {
	user, id := splitKey(session)
	d.tell("a session could not be written", d.s.PutSession(store.Session{User: user, ID: id, Name: d.name, Model: d.model, IDs: ids, State: d.topics.bytes(session)}))
}

// tell logs what went wrong; that the bounds of the store hold is no news.
func (d *disk) tell(what string, err error) {
	switch {
	case err == nil:
	case errors.Is(err, store.ErrBudget), errors.Is(err, store.ErrTooLarge), errors.Is(err, store.ErrReadOnly):
		d.log.Debug(what, "model", d.name, "error", err.Error())
	default:
		d.log.Warn(what, "model", d.name, "error", err.Error())
	}
}

// build tells programs apart whose numbers may differ.
var build = sync.OnceValue(func() string {
	var b strings.Builder
	if i, ok := debug.ReadBuildInfo(); ok {
		fmt.Fprintf(&b, "%s %s ", i.GoVersion, i.Main.Version)
		for _, s := range i.Settings {
			if strings.HasPrefix(s.Key, "vcs.") {
				fmt.Fprintf(&b, "%s ", s.Value)
			}
		}
	}
	if path, err := os.Executable(); err == nil {
		if st, err := os.Stat(path); err == nil {
			fmt.Fprintf(&b, "%d %d", st.Size(), st.ModTime().UnixNano())
		}
	}
	return b.String()
})

// sampled is how many bytes of each tensor identity looks at.
const sampled = 256

// identity tells models apart whose keys and values may differ: by the program, the
// settings that change bits, the file's metadata, size and time, and some bytes of each
// tensor. A file that was only copied may count as another; the reverse may not happen.
func identity(l Listed, f *gguf.File, i engine.Info) (m store.Model, err error) {
	h := sha256.New()
	fmt.Fprintf(h, "qwq model\x00%s\x00%v %v %v %d\x00", build(), i.KV, i.KVBytes, i.Precise, f.FileSize())
	if l.Path != "" {
		fmt.Fprintf(h, "%d %d\x00", l.Size, l.Time.UnixNano())
	}
	for _, kv := range f.KVs() {
		fmt.Fprintf(h, "%s=%s\x00", kv.Key, kv.Value)
	}
	for _, t := range f.Tensors() {
		b, err := t.Data()
		if err != nil {
			return m, err
		}
		fmt.Fprintf(h, "%s %v %v\x00", t.Name, t.Type, t.Dims)
		at := len(b) / 2 / sampled * sampled
		h.Write(b[at:min(len(b), at+sampled)])
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(b))))
	}
	h.Sum(m[:0])
	return m, nil
}

// persist joins a model that is being loaded to the store.
func (l *Loaded) persist(o HubOptions) (err error) {
	if o.Store == nil || l.Model.Info().Encoder {
		return nil
	}
	l.disk = &disk{s: o.Store, log: o.Log, name: l.Name, topics: o.Topics}
	if l.disk.log == nil {
		l.disk.log = slog.New(slog.DiscardHandler)
	}
	l.disk.model, err = identity(l.Listed, l.file, l.Model.Info())
	return err
}

// Conversations whose KV cache is computed again when their model is loaded: the latest,
// where a process that was killed has left their ids alone.
const (
	mostWarm  = 4
	warmWorth = store.LeastPrefix // tokens that are missing on disk
	warmAge   = time.Hour         // older ones may not go on at all
)

// warm does that, while nothing else is to do.
func (l *Loaded) warm(ctx context.Context) {
	defer close(l.warmed)
	list := l.disk.s.Sessions(func(x *store.Session) bool { return x.Model == l.disk.model && time.Since(x.Used) < warmAge })
	for _, x := range list[:min(len(list), mostWarm)] {
		s, err := l.disk.s.Session(x.User, x.ID)
		if err != nil || len(s.IDs) >= l.Model.Context() || len(s.IDs)-l.disk.Find(s.IDs) < warmWorth {
			continue
		}
		if l.Sched.Warm(ctx, sessionKey(x.User, x.ID), s.IDs) != nil {
			return // there is no room, or the end has come
		}
	}
}
