package locale

import "strings"

// Time is the time of day.
func (m Manner) Time(t Moment) string {
	if m.twelve() {
		return m.text(m.clock12, t)
	}
	return m.text("%H:%M", t)
}

// LongDate is a date with the name of its day: Tuesday, 3 March 2026.
func (m Manner) LongDate(t Moment) string {
	if m.dateOrder() == MDY && m.longMDY != "" {
		return m.text(m.longMDY, t)
	}
	return m.text(m.long, t)
}

// FullDate is a date without the name of its day: 3 March 2026.
func (m Manner) FullDate(t Moment) string {
	if m.dateOrder() == MDY && m.fullMDY != "" {
		return m.text(m.fullMDY, t)
	}
	return m.text(m.fullDate, t)
}

// Stamp is date, time and zone of a time that a template prints without a format
// of its own: notifications.md §2.5.
func (m Manner) Stamp(t Moment) string {
	if t.Day {
		return m.text(m.stampDay, t)
	}
	format := m.stamp
	if m.twelve() {
		format = strings.Replace(format, "%H:%M:%S", m.clock12seconds(), 1)
	}
	return strings.TrimRight(m.text(format, t), " ")
}

// Localised is date and time as strftime's %c has them; of a date, %x.
func (m Manner) Localised(t Moment) string {
	if t.Day {
		return m.text("%x", t)
	}
	return m.text("%c", t)
}

// When is from when to when something takes place, in words that tell all:
// Tuesday, 3 March 2026, 10:00 – 11:00 (Europe/Berlin). The end of a stretch of
// days is its last day. An end that is not after the start is left out.
func (m Manner) When(start, end Moment) string {
	s := m.LongDate(start)
	y1, m1, d1 := start.Civil.Date()
	y2, m2, d2 := end.Civil.Date()
	sameDay := y1 == y2 && m1 == m2 && d1 == d2
	later := end.Civil.After(start.Civil)
	if start.Day {
		if later && !sameDay {
			s += m.between + m.LongDate(end)
		}
		return s
	}
	s += m.before + m.Time(start)
	switch {
	case !later:
	case sameDay:
		s += m.between + m.Time(end)
	default:
		s += m.between + m.LongDate(end) + m.before + m.Time(end)
	}
	if start.Zone != "" {
		s += " (" + start.Zone + ")"
	}
	return s
}

// Brief is a date, and the time if there is one, for a subject: Tue 3 March,
// 10:00. The year is told where it is another than now's.
func (m Manner) Brief(t, now Moment) string {
	format, year := m.short, m.year
	if m.dateOrder() == MDY && m.shortMDY != "" {
		format, year = m.shortMDY, m.yearMDY
	}
	if t.Civil.Year() != now.Civil.Year() {
		if strings.HasPrefix(year, "%") {
			format = year + format
		} else {
			format += year
		}
	}
	s := m.text(format, t)
	if !t.Day {
		s += m.before + m.Time(t)
	}
	return s
}
