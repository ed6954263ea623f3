package locale

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Format is a format of strftime, taken apart. notifications.md §2.5 describes
// the letters that Sun's guide has; the others are those of POSIX and GNU.
type Format struct{ steps []step }

// step is text, or a letter with the text before it.
type step struct {
	text   string
	letter byte // 0: text alone
	flag   byte // '-': without leading zeros; 'O': the first of a month as people say it
}

// letters are those that strftime knows here.
const letters = "aAbBcCdDeFgGhHIjklmMnprRsStTuUVwWxXyYzZ%"

// ParseFormat takes a format apart. Between % and the letter a - leaves leading
// zeros and blanks out, and E and O ask for another manner where the locale has
// one. The error names the letter that strftime does not know.
func ParseFormat(s string) (*Format, error) {
	f := &Format{}
	for s != "" {
		at := strings.IndexByte(s, '%')
		if at < 0 {
			f.steps = append(f.steps, step{text: s})
			break
		}
		st := step{text: s[:at]}
		s = s[at+1:]
		for s != "" && strings.IndexByte("-EO", s[0]) >= 0 && st.flag == 0 {
			st.flag, s = s[0], s[1:]
		}
		if s == "" {
			return nil, fmt.Errorf("the time format ends with %%: write %%%% for a percent sign")
		}
		if strings.IndexByte(letters, s[0]) < 0 {
			return nil, fmt.Errorf("%%%.1s is no letter of strftime; there are %s", s, strings.Join(strings.Split(letters, ""), " "))
		}
		st.letter, s = s[0], s[1:]
		f.steps = append(f.steps, st)
	}
	return f, nil
}

// MustFormat is ParseFormat for formats of ours.
func MustFormat(s string) *Format {
	f, err := ParseFormat(s)
	if err != nil {
		panic(err)
	}
	return f
}

// Append prints a time by a format.
func (m Manner) Append(dst []byte, f *Format, t Moment) []byte {
	for i := range f.steps {
		st := &f.steps[i]
		dst = append(dst, st.text...)
		if st.letter != 0 {
			dst = m.appendLetter(dst, st.letter, st.flag, t)
		}
	}
	return dst
}

// text prints a time by one of the locale's own formats.
func (m Manner) text(format string, t Moment) string {
	return string(m.appendText(make([]byte, 0, 48), format, t))
}

func (m Manner) appendText(dst []byte, format string, t Moment) []byte {
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			dst = append(dst, format[i])
			continue
		}
		i++
		flag := byte(0)
		if c := format[i]; (c == '-' || c == 'O') && i+1 < len(format) {
			flag = c
			i++
		}
		dst = m.appendLetter(dst, format[i], flag, t)
	}
	return dst
}

func (m Manner) appendLetter(dst []byte, letter, flag byte, t Moment) []byte {
	c := t.Civil
	num := func(n, width int, pad byte) []byte {
		if flag == '-' {
			width = 0
		}
		return appendPadded(dst, n, width, pad)
	}
	switch letter {
	case 'a':
		return append(dst, m.shortDays[c.Weekday()]...)
	case 'A':
		return append(dst, m.days[c.Weekday()]...)
	case 'b', 'h':
		return append(dst, m.shortMonths[c.Month()-1]...)
	case 'B':
		return append(dst, m.months[c.Month()-1]...)
	case 'c':
		return m.appendText(dst, m.dateTime, t)
	case 'C':
		return num(c.Year()/100, 2, '0')
	case 'd':
		if flag == 'O' {
			if c.Day() == 1 && m.first != "" {
				return append(dst, m.first...)
			}
			flag = '-'
		}
		return num(c.Day(), 2, '0')
	case 'D':
		return m.appendText(dst, "%m/%d/%y", t)
	case 'e':
		return num(c.Day(), 2, ' ')
	case 'F':
		return m.appendText(dst, "%Y-%m-%d", t)
	case 'g':
		y, _ := c.ISOWeek()
		return num(y%100, 2, '0')
	case 'G':
		y, _ := c.ISOWeek()
		return num(y, 4, '0')
	case 'H':
		return num(c.Hour(), 2, '0')
	case 'I':
		return num((c.Hour()+11)%12+1, 2, '0')
	case 'j':
		return num(c.YearDay(), 3, '0')
	case 'k':
		return num(c.Hour(), 2, ' ')
	case 'l':
		return num((c.Hour()+11)%12+1, 2, ' ')
	case 'm':
		return num(int(c.Month()), 2, '0')
	case 'M':
		return num(c.Minute(), 2, '0')
	case 'n', 't':
		return append(dst, ' ') // a value makes no line
	case 'p':
		if c.Hour() < 12 {
			return append(dst, m.am...)
		}
		return append(dst, m.pm...)
	case 'r':
		return m.appendText(dst, m.clock12seconds(), t)
	case 'R':
		return m.appendText(dst, "%H:%M", t)
	case 's':
		return strconv.AppendInt(dst, c.Add(-t.Offset).Unix(), 10)
	case 'S':
		return num(c.Second(), 2, '0')
	case 'T':
		return m.appendText(dst, "%H:%M:%S", t)
	case 'u':
		return num((int(c.Weekday())+6)%7+1, 1, '0')
	case 'U':
		return num((c.YearDay()+6-int(c.Weekday()))/7, 2, '0')
	case 'V':
		_, w := c.ISOWeek()
		return num(w, 2, '0')
	case 'w':
		return num(int(c.Weekday()), 1, '0')
	case 'W':
		return num((c.YearDay()+6-(int(c.Weekday())+6)%7)/7, 2, '0')
	case 'x':
		return m.appendText(dst, m.figures(), t)
	case 'X':
		if m.twelve() {
			return m.appendText(dst, m.clock12seconds(), t)
		}
		return m.appendText(dst, "%H:%M:%S", t)
	case 'y':
		return num(c.Year()%100, 2, '0')
	case 'Y':
		return num(c.Year(), 0, '0')
	case 'z':
		if t.Zone == "" {
			return dst
		}
		sign, off := byte('+'), int(t.Offset/time.Minute)
		if off < 0 {
			sign, off = '-', -off
		}
		return appendPadded(append(dst, sign), off/60*100+off%60, 4, '0')
	case 'Z':
		return append(dst, t.Zone...)
	case '%':
		return append(dst, '%')
	}
	return dst
}

func appendPadded(dst []byte, n, width int, pad byte) []byte {
	digits := 1
	for k := n; k >= 10; k /= 10 {
		digits++
	}
	for ; digits < width; digits++ {
		dst = append(dst, pad)
	}
	return strconv.AppendInt(dst, int64(n), 10)
}

// clock12seconds is the locale's clock of 12 hours with seconds.
func (m Manner) clock12seconds() string { return strings.Replace(m.clock12, "%M", "%M:%S", 1) }

// figures is a date in figures, as the reader has it.
func (m Manner) figures() string {
	sep := string(rune(m.separator))
	if m.Separator != 0 {
		sep = string(rune(m.Separator))
		if m.Separator == '%' {
			sep = "%%"
		}
	}
	switch m.dateOrder() {
	case MDY:
		return "%m" + sep + "%d" + sep + "%Y"
	case YMD:
		return "%Y" + sep + "%m" + sep + "%d"
	}
	return "%d" + sep + "%m" + sep + "%Y"
}
