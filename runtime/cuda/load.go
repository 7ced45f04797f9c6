//go:build cuda

package cuda

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// libraries are tried in this order. The last two are where JetPack keeps the
// driver when ld.so does not look there (a container without its configuration).
var libraries = []string{"libcuda.so.1", "/usr/lib/aarch64-linux-gnu/nvidia/libcuda.so.1", "/usr/lib/aarch64-linux-gnu/tegra/libcuda.so.1"}

// Load opens the driver's library. It starts nothing: Devices does.
func Load() (*Driver, error) { return load(libraries) }

func load(names []string) (*Driver, error) {
	var errs []error
	for _, name := range names {
		h, err := purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_LOCAL)
		if err == nil {
			return bind(h, name)
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("cuda: no driver library (a Jetson has it from JetPack, in a container through --runtime nvidia; other machines from NVIDIA's driver): %w", errors.Join(errs...))
}

// binder looks symbols up and keeps the first error.
type binder struct {
	h    uintptr
	name string
	err  error
}

// symbol is the address of the first of names that exists.
func (b *binder) symbol(names ...string) (address uintptr, found string) {
	for _, n := range names {
		if p, err := purego.Dlsym(b.h, n); err == nil {
			return p, n
		}
	}
	if b.err == nil {
		b.err = fmt.Errorf("cuda: %s has no %s: the driver is older than CUDA %s", b.name, names[len(names)-1], version(oldest))
	}
	return 0, ""
}

func (b *binder) at(names ...string) uintptr {
	p, _ := b.symbol(names...)
	return p
}

func call(f uintptr, args ...uintptr) Result {
	r, _, _ := purego.SyscallN(f, args...)
	return Result(uint32(r))
}

func addr[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

// bind fills the table. Pointers that come in are kept alive by their callers: an
// argument of a func value escapes to the heap.
func bind(h uintptr, name string) (*Driver, error) {
	b := &binder{h: h, name: name}
	d := &Driver{}
	b.devices(d)
	b.memory(d)
	b.streams(d)
	b.modules(d)
	return d, b.err
}

func (b *binder) devices(d *Driver) {
	f := b.at("cuInit")
	d.Init = func(flags uint32) Result { return call(f, uintptr(flags)) }
	f1 := b.at("cuDriverGetVersion")
	d.DriverGetVersion = func(v *int32) Result { return call(f1, addr(v)) }
	f2 := b.at("cuDeviceGetCount")
	d.DeviceGetCount = func(n *int32) Result { return call(f2, addr(n)) }
	f3 := b.at("cuDeviceGet")
	d.DeviceGet = func(dev *int32, i int32) Result { return call(f3, addr(dev), uintptr(i)) }
	f4 := b.at("cuDeviceGetName")
	d.DeviceGetName = func(p *byte, n, dev int32) Result { return call(f4, addr(p), uintptr(n), uintptr(dev)) }
	f5 := b.at("cuDeviceGetAttribute")
	d.DeviceGetAttribute = func(v *int32, a Attribute, dev int32) Result { return call(f5, addr(v), uintptr(a), uintptr(dev)) }
	f6 := b.at("cuDeviceTotalMem_v2")
	d.DeviceTotalMem = func(n *uint64, dev int32) Result { return call(f6, addr(n), uintptr(dev)) }
	f7 := b.at("cuDevicePrimaryCtxRetain")
	d.DevicePrimaryCtxRetain = func(c *Context, dev int32) Result { return call(f7, addr(c), uintptr(dev)) }
	f8 := b.at("cuDevicePrimaryCtxRelease_v2", "cuDevicePrimaryCtxRelease") // _v2 since 11.0
	d.DevicePrimaryCtxRelease = func(dev int32) Result { return call(f8, uintptr(dev)) }
	f9 := b.at("cuCtxSetCurrent")
	d.CtxSetCurrent = func(c Context) Result { return call(f9, uintptr(c)) }
}

func (b *binder) memory(d *Driver) {
	f := b.at("cuMemGetInfo_v2")
	d.MemGetInfo = func(free, total *uint64) Result { return call(f, addr(free), addr(total)) }
	f1 := b.at("cuMemAlloc_v2")
	d.MemAlloc = func(p *Ptr, n uint64) Result { return call(f1, addr(p), uintptr(n)) }
	f2 := b.at("cuMemFree_v2")
	d.MemFree = func(p Ptr) Result { return call(f2, uintptr(p)) }
	f3 := b.at("cuMemAllocHost_v2")
	d.MemAllocHost = func(p *uintptr, n uint64) Result { return call(f3, addr(p), uintptr(n)) }
	f4 := b.at("cuMemFreeHost")
	d.MemFreeHost = func(p uintptr) Result { return call(f4, p) }
	f5 := b.at("cuMemHostRegister_v2")
	d.MemHostRegister = func(p uintptr, n uint64, flags uint32) Result { return call(f5, p, uintptr(n), uintptr(flags)) }
	f6 := b.at("cuMemHostUnregister")
	d.MemHostUnregister = func(p uintptr) Result { return call(f6, p) }
	f7 := b.at("cuMemHostGetDevicePointer_v2")
	d.MemHostGetDevicePointer = func(p *Ptr, h uintptr, flags uint32) Result { return call(f7, addr(p), h, uintptr(flags)) }
	f8 := b.at("cuMemcpyHtoDAsync_v2")
	d.MemcpyHtoDAsync = func(dst Ptr, src uintptr, n uint64, s Stream) Result {
		return call(f8, uintptr(dst), src, uintptr(n), uintptr(s))
	}
	f9 := b.at("cuMemcpyDtoHAsync_v2")
	d.MemcpyDtoHAsync = func(dst uintptr, src Ptr, n uint64, s Stream) Result {
		return call(f9, dst, uintptr(src), uintptr(n), uintptr(s))
	}
	f10 := b.at("cuMemcpyDtoDAsync_v2")
	d.MemcpyDtoDAsync = func(dst, src Ptr, n uint64, s Stream) Result {
		return call(f10, uintptr(dst), uintptr(src), uintptr(n), uintptr(s))
	}
}

func (b *binder) streams(d *Driver) {
	f := b.at("cuStreamCreate")
	d.StreamCreate = func(s *Stream, flags uint32) Result { return call(f, addr(s), uintptr(flags)) }
	f1 := b.at("cuStreamDestroy_v2")
	d.StreamDestroy = func(s Stream) Result { return call(f1, uintptr(s)) }
	f2 := b.at("cuStreamSynchronize")
	d.StreamSynchronize = func(s Stream) Result { return call(f2, uintptr(s)) }
	f3 := b.at("cuStreamBeginCapture_v2")
	d.StreamBeginCapture = func(s Stream, mode uint32) Result { return call(f3, uintptr(s), uintptr(mode)) }
	f4 := b.at("cuStreamEndCapture")
	d.StreamEndCapture = func(s Stream, g *Graph) Result { return call(f4, uintptr(s), addr(g)) }
	f5, found := b.symbol("cuGraphInstantiateWithFlags", "cuGraphInstantiate_v2", "cuGraphInstantiate")
	d.GraphInstantiate = func(e *Exec, g Graph) Result { return call(f5, addr(e), uintptr(g), 0) }
	if found != "cuGraphInstantiateWithFlags" { // node and log of an error
		d.GraphInstantiate = func(e *Exec, g Graph) Result { return call(f5, addr(e), uintptr(g), 0, 0, 0) }
	}
	f6 := b.at("cuGraphLaunch")
	d.GraphLaunch = func(e Exec, s Stream) Result { return call(f6, uintptr(e), uintptr(s)) }
	f7 := b.at("cuGraphExecDestroy")
	d.GraphExecDestroy = func(e Exec) Result { return call(f7, uintptr(e)) }
	f8 := b.at("cuGraphDestroy")
	d.GraphDestroy = func(g Graph) Result { return call(f8, uintptr(g)) }
	f9 := b.at("cuEventCreate")
	d.EventCreate = func(e *Event, flags uint32) Result { return call(f9, addr(e), uintptr(flags)) }
	f10 := b.at("cuEventRecord")
	d.EventRecord = func(e Event, s Stream) Result { return call(f10, uintptr(e), uintptr(s)) }
	f11 := b.at("cuEventElapsedTime")
	d.EventElapsedTime = func(ms *float32, from, to Event) Result {
		return call(f11, addr(ms), uintptr(from), uintptr(to))
	}
	f12 := b.at("cuEventDestroy_v2")
	d.EventDestroy = func(e Event) Result { return call(f12, uintptr(e)) }
}

// The options of cuModuleLoadDataEx: where the compiler writes its errors.
const (
	jitErrorLog      = 5
	jitErrorLogBytes = 6
)

// jit is the options of a compilation, on the heap as C reads it.
type jit struct {
	names  [2]int32
	values [2]uintptr
}

func (b *binder) modules(d *Driver) {
	f := b.at("cuModuleLoadDataEx")
	d.ModuleLoadData = func(m *Module, image, log []byte) Result {
		o := &jit{names: [2]int32{jitErrorLog, jitErrorLogBytes}, values: [2]uintptr{addr(&log[0]), uintptr(len(log))}}
		r := call(f, addr(m), addr(&image[0]), 2, addr(&o.names[0]), addr(&o.values[0]))
		runtime.KeepAlive(o)
		runtime.KeepAlive(image)
		runtime.KeepAlive(log)
		return r
	}
	f1 := b.at("cuModuleUnload")
	d.ModuleUnload = func(m Module) Result { return call(f1, uintptr(m)) }
	f2 := b.at("cuModuleGetFunction")
	d.ModuleGetFunction = func(p *Function, m Module, name string) Result {
		z := append([]byte(name), 0)
		r := call(f2, addr(p), uintptr(m), addr(&z[0]))
		runtime.KeepAlive(z)
		return r
	}
	f3 := b.at("cuLaunchKernel")
	d.LaunchKernel = func(k Function, grid, block [3]uint32, shared uint32, s Stream, params uintptr) Result {
		return call(f3, uintptr(k), uintptr(grid[0]), uintptr(grid[1]), uintptr(grid[2]),
			uintptr(block[0]), uintptr(block[1]), uintptr(block[2]), uintptr(shared), uintptr(s), params, 0)
	}
}
