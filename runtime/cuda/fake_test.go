package cuda

import (
	"fmt"
	"testing"
	"unsafe"
)

// fake is a driver in Go. It obeys the rules of the real one and reports who breaks
// them: memory freed twice or used after, copies beyond an allocation, work in a
// thread without the context, waiting inside a capture, what is left at the end.
type fake struct {
	t *testing.T
	// What the device says of itself.
	name         string
	major, minor int32
	driver       int32
	integrated   int32
	register     int32
	total        uint64
	devices      int32

	failAt int    // the call that fails, from 1; 0: none
	with   Result // how
	calls  []string

	retained  int
	current   bool
	next      uint64
	mem       map[Ptr][]byte
	pinned    map[uintptr][]byte
	mapped    map[uintptr]uint64
	streams   map[Stream]bool
	modules   map[Module]string
	functions map[Function]string
	graphs    map[Graph][]func()
	execs     map[Exec][]func()
	capturing bool
	captured  []func()
	kernels   map[string]int // parameters of each kernel
	waits     int
}

func newFake(t *testing.T) *fake {
	return &fake{t: t, name: "Orin", major: 8, minor: 7, driver: 11040, integrated: 1, register: 1, total: 8 << 30, devices: 1, next: 1 << 40,
		mem: map[Ptr][]byte{}, pinned: map[uintptr][]byte{}, mapped: map[uintptr]uint64{}, streams: map[Stream]bool{}, modules: map[Module]string{},
		functions: map[Function]string{}, graphs: map[Graph][]func(){}, execs: map[Exec][]func(){}, kernels: map[string]int{"scale": 3}}
}

func (f *fake) handle() uint64 { f.next += 1 << 32; return f.next }

func (f *fake) misuse(format string, args ...any) Result {
	f.t.Helper()
	f.t.Errorf("misuse: "+format, args...)
	return InvalidValue
}

// enter counts a call and decides whether it fails.
func (f *fake) enter(name string, needsContext bool) Result {
	f.calls = append(f.calls, name)
	if f.failAt == len(f.calls) {
		return f.with
	}
	if needsContext && !f.current {
		return f.misuse("%s without a context", name)
	}
	return Success
}

// within is the bytes of an allocation that p lies in.
func (f *fake) within(p Ptr, n uint64) []byte {
	for at, b := range f.mem {
		if p >= at && uint64(p-at)+n <= uint64(len(b)) {
			return b[p-at:][:n]
		}
	}
	return nil
}

func (f *fake) host(p uintptr, n uint64) []byte {
	for at, b := range f.pinned {
		if p >= at && uint64(p-at)+n <= uint64(len(b)) {
			return b[p-at:][:n]
		}
	}
	return nil
}

// run does work now, or when the graph that is captured runs.
func (f *fake) run(s Stream, work func()) Result {
	if !f.streams[s] {
		return f.misuse("stream %#x does not exist", s)
	}
	if f.capturing {
		f.captured = append(f.captured, work)
		return Success
	}
	work()
	return Success
}

func (f *fake) leaks() {
	f.t.Helper()
	if n := len(f.mem) + len(f.pinned) + len(f.mapped) + len(f.streams) + len(f.modules) + len(f.graphs) + len(f.execs) + f.retained; n != 0 {
		f.t.Errorf("left over: %d device blocks, %d pinned, %d mapped, %d streams, %d modules, %d graphs, %d execs, %d contexts",
			len(f.mem), len(f.pinned), len(f.mapped), len(f.streams), len(f.modules), len(f.graphs), len(f.execs), f.retained)
	}
}

// on runs body unless the call fails.
func (f *fake) on(name string, context bool, body func() Result) Result {
	if r := f.enter(name, context); r != Success {
		return r
	}
	return body()
}

func drop[K comparable, V any](f *fake, m map[K]V, k K, what string) Result {
	if _, ok := m[k]; !ok {
		return f.misuse("%s %v is not held (freed twice?)", what, k)
	}
	delete(m, k)
	return Success
}

func (f *fake) Driver() *Driver {
	ok := func(body func()) func() Result { return func() Result { body(); return Success } }
	d := &Driver{
		Init:             func(uint32) Result { return f.enter("Init", false) },
		DriverGetVersion: func(v *int32) Result { return f.on("DriverGetVersion", false, ok(func() { *v = f.driver })) },
		DeviceGetCount:   func(n *int32) Result { return f.on("DeviceGetCount", false, ok(func() { *n = f.devices })) },
		DeviceGet:        func(d *int32, i int32) Result { return f.on("DeviceGet", false, ok(func() { *d = i })) },
		DeviceGetName: func(p *byte, n, _ int32) Result {
			return f.on("DeviceGetName", false, ok(func() { copy(unsafe.Slice(p, n-1), f.name) }))
		},
		DeviceGetAttribute: func(v *int32, a Attribute, _ int32) Result {
			return f.on("DeviceGetAttribute", false, ok(func() {
				*v = map[Attribute]int32{attrMajor: f.major, attrMinor: f.minor, attrIntegrated: f.integrated, attrHostRegister: f.register,
					attrMultiprocessors: 8, attrSharedPerBlock: 48 << 10, attrClock: 1300000, attrMemoryClock: 3200000, attrBusWidth: 128}[a]
			}))
		},
		DeviceTotalMem: func(n *uint64, _ int32) Result { return f.on("DeviceTotalMem", false, ok(func() { *n = f.total })) },
		DevicePrimaryCtxRetain: func(c *Context, _ int32) Result {
			return f.on("PrimaryCtxRetain", false, ok(func() { f.retained++; *c = 7 }))
		},
		DevicePrimaryCtxRelease: func(int32) Result { return f.on("PrimaryCtxRelease", false, ok(func() { f.retained-- })) },
		CtxSetCurrent:           func(c Context) Result { return f.on("CtxSetCurrent", false, ok(func() { f.current = c == 7 })) },
	}
	f.memory(d)
	f.streamed(d)
	f.loaded(d)
	return d
}

func (f *fake) used() (n uint64) {
	for _, b := range f.mem {
		n += uint64(len(b))
	}
	return n
}

func (f *fake) memory(d *Driver) {
	d.MemGetInfo = func(free, total *uint64) Result {
		return f.on("MemGetInfo", true, func() Result { *free, *total = f.total-f.used(), f.total; return Success })
	}
	d.MemAlloc = func(p *Ptr, n uint64) Result {
		return f.on("MemAlloc", true, func() Result {
			if n > f.total-f.used() {
				return OutOfMemory
			}
			*p = Ptr(f.handle())
			f.mem[*p] = make([]byte, n)
			return Success
		})
	}
	d.MemFree = func(p Ptr) Result { return f.on("MemFree", true, func() Result { return drop(f, f.mem, p, "block") }) }
	d.MemAllocHost = func(p *uintptr, n uint64) Result {
		return f.on("MemAllocHost", true, func() Result {
			b := make([]byte, n)
			*p = address(b)
			f.pinned[*p] = b
			return Success
		})
	}
	d.MemFreeHost = func(p uintptr) Result {
		return f.on("MemFreeHost", true, func() Result { return drop(f, f.pinned, p, "pinned block") })
	}
	d.MemHostRegister = func(p uintptr, n uint64, _ uint32) Result {
		return f.on("MemHostRegister", true, func() Result { f.mapped[p] = n; return Success })
	}
	d.MemHostUnregister = func(p uintptr) Result {
		return f.on("MemHostUnregister", true, func() Result { return drop(f, f.mapped, p, "mapping") })
	}
	d.MemHostGetDevicePointer = func(p *Ptr, h uintptr, _ uint32) Result {
		return f.on("MemHostGetDevicePointer", true, func() Result { *p = Ptr(h); return Success })
	}
	move := func(name string, s Stream, from, to func() []byte) Result {
		return f.on(name, true, func() Result {
			if from() == nil || to() == nil {
				return f.misuse("%s outside of what is allocated", name)
			}
			return f.run(s, func() {
				a, b := from(), to()
				if a == nil || b == nil {
					f.misuse("%s of memory that was freed", name)
				}
				copy(b, a)
			})
		})
	}
	d.MemcpyHtoDAsync = func(dst Ptr, src uintptr, n uint64, s Stream) Result {
		return move("MemcpyHtoD", s, func() []byte { return f.host(src, n) }, func() []byte { return f.within(dst, n) })
	}
	d.MemcpyDtoHAsync = func(dst uintptr, src Ptr, n uint64, s Stream) Result {
		return move("MemcpyDtoH", s, func() []byte { return f.within(src, n) }, func() []byte { return f.host(dst, n) })
	}
	d.MemcpyDtoDAsync = func(dst, src Ptr, n uint64, s Stream) Result {
		return move("MemcpyDtoD", s, func() []byte { return f.within(src, n) }, func() []byte { return f.within(dst, n) })
	}
}

func (f *fake) streamed(d *Driver) {
	d.StreamCreate = func(s *Stream, _ uint32) Result {
		return f.on("StreamCreate", true, func() Result { *s = Stream(f.handle()); f.streams[*s] = true; return Success })
	}
	d.StreamDestroy = func(s Stream) Result {
		return f.on("StreamDestroy", true, func() Result { return drop(f, f.streams, s, "stream") })
	}
	d.StreamSynchronize = func(s Stream) Result {
		return f.on("StreamSynchronize", true, func() Result {
			if f.capturing {
				return f.misuse("waiting inside a capture")
			}
			f.waits++
			return f.run(s, func() {})
		})
	}
	d.StreamBeginCapture = func(s Stream, _ uint32) Result {
		return f.on("StreamBeginCapture", true, func() Result {
			if f.capturing {
				return f.misuse("a capture inside a capture")
			}
			f.capturing, f.captured = true, nil
			return Success
		})
	}
	d.StreamEndCapture = func(s Stream, g *Graph) Result {
		if !f.capturing {
			return f.misuse("the end of no capture")
		}
		f.capturing = false
		return f.on("StreamEndCapture", true, func() Result {
			*g = Graph(f.handle())
			f.graphs[*g] = f.captured
			return Success
		})
	}
	d.GraphInstantiate = func(e *Exec, g Graph) Result {
		return f.on("GraphInstantiate", true, func() Result {
			*e = Exec(f.handle())
			f.execs[*e] = f.graphs[g]
			return Success
		})
	}
	d.GraphLaunch = func(e Exec, s Stream) Result {
		return f.on("GraphLaunch", true, func() Result {
			work, ok := f.execs[e]
			if !ok || f.capturing {
				return f.misuse("launch of graph %#x", e)
			}
			for _, w := range work {
				w()
			}
			return Success
		})
	}
	d.GraphExecDestroy = func(e Exec) Result {
		return f.on("GraphExecDestroy", true, func() Result { return drop(f, f.execs, e, "exec") })
	}
	d.GraphDestroy = func(g Graph) Result {
		return f.on("GraphDestroy", true, func() Result { return drop(f, f.graphs, g, "graph") })
	}
}

func (f *fake) loaded(d *Driver) {
	d.ModuleLoadData = func(m *Module, image, log []byte) Result {
		if image[len(image)-1] != 0 {
			return f.misuse("PTX without an end")
		}
		if r := f.enter("ModuleLoadData", true); r != Success {
			copy(log, "ptxas error: line 3\x00")
			return r
		}
		*m = Module(f.handle())
		f.modules[*m] = string(image)
		return Success
	}
	d.ModuleUnload = func(m Module) Result {
		return f.on("ModuleUnload", true, func() Result { return drop(f, f.modules, m, "module") })
	}
	d.ModuleGetFunction = func(p *Function, m Module, name string) Result {
		return f.on("ModuleGetFunction", true, func() Result {
			if _, ok := f.kernels[name]; !ok {
				return NotFound
			}
			*p = Function(f.handle())
			f.functions[*p] = name
			return Success
		})
	}
	// The kernel of the tests: scale(p, n, by) multiplies n bytes at p.
	d.LaunchKernel = func(k Function, _, _ [3]uint32, _ uint32, s Stream, params uintptr) Result {
		return f.on("LaunchKernel", true, func() Result {
			name, ok := f.functions[k]
			if !ok {
				return f.misuse("launch of unknown kernel %#x", k)
			}
			at := *(*unsafe.Pointer)(unsafe.Pointer(&params))
			args := unsafe.Slice((**uint64)(at), f.kernels[name])
			for i, a := range args {
				if a == nil {
					return f.misuse("kernel %s: parameter %d is missing", name, i)
				}
			}
			p, n, by := Ptr(*args[0]), *args[1], byte(*args[2])
			return f.run(s, func() {
				b := f.within(p, n)
				if b == nil {
					f.misuse("kernel %s writes %d bytes at %#x", name, n, p)
				}
				for i := range b {
					b[i] *= by
				}
			})
		})
	}
}

func (f *fake) String() string { return fmt.Sprint(f.calls) }
