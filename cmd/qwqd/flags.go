package main

import (
	"crypto/tls"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/qwq-edge/qwq/cmd/internal/prog"
	"github.com/qwq-edge/qwq/runtime/engine"
	"github.com/qwq-edge/qwq/runtime/sched"
	"github.com/qwq-edge/qwq/runtime/server"
)

func flags() []cli.Flag {
	return append(stateFlags(), []cli.Flag{
		&cli.StringFlag{Name: "model", Aliases: []string{"m"}, Usage: "`MODEL` to serve first: a .gguf file or a name in the model folders (default: the first in them, else the embedded model)"},
		prog.ModelsFlag(),
		&cli.StringFlag{Name: "draft", Usage: "small `MODEL` that guesses ahead for those with its vocabulary: the same answers, sooner where it guesses well"},
		&cli.StringFlag{Name: "socket", Usage: "`PATH` of the Unix socket (default: /run/qwqd/qwqd.sock for root, else $XDG_RUNTIME_DIR/qwqd.sock)"},
		&cli.StringFlag{Name: "socket-mode", Value: "0660", Usage: "permissions of the socket, octal `MODE`"},
		&cli.StringFlag{Name: "socket-group", Usage: "`GROUP` of the socket (default: the daemon's)"},
		&cli.StringSliceFlag{Name: "allow-uid", Usage: "user `ID` that may connect; repeatable (default: whoever may open the socket)"},
		&cli.StringSliceFlag{Name: "allow-gid", Usage: "group `ID` whose members may connect; repeatable"},
		&cli.StringFlag{Name: "listen", Usage: "also listen on TCP `ADDRESS`, 127.0.0.1:8080 say; needs --token-file"},
		&cli.StringFlag{Name: "token-file", Usage: "`FILE` with the token that TCP clients must send"},
		&cli.StringFlag{Name: "tls-cert", Usage: "certificate `FILE` (PEM) for TCP"},
		&cli.StringFlag{Name: "tls-key", Usage: "private key `FILE` (PEM) for TCP"},
		&cli.StringSliceFlag{Name: "host", Usage: "`NAME` that the Host header of TCP clients may have, beside addresses and localhost; repeatable"},
		&cli.IntFlag{Name: "streams", Value: 8, Usage: "answers that are generated at a time, `N`"},
		&cli.IntFlag{Name: "queue", Value: 64, Usage: "requests that may wait, `N`; more get 503"},
		&cli.IntFlag{Name: "per-user", Usage: "requests of one user at a time, `N` (0: no bound)"},
		&cli.DurationFlag{Name: "timeout", Value: 30 * time.Minute, Usage: "longest `TIME` of a request"},
		&cli.DurationFlag{Name: "idle", Value: 10 * time.Minute, Usage: "unload a model that nobody used for `TIME` (0: never)"},
		&cli.IntFlag{Name: "most-models", Value: 3, Usage: "models loaded at a time, `N`"},
		&cli.DurationFlag{Name: "drain", Value: 30 * time.Second, Usage: "`TIME` that running answers have to end at SIGTERM"},
		&cli.IntFlag{Name: "ctx", Usage: "context of `N` tokens (0: what the model was trained with, less where memory is short)"},
		&cli.StringFlag{Name: "kv", Value: "auto", Usage: "KV cache `TYPE`: auto, f32, f16 or q8_0"},
		&cli.IntFlag{Name: "threads", Usage: "`N` threads (0: as many as were measured to be best; one per core until then)"},
		&cli.IntFlag{Name: "threads-prefill", Usage: "`N` threads to read prompts with (0: as --threads)"},
		&cli.IntFlag{Name: "threads-decode", Usage: "`N` threads to write with (0: as --threads)"},
		prog.ExpertFlag(),
		&cli.StringFlag{Name: "tracker", Usage: "dialog tracker, a qwq-seed GGUF `FILE`: follows the topics of sessions, which decide what leaves a full context; needs --encoder"},
		&cli.StringFlag{Name: "encoder", Usage: "sentence encoder, a GGUF `FILE`, whose vectors --tracker was trained on"},
		prog.SafetyFlag(),
		&cli.StringFlag{Name: "images", Usage: "`DIR` that images of file: URLs must lie in (default: such URLs are refused)"},
		&cli.BoolFlag{Name: "no-guard", Usage: "do without the kernel's bounds on files and system calls (landlock, seccomp)"},
	}...)
}

// socketOptions say where the socket is.
func socketOptions(c *cli.Context) (o server.SocketOptions, err error) {
	mode, err := strconv.ParseUint(c.String("socket-mode"), 8, 32)
	if err != nil || mode > 0o777 {
		return o, prog.Usagef("--socket-mode %q is not 0 to 0777", c.String("socket-mode"))
	}
	o = server.SocketOptions{Path: c.String("socket"), Mode: fs.FileMode(mode), Group: c.String("socket-group")}
	if o.Path == "" {
		o.Path = prog.Socket()
	}
	return o, nil
}

// access says who may connect.
func access(c *cli.Context) (a server.Access, err error) {
	for name, dst := range map[string]*[]uint32{"allow-uid": &a.UIDs, "allow-gid": &a.GIDs} {
		for _, v := range c.StringSlice(name) {
			n, err := strconv.ParseUint(v, 10, 32)
			if err != nil {
				return a, prog.Usagef("--%s %q is not a number", name, v)
			}
			*dst = append(*dst, uint32(n))
		}
	}
	a.Hosts = c.StringSlice("host")
	path := c.String("token-file")
	switch {
	case path == "" && c.String("listen") != "":
		return a, prog.Usagef("--listen needs --token-file: TCP is served to those who know a token only")
	case path == "":
		return a, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return a, err
	}
	if a.Token = strings.TrimSpace(string(b)); len(a.Token) < leastToken {
		return a, prog.Hint(prog.Usagef("%s: the token has %d characters, want at least %d", path, len(a.Token), leastToken), "head -c 24 /dev/urandom | base64 > %s", path)
	}
	return a, nil
}

// leastToken is the length below which a token can be guessed.
const leastToken = 16

// tlsConfig is the configuration of TCP; nil without a certificate.
func tlsConfig(c *cli.Context) (*tls.Config, error) {
	cert, key := c.String("tls-cert"), c.String("tls-key")
	switch {
	case cert == "" && key == "":
		return nil, nil
	case cert == "" || key == "":
		return nil, prog.Usagef("--tls-cert and --tls-key go together")
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

// engineOptions and schedOptions are the same for every model.
func engineOptions(c *cli.Context) (o engine.Options, err error) {
	if err := prog.CheckKV(c); err != nil {
		return o, err
	}
	for _, name := range []string{"threads", "threads-prefill", "threads-decode", "ctx", "streams", "queue", "per-user", "most-models"} {
		if n := c.Int(name); n < 0 || n > 1<<20 {
			return o, prog.Usagef("--%s %d is out of range", name, n)
		}
	}
	o = engine.Options{Threads: c.Int("threads"), PrefillThreads: c.Int("threads-prefill"), DecodeThreads: c.Int("threads-decode"), Context: c.Int("ctx"), KV: c.String("kv"), Sequences: c.Int("streams")}
	if o.Experts, err = prog.Experts(c); err != nil {
		return o, err
	}
	if dir := cacheDir(); dir != "" {
		o.ThreadTable = filepath.Join(dir, "threads.json")
	}
	return o, nil
}

func schedOptions(c *cli.Context) sched.Options {
	return sched.Options{Streams: c.Int("streams"), Queue: c.Int("queue"), PerUser: c.Int("per-user")}
}
