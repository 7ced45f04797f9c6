package cuda

import (
	"errors"
	"fmt"
	"runtime"
)

// GPU is an opened device: its context, one stream, and what was allocated. It is
// for one goroutine at a time.
type GPU struct {
	Info    Info
	drv     *Driver
	target  Target
	dev     int32
	ctx     Context
	stream  Stream
	blocks  map[Ptr]uint64     // device memory, by address
	host    map[uintptr]uint64 // pinned
	mapped  map[uintptr]uint64 // registered pages
	modules []Module
	closed  bool
}

// errGPUClosed is returned by a GPU that was closed.
var errGPUClosed = errors.New("cuda: device is closed")

// Open makes a device ready. The current thread's context is as it was afterwards
// for everybody who locks their thread.
func (d *Driver) Open(i Info) (*GPU, error) {
	t, err := i.target()
	if err != nil {
		return nil, err
	}
	dev, ctx, stream := new(int32), new(Context), new(Stream)
	if err := failed("cuDeviceGet", d.DeviceGet(dev, int32(i.Ordinal)), "%s", i.Name); err != nil {
		return nil, err
	}
	if err := failed("cuDevicePrimaryCtxRetain", d.DevicePrimaryCtxRetain(ctx, *dev), "%s", i.Name); err != nil {
		return nil, err
	}
	g := &GPU{Info: i, drv: d, target: t, dev: *dev, ctx: *ctx, blocks: map[Ptr]uint64{}, host: map[uintptr]uint64{}, mapped: map[uintptr]uint64{}}
	err = g.do(func() error {
		return failed("cuStreamCreate", d.StreamCreate(stream, streamNonBlocking), "%s", i.Name)
	})
	if err != nil {
		return nil, errors.Join(err, failed("cuDevicePrimaryCtxRelease", d.DevicePrimaryCtxRelease(*dev), ""))
	}
	g.stream = *stream
	return g, nil
}

// Target is the build of the kernels that the device runs.
func (g *GPU) Target() Target { return g.target }

// do runs f on a thread that has the device's context.
func (g *GPU) do(f func() error) error {
	if g.closed {
		return errGPUClosed
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := failed("cuCtxSetCurrent", g.drv.CtxSetCurrent(g.ctx), ""); err != nil {
		return err
	}
	return f()
}

// Sync waits until the stream has done everything.
func (g *GPU) Sync() error {
	return g.do(func() error { return failed("cuStreamSynchronize", g.drv.StreamSynchronize(g.stream), "") })
}

// Load compiles a module of kernels (PTX text) for the device; name is for errors.
func (g *GPU) Load(name string, ptx []byte) (m Module, err error) {
	err = g.do(func() error {
		h, log := new(Module), make([]byte, 8192)
		image := append(ptx[:len(ptx):len(ptx)], 0)
		if err := failed("cuModuleLoadDataEx", g.drv.ModuleLoadData(h, image, log), "kernels %s for %s on %s", name, g.target.Name, g.Info.Name); err != nil {
			if text := cstring(log); text != "" {
				err = fmt.Errorf("%w: %s", err, text)
			}
			return err
		}
		m = *h
		g.modules = append(g.modules, m)
		return nil
	})
	return m, err
}

// Function finds a kernel of a module.
func (g *GPU) Function(m Module, name string) (f Function, err error) {
	err = g.do(func() error {
		p := new(Function)
		err := failed("cuModuleGetFunction", g.drv.ModuleGetFunction(p, m, name), "kernel %s for %s", name, g.target.Name)
		f = *p
		return err
	})
	return f, err
}

// Close waits for the device, frees everything and releases the context. Every
// step is tried though others fail. It is idempotent.
func (g *GPU) Close() error {
	if g.closed {
		return nil
	}
	err := g.do(func() error {
		errs := []error{failed("cuStreamSynchronize", g.drv.StreamSynchronize(g.stream), "")}
		for p := range g.mapped {
			errs = append(errs, failed("cuMemHostUnregister", g.drv.MemHostUnregister(p), ""))
		}
		for p := range g.blocks {
			errs = append(errs, failed("cuMemFree", g.drv.MemFree(p), ""))
		}
		for p := range g.host {
			errs = append(errs, failed("cuMemFreeHost", g.drv.MemFreeHost(p), ""))
		}
		for _, m := range g.modules {
			errs = append(errs, failed("cuModuleUnload", g.drv.ModuleUnload(m), ""))
		}
		errs = append(errs, failed("cuStreamDestroy", g.drv.StreamDestroy(g.stream), ""))
		return errors.Join(errs...)
	})
	g.closed = true
	return errors.Join(err, failed("cuDevicePrimaryCtxRelease", g.drv.DevicePrimaryCtxRelease(g.dev), ""))
}
