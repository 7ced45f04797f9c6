// Package cuda runs the model graphs on an NVIDIA GPU through the driver's own
// library, libcuda.so.1: no cgo, no runtime API, no toolkit on the device. The
// package must never fall back to the CPU: what a GPU or its driver cannot do is
// an error that names it.
//
// Driver is the table of the functions that are used. Load (build tag cuda) fills
// it from the library; tests fill it with a double that records every call.
//
//	drv, err := cuda.Load()
//	infos, err := drv.Devices()
//	ctx, err := drv.Open(infos[0])
//	p, err := ctx.Alloc(1 << 20)
package cuda
