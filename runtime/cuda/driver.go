package cuda

// The handles of the driver. Zero is none, of a Stream the one that is not used here.
type (
	Ptr      uint64  // address in device memory
	Context  uintptr // CUcontext
	Module   uintptr // CUmodule
	Function uintptr // CUfunction
	Stream   uintptr // CUstream
	Graph    uintptr // CUgraph
	Exec     uintptr // CUgraphExec
	Event    uintptr // CUevent
)

// Driver is the driver API as far as it is used, one field per function under its
// C name without "cu". Results go to variables on the heap: the driver writes to
// them. Where a function has several versions, Load takes the one whose
// parameters are those below.
type Driver struct {
	Init             func(flags uint32) Result
	DriverGetVersion func(version *int32) Result

	DeviceGetCount     func(n *int32) Result
	DeviceGet          func(dev *int32, ordinal int32) Result
	DeviceGetName      func(name *byte, size int32, dev int32) Result
	DeviceGetAttribute func(value *int32, attribute Attribute, dev int32) Result
	DeviceTotalMem     func(bytes *uint64, dev int32) Result

	DevicePrimaryCtxRetain  func(ctx *Context, dev int32) Result
	DevicePrimaryCtxRelease func(dev int32) Result
	CtxSetCurrent           func(ctx Context) Result

	MemGetInfo              func(free, total *uint64) Result
	MemAlloc                func(p *Ptr, bytes uint64) Result
	MemFree                 func(p Ptr) Result
	MemAllocHost            func(p *uintptr, bytes uint64) Result // pinned
	MemFreeHost             func(p uintptr) Result
	MemHostRegister         func(p uintptr, bytes uint64, flags uint32) Result
	MemHostUnregister       func(p uintptr) Result
	MemHostGetDevicePointer func(d *Ptr, p uintptr, flags uint32) Result
	MemcpyHtoDAsync         func(dst Ptr, src uintptr, bytes uint64, s Stream) Result
	MemcpyDtoHAsync         func(dst uintptr, src Ptr, bytes uint64, s Stream) Result
	MemcpyDtoDAsync         func(dst, src Ptr, bytes uint64, s Stream) Result

	StreamCreate       func(s *Stream, flags uint32) Result
	StreamDestroy      func(s Stream) Result
	StreamSynchronize  func(s Stream) Result
	StreamBeginCapture func(s Stream, mode uint32) Result
	StreamEndCapture   func(s Stream, g *Graph) Result
	// GraphInstantiate is any of cuGraphInstantiateWithFlags (CUDA 11.4),
	// cuGraphInstantiate_v2 (11.0) and cuGraphInstantiate (10.0).
	GraphInstantiate func(e *Exec, g Graph) Result
	GraphLaunch      func(e Exec, s Stream) Result
	GraphExecDestroy func(e Exec) Result
	GraphDestroy     func(g Graph) Result

	EventCreate      func(e *Event, flags uint32) Result
	EventRecord      func(e Event, s Stream) Result
	EventElapsedTime func(ms *float32, from, to Event) Result
	EventDestroy     func(e Event) Result

	// ModuleLoadData compiles PTX (NUL-terminated). What the compiler has to say
	// goes to log, NUL-terminated too.
	ModuleLoadData    func(m *Module, image, log []byte) Result
	ModuleUnload      func(m Module) Result
	ModuleGetFunction func(f *Function, m Module, name string) Result
	// LaunchKernel starts f; params points to an array of addresses, one per
	// parameter of f.
	LaunchKernel func(f Function, grid, block [3]uint32, shared uint32, s Stream, params uintptr) Result
}

// Attribute is a CUdevice_attribute.
type Attribute int32

// The attributes that are asked for.
const (
	attrSharedPerBlock  Attribute = 8
	attrClock           Attribute = 13 // kHz
	attrMultiprocessors Attribute = 16
	attrIntegrated      Attribute = 18
	attrMemoryClock     Attribute = 36 // kHz
	attrBusWidth        Attribute = 37 // bits
	attrMajor           Attribute = 75
	attrMinor           Attribute = 76
	attrHostRegister    Attribute = 99
)

// Flags of the calls.
const (
	streamNonBlocking  = 1
	captureThreadLocal = 1
	registerDeviceMap  = 2
)
