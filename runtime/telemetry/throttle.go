package telemetry

import "strings"

// Throttle is what a Raspberry Pi's firmware says of power and heat, now and
// at any time since boot.
type Throttle struct {
	Now, SinceBoot Causes
}

// Causes are reasons why a board runs slower than it could.
type Causes struct {
	UnderVoltage bool // supply below 4.63 V
	Capped       bool // ARM clock capped
	Throttled    bool // clock reduced for heat or supply
	SoftLimit    bool // soft temperature limit reached
}

// ParseThrottle decodes the firmware's get_throttled word: bits 0 to 3 are
// now, bits 16 to 19 since boot (Raspberry Pi documentation, vcgencmd).
func ParseThrottle(w uint32) Throttle { return Throttle{causes(w), causes(w >> 16)} }

func causes(w uint32) Causes {
	return Causes{UnderVoltage: w&1 != 0, Capped: w&2 != 0, Throttled: w&4 != 0, SoftLimit: w&8 != 0}
}

// Any reports whether there is a cause.
func (c Causes) Any() bool { return c != Causes{} }

// String names the causes, "none" without any.
func (c Causes) String() string {
	var s []string
	for _, x := range []struct {
		on   bool
		name string
	}{{c.UnderVoltage, "under-voltage"}, {c.Capped, "frequency capped"}, {c.Throttled, "throttled"}, {c.SoftLimit, "soft temperature limit"}} {
		if x.on {
			s = append(s, x.name)
		}
	}
	if len(s) == 0 {
		return "none"
	}
	return strings.Join(s, ", ")
}
