package chat

import (
	"fmt"
	"strings"
	"time"
)

// strftime formats t as Python's datetime.strftime does in the C locale.
func strftime(t time.Time, format string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(format, '%')
		if i < 0 || i+1 >= len(format) {
			b.WriteString(format)
			return b.String()
		}
		b.WriteString(format[:i])
		format = format[i+1:]
		flag := byte(0)
		if (format[0] == '-' || format[0] == '_' || format[0] == '0' || format[0] == '^') && len(format) > 1 {
			flag, format = format[0], format[1:]
		}
		b.WriteString(flagged(strftimeVerb(t, format[0]), flag))
		format = format[1:]
	}
}

func flagged(s string, flag byte) string {
	trimmed := strings.TrimLeft(s[:max(0, len(s)-1)], "0 ") + s[max(0, len(s)-1):]
	switch flag {
	case '-':
		return trimmed
	case '_':
		return strings.Repeat(" ", len(s)-len(trimmed)) + trimmed
	case '0':
		return strings.Repeat("0", len(s)-len(trimmed)) + trimmed
	case '^':
		return strings.ToUpper(s)
	}
	return s
}

var strftimeLayouts = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'h': "Jan", 'B': "January", 'd': "02", 'H': "15", 'I': "03",
	'm': "01", 'M': "04", 'p': "PM", 'S': "05", 'y': "06", 'Y': "2006", 'e': "_2",
	'c': "Mon Jan _2 15:04:05 2006", 'x': "01/02/06", 'X': "15:04:05", 'D': "01/02/06",
	'F': "2006-01-02", 'T': "15:04:05", 'R': "15:04", 'r': "03:04:05 PM",
}

func strftimeVerb(t time.Time, verb byte) string {
	if layout, ok := strftimeLayouts[verb]; ok {
		return t.Format(layout)
	}
	monday := (int(t.Weekday()) + 6) % 7
	year, week := t.ISOWeek()
	switch verb {
	case 'j':
		return fmt.Sprintf("%03d", t.YearDay())
	case 'f':
		return fmt.Sprintf("%06d", t.Nanosecond()/1000)
	case 'w':
		return fmt.Sprint(int(t.Weekday()))
	case 'u':
		return fmt.Sprint(monday + 1)
	case 'U':
		return fmt.Sprintf("%02d", (t.YearDay()+6-int(t.Weekday()))/7)
	case 'W':
		return fmt.Sprintf("%02d", (t.YearDay()+6-monday)/7)
	case 'V':
		return fmt.Sprintf("%02d", week)
	case 'G':
		return fmt.Sprint(year)
	case 'C':
		return fmt.Sprintf("%02d", t.Year()/100)
	case 'k':
		return fmt.Sprintf("%2d", t.Hour())
	case 'l':
		return fmt.Sprintf("%2d", (t.Hour()+11)%12+1)
	case 's':
		return fmt.Sprint(t.Unix())
	case 'n':
		return "\n"
	case 't':
		return "\t"
	case 'z', 'Z':
		return "" // datetime.now() carries no zone
	case '%':
		return "%"
	}
	return "%" + string(verb)
}
