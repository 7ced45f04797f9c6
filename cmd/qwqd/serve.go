package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/gguf"
	"github.com/qwq-edge/qwq/internal/cpu"
	"github.com/qwq-edge/qwq/internal/demo"
	"github.com/qwq-edge/qwq/runtime/guard"
	"github.com/qwq-edge/qwq/runtime/server"
	"github.com/qwq-edge/qwq/runtime/store"
	"github.com/qwq-edge/qwq/runtime/telemetry"
)

// serve runs the daemon until it is told to end.
func serve(c *cli.Context) error {
	if c.NArg() > 0 {
		return prog.Usagef("qwqd takes no arguments, %q was given", c.Args().First())
	}
	if err := confine(c); err != nil {
		return err
	}
	d, err := newDaemon(c)
	if err != nil {
		return err
	}
	listeners, err := d.listen(c)
	if err != nil {
		return err
	}
	if err := d.seal(c); err != nil {
		return err
	}
	return d.run(c.Context, listeners, c.Duration("drain"))
}

// daemon is the process's parts.
type daemon struct {
	log    *slog.Logger
	hub    *server.Hub
	http   *http.Server
	notify *server.Notifier
	store  *store.Store // nil: nothing is kept
	safety *safetyFilter
	socket string // to be removed at the end; "": systemd's
}

func newDaemon(c *cli.Context) (*daemon, error) {
	e, err := engineOptions(c)
	if err != nil {
		return nil, err
	}
	who, err := access(c)
	if err != nil {
		return nil, err
	}
	list, err := modelList(c)
	if err != nil {
		return nil, err
	}
	d := &daemon{log: slog.New(slog.NewJSONHandler(c.App.ErrWriter, nil))}
	if d.notify, err = server.NewNotifier(); err != nil {
		return nil, err
	}
	if err := d.openStore(c); err != nil {
		return nil, err
	}
	s := schedOptions(c)
	s.Room = room
	s.Idle = c.Duration("state-idle")
	draft, err := draftModel(c)
	if err != nil {
		return nil, err
	}
	topics, err := topics(c)
	if err != nil {
		return nil, err
	}
	if d.safety, err = newSafety(c, d.log); err != nil {
		return nil, err
	}
	counts := server.NewMetrics()
	d.hub = server.NewHub(server.HubOptions{
		List: list, Open: open, Engine: e, Sched: s, Idle: c.Duration("idle"), Most: c.Int("most-models"), Fits: fits, Store: d.store, Log: d.log, Events: counts.Model,
		Draft: draft, Topics: topics, Safety: d.safety.Safety,
	})
	var images *os.Root
	if dir := c.String("images"); dir != "" {
		if dir, err = filepath.Abs(dir); err == nil {
			images, err = os.OpenRoot(dir)
		}
		if err != nil {
			return nil, err
		}
	}
	machine := sync.OnceValue(telemetry.Host) // looking for sensors would delay the start
	srv := server.New(d.hub, server.Options{
		Log: d.log, Timeout: c.Duration("timeout"), Version: prog.Version(), Guard: guard.Probe, Images: images,
		Gate: who.Guard, Metrics: counts,
		Device: func() telemetry.Snapshot { return telemetry.Read(machine()) },
	})
	d.http = &http.Server{
		Handler:           srv.Handler(),
		ConnContext:       who.ConnContext,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
	}
	return d, nil
}

// embedded is the name of the model inside the program.
const embedded = "embedded"

// modelList gives the models that can be asked for, -m's first.
func modelList(c *cli.Context) (func() []server.Listed, error) {
	dirs := prog.ModelDirs(c.String("models"))
	var first []server.Listed
	if name := c.String("model"); name != "" {
		path, err := prog.FindModel(name, dirs)
		if err != nil {
			return nil, err
		}
		if strings.ContainsRune(name, filepath.Separator) || strings.HasSuffix(name, ".gguf") {
			name = strings.TrimSuffix(filepath.Base(path), ".gguf")
		}
		first = append(first, file(name, path))
	}
	began := time.Now() // what the embedded model's file would have
	return func() []server.Listed {
		list := slices.Clip(first)
		for _, m := range prog.Models(dirs) {
			if len(first) == 0 || m.Name != first[0].Name {
				list = append(list, file(m.Name, m.Path))
			}
		}
		return append(slices.Clip(list), server.Listed{Name: embedded, Time: began, Size: int64(len(demo.Model()))})
	}, nil
}

// draftModel is the model of --draft; nil without it.
func draftModel(c *cli.Context) (*server.Listed, error) {
	name := c.String("draft")
	if name == "" {
		return nil, nil
	}
	path, err := prog.FindModel(name, prog.ModelDirs(c.String("models")))
	if err != nil {
		return nil, err
	}
	l := file(path, path)
	return &l, nil
}

func file(name, path string) server.Listed {
	l := server.Listed{Name: name, Path: path}
	if st, err := os.Stat(path); err == nil {
		l.Time, l.Size = st.ModTime(), st.Size()
	}
	return l
}

func open(l server.Listed) (*gguf.File, error) {
	if l.Path == "" {
		return gguf.Parse(demo.Model())
	}
	return gguf.Open(l.Path)
}

// spare is the memory that is left to the rest of the machine.
const spare = 64 << 20

// room says whether KV caches may still grow by so much.
func room(bytes int64) error {
	if m := cpu.HostMemory(); m.Known() && uint64(bytes)+spare > m.Free() {
		return fmt.Errorf("memory is short: %s are free, the answers need %s", prog.Size(int64(m.Free())), prog.Size(bytes))
	}
	return nil
}

// fits says whether a model file may be loaded: its pages come from the file and can be
// dropped again, but a model that does not fit would be read again for every token.
func fits(bytes int64) error {
	if m := cpu.HostMemory(); m.Known() && uint64(bytes) > m.Free() {
		return fmt.Errorf("memory is short: %s are free, the model has %s", prog.Size(int64(m.Free())), prog.Size(bytes))
	}
	return nil
}

// listen opens the sockets: systemd's, or our own, and TCP where it is asked for.
func (d *daemon) listen(c *cli.Context) ([]net.Listener, error) {
	list, err := server.Activated()
	if err != nil {
		return nil, err
	}
	ceiling := server.NewCeiling(mostConnections())
	if len(list) == 0 {
		o, err := socketOptions(c)
		if err != nil {
			return nil, err
		}
		l, err := server.ListenUnix(o)
		if err != nil {
			return nil, err
		}
		d.socket = o.Path
		list = append(list, l)
	}
	for i := range list {
		list[i] = ceiling.Over(list[i], false)
	}
	if addr := c.String("listen"); addr != "" {
		config, err := tlsConfig(c)
		if err != nil {
			return nil, err
		}
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, err
		}
		list = append(list, server.TLS(ceiling.Over(l, config != nil), config))
	}
	return list, nil
}

// run serves until ctx ends, then lets the running answers end.
func (d *daemon) run(ctx context.Context, listeners []net.Listener, drain time.Duration) error {
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		address := l.Addr().String()
		if l.Addr().Network() == "unix" && d.socket != "" {
			address = d.socket
		}
		d.log.Info("listening", "network", l.Addr().Network(), "address", address)
		go func() { failed <- d.http.Serve(l) }()
	}
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	var watchdog <-chan time.Time
	if d.notify.Watchdog > 0 {
		t := time.NewTicker(d.notify.Watchdog / 3)
		defer t.Stop()
		watchdog = t.C
	}
	err := d.notify.Ready()
	for err == nil {
		select {
		case <-ctx.Done():
			return d.stop(drain)
		case err = <-failed:
		case <-hup:
			d.log.Info("models are read anew", "answer to the end", d.hub.Reload())
			d.safety.reload(d.log)
		case <-watchdog:
			if d.hub.Stalled() < d.notify.Watchdog {
				d.told(d.notify.Alive())
			}
		}
	}
	return errors.Join(err, d.stop(0))
}

// told logs that systemd did not hear: that is no reason to stop serving.
func (d *daemon) told(err error) {
	if err != nil {
		d.log.Warn("systemd was not told", "error", err.Error())
	}
}

// stop takes no more requests, waits for those that run, and removes the socket.
func (d *daemon) stop(drain time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	d.log.Info("stopping", "drain", drain.String())
	d.told(d.notify.Stopping())
	var err error
	herr := d.hub.Drain(ctx) // answers end, new ones are refused
	if errors.Is(herr, context.DeadlineExceeded) {
		d.log.Warn("answers were cut off")
		herr = nil
	}
	last, end := context.WithTimeout(context.Background(), time.Second)
	defer end()
	if serr := d.http.Shutdown(last); serr != nil {
		err = errors.Join(err, d.http.Close())
	}
	if d.socket != "" {
		err = errors.Join(err, os.Remove(d.socket))
	}
	if d.store != nil {
		err = errors.Join(err, d.store.Close())
	}
	return errors.Join(err, herr, d.notify.Close())
}
