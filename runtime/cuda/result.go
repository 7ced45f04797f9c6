package cuda

import "fmt"

// Result is a CUresult; 0 is success.
type Result uint32

// The results that are met in practice, or that callers distinguish.
const (
	Success          Result = 0
	InvalidValue     Result = 1
	OutOfMemory      Result = 2
	NotInitialized   Result = 3
	Deinitialized    Result = 4
	StubLibrary      Result = 34
	NoDevice         Result = 100
	InvalidDevice    Result = 101
	InvalidImage     Result = 200
	InvalidContext   Result = 201
	NoBinary         Result = 209
	InvalidPTX       Result = 218
	JITNotFound      Result = 221
	UnsupportedPTX   Result = 222
	InvalidHandle    Result = 400
	NotFound         Result = 500
	IllegalAddress   Result = 700
	LaunchResources  Result = 701
	LaunchTimeout    Result = 702
	LaunchFailed     Result = 719
	NotPermitted     Result = 800
	NotSupported     Result = 801
	SystemNotReady   Result = 802
	DriverMismatch   Result = 803
	CaptureInvalid   Result = 901
	CaptureUnsupport Result = 900
)

// texts say what a result means to whoever has to mend it.
var texts = map[Result]string{
	InvalidValue:     "invalid value",
	OutOfMemory:      "out of device memory",
	NotInitialized:   "driver not initialised",
	Deinitialized:    "driver is shutting down",
	StubLibrary:      "libcuda.so.1 is the toolkit's stub, not the driver",
	NoDevice:         "no CUDA device: is the GPU visible to this user (group video, /dev/nvhost-gpu or /dev/nvidia0)?",
	InvalidDevice:    "no such device",
	InvalidImage:     "invalid kernel image",
	InvalidContext:   "invalid context",
	NoBinary:         "no kernel for this device's architecture",
	InvalidPTX:       "the driver's compiler refuses the PTX",
	JITNotFound:      "the driver's PTX compiler (libnvidia-ptxjitcompiler.so.1) is missing",
	UnsupportedPTX:   "the PTX is newer than the driver",
	InvalidHandle:    "invalid handle",
	NotFound:         "not found",
	IllegalAddress:   "a kernel accessed memory that is not its own",
	LaunchResources:  "a kernel needs more registers or shared memory than there are",
	LaunchTimeout:    "a kernel ran into the display watchdog",
	LaunchFailed:     "a kernel failed",
	NotPermitted:     "not permitted now",
	NotSupported:     "not supported by this device or driver",
	SystemNotReady:   "the system is not ready (nvidia-fabricmanager?)",
	DriverMismatch:   "libcuda.so.1 and the kernel module are of different versions: reboot",
	CaptureUnsupport: "not allowed while a graph is captured",
	CaptureInvalid:   "the capture of a graph was broken",
}

// Error is a call of the driver that failed.
type Error struct {
	Call   string // the C name
	Result Result
	About  string // what the call was for, may be empty
}

func (e *Error) Error() string {
	s := "cuda: "
	if e.About != "" {
		s += e.About + ": "
	}
	text, ok := texts[e.Result]
	if !ok {
		text = "the driver has no success"
	}
	return fmt.Sprintf("%s%s: %s (%d)", s, e.Call, text, uint32(e.Result))
}

// failed is r as an error; nil for success.
func failed(call string, r Result, about string, args ...any) error {
	if r == Success {
		return nil
	}
	if len(args) > 0 {
		about = fmt.Sprintf(about, args...)
	}
	return &Error{Call: call, Result: r, About: about}
}
