package availability

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"factotum/server/ical"
	"factotum/server/recur"
)

// Hours are what most rooms say: the same times in each week. Written they are
// rules with semicolons between, each of days (Mo-Fr, or Mo,We; none are all) and
// times: "Mo-Fr 08:00-12:00,13:00-18:00; Sa 09:00-13:00". No day is in two rules.
type Hours []weekly

// weekly are the times of some days, in order.
type weekly struct {
	days  [7]bool // from Monday
	times []span
}

// span is a time of day in minutes; 24:00 is an end.
type span struct{ from, to int }

var dayNames = [7]string{"Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"}

// maxHours is how many times of day hours may name.
const maxHours = 50

// ParseHours reads them.
func ParseHours(text string) (Hours, error) {
	var out Hours
	n := 0
	for rule := range strings.SplitSeq(text, ";") {
		words := strings.Fields(rule)
		if len(words) == 0 {
			return nil, fmt.Errorf("a rule of hours is empty; it is written as in Mo-Fr 08:00-18:00")
		}
		var w weekly
		var err error
		if strings.ContainsAny(words[0][:1], "0123456789") {
			w.days = [7]bool{true, true, true, true, true, true, true}
		} else {
			if w.days, err = parseDays(words[0]); err != nil {
				return nil, err
			}
			words = words[1:]
		}
		for t := range strings.SplitSeq(strings.Join(words, ""), ",") {
			s, err := parseSpan(t)
			if err != nil {
				return nil, err
			}
			w.times = append(w.times, s)
			if n++; n > maxHours {
				return nil, fmt.Errorf("hours have at most %d times of day", maxHours)
			}
		}
		for _, other := range out {
			for d, yes := range other.days {
				if yes && w.days[d] {
					return nil, fmt.Errorf("%s has hours twice: write its times with a comma between", dayNames[d])
				}
			}
		}
		out = append(out, w)
	}
	return out, nil
}

func parseDays(text string) (days [7]bool, err error) {
	day := func(name string) (int, error) {
		at := slices.IndexFunc(dayNames[:], func(d string) bool { return strings.EqualFold(d, name) })
		if at < 0 {
			return 0, fmt.Errorf("%q is no day: they are %s", name, strings.Join(dayNames[:], ", "))
		}
		return at, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		from, err := day(first)
		if err != nil {
			return days, err
		}
		to := from
		if isRange {
			if to, err = day(last); err != nil {
				return days, err
			}
		}
		for d := from; ; d = (d + 1) % 7 { // Fr-Mo goes over the end of the week
			if days[d] = true; d == to {
				break
			}
		}
	}
	return days, nil
}

func parseSpan(text string) (s span, err error) {
	from, to, _ := strings.Cut(text, "-")
	minutes := func(v string) int {
		h, m, ok := strings.Cut(v, ":")
		hour, err1 := strconv.ParseUint(h, 10, 8)
		minute, err2 := strconv.ParseUint(m, 10, 8)
		if !ok || len(m) != 2 || err1 != nil || err2 != nil || minute > 59 || hour*60+minute > 24*60 {
			return -1
		}
		return int(hour*60 + minute)
	}
	if s.from, s.to = minutes(from), minutes(to); s.from < 0 || s.to < 0 {
		return s, fmt.Errorf("%q are no times of day: they are written as in 08:00-18:00", text)
	}
	if s.from >= s.to {
		return s, fmt.Errorf("%q ends before it begins: hours over midnight are two, to 24:00 and from 00:00 on", text)
	}
	return s, nil
}

// String writes them.
func (h Hours) String() string {
	rules := make([]string, len(h))
	for i, w := range h {
		times := make([]string, len(w.times))
		for k, s := range w.times {
			times[k] = fmt.Sprintf("%02d:%02d-%02d:%02d", s.from/60, s.from%60, s.to/60, s.to%60)
		}
		rules[i] = strings.TrimSpace(w.dayList() + " " + strings.Join(times, ","))
	}
	return strings.Join(rules, "; ")
}

func (w *weekly) dayList() string {
	if w.days == [7]bool{true, true, true, true, true, true, true} {
		return ""
	}
	var parts []string
	for d := 0; d < 7; d++ {
		if !w.days[d] {
			continue
		}
		last := d
		for last < 6 && w.days[last+1] {
			last++
		}
		switch last - d {
		case 0, 1:
			parts = append(parts, dayNames[d:last+1]...)
		default:
			parts = append(parts, dayNames[d]+"-"+dayNames[last])
		}
		d = last
	}
	return strings.Join(parts, ",")
}

// monday is one long ago, from which hours count.
var monday = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)

const hoursStamp = "20010101T000000Z"

// Text is the availability of somebody who can be met in these hours of a time
// zone of the database, and at no other time. RFC 7953 §3.1.
func (h Hours) Text(zone string) ([]byte, error) {
	tz, err := recur.VTimezone(zone, monday, time.Time{})
	if err != nil {
		return nil, err
	}
	block := ical.New("VAVAILABILITY")
	block.Set("UID", "hours")
	block.Set("DTSTAMP", hoursStamp)
	n := 0
	for _, w := range h {
		first, days := -1, []string(nil)
		for d, yes := range w.days {
			if yes {
				if first < 0 {
					first = d
				}
				days = append(days, strings.ToUpper(dayNames[d]))
			}
		}
		for _, s := range w.times {
			n++
			free := ical.New("AVAILABLE")
			free.Set("UID", fmt.Sprint("hours-", n))
			free.Set("DTSTAMP", hoursStamp)
			at := func(minutes int) ical.DateTime {
				return ical.FromCivil(monday.AddDate(0, 0, first).Add(time.Duration(minutes)*time.Minute), ical.Zoned, zone)
			}
			free.SetDateTime("DTSTART", at(s.from))
			free.SetDateTime("DTEND", at(s.to))
			free.Set("RRULE", "FREQ=WEEKLY;BYDAY="+strings.Join(days, ","))
			block.AddChild(free)
		}
	}
	cal := ical.NewCalendar("-//Factotum//Calendar//EN")
	cal.AddChild(tz, block)
	return cal.Bytes(), nil
}

// HoursOf are the hours that an availability says, and in which zone: not ok if
// it was not made by Text, and says more than hours can.
func HoursOf(text []byte) (h Hours, zone string, ok bool) {
	cal, err := ical.Parse(text, ical.Limits{})
	if err != nil || cal.Child("VAVAILABILITY") == nil {
		return nil, "", false
	}
	for c := range cal.Child("VAVAILABILITY").ChildrenOf("AVAILABLE") {
		start, stop := c.Prop("DTSTART"), c.Prop("DTEND")
		list, isWeekly := strings.CutPrefix(c.Value("RRULE"), "FREQ=WEEKLY;BYDAY=")
		if start == nil || stop == nil || !isWeekly {
			return nil, "", false
		}
		days, err := parseDays(list)
		from, err1 := start.DateTime()
		to, err2 := stop.DateTime()
		if err != nil || err1 != nil || err2 != nil {
			return nil, "", false
		}
		midnight := from.Civil().Truncate(24 * time.Hour)
		s := span{int(from.Civil().Sub(midnight) / time.Minute), int(to.Civil().Sub(midnight) / time.Minute)}
		if zone = from.TZID; len(h) > 0 && h[len(h)-1].days == days {
			h[len(h)-1].times = append(h[len(h)-1].times, s)
			continue
		}
		h = append(h, weekly{days, []span{s}})
	}
	made, err := h.Text(zone)
	return h, zone, err == nil && string(made) == string(text)
}
