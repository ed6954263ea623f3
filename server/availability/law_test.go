package availability

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"factotum/server/calendar"
	"factotum/server/recur"
)

// modelSeries is an AVAILABLE as the model has it: its instances, day by day.
type modelSeries struct {
	text  string
	times [][2]time.Time
}

// modelBlock is a VAVAILABILITY; a zero end is open.
type modelBlock struct {
	from, to time.Time
	priority int
	busy     string
	free     []modelSeries
}

const lawDays = 8

var lawStart = time.Date(2026, 3, 26, 0, 0, 0, 0, time.UTC) // the clocks of Berlin change on the 29th

func written(name string, at time.Time) string {
	if at.Location() == time.UTC {
		return name + ":" + at.Format("20060102T150405Z")
	}
	return name + ";TZID=" + at.Location().String() + ":" + at.Format("20060102T150405")
}

// drawMoment avoids 1 to 4 o'clock in the morning: which moment is meant by a
// clock that changes is the business of recur.
func drawMoment(t *rapid.T, zone *time.Location) time.Time {
	day := rapid.IntRange(-3, lawDays+2).Draw(t, "day")
	hour := rapid.SampledFrom([]int{0, 4, 5, 8, 9, 12, 13, 17, 20, 23}).Draw(t, "hour")
	return time.Date(2026, 3, 26+day, hour, rapid.SampledFrom([]int{0, 0, 15, 59}).Draw(t, "minute"), 0, 0, zone)
}

func drawSeries(t *rapid.T, zone *time.Location, uid int) modelSeries {
	start := drawMoment(t, zone)
	length := time.Duration(rapid.IntRange(1, 20).Draw(t, "hours")) * time.Hour
	lines := []string{fmt.Sprintf("UID:a%d", uid), written("DTSTART", start), fmt.Sprintf("DURATION:PT%dH", int(length.Hours()))}
	count, step, days := 1, 1, []time.Weekday(nil)
	switch rapid.IntRange(0, 2).Draw(t, "kind") {
	case 1:
		step, count = rapid.IntRange(1, 3).Draw(t, "interval"), rapid.IntRange(1, 6).Draw(t, "count")
		lines = append(lines, fmt.Sprintf("RRULE:FREQ=DAILY;INTERVAL=%d;COUNT=%d", step, count))
	case 2:
		days = []time.Weekday{start.Weekday(), time.Weekday(rapid.IntRange(0, 6).Draw(t, "weekday"))}
		count = 100
		lines = append(lines, fmt.Sprintf("RRULE:FREQ=WEEKLY;BYDAY=%s,%s", strings.ToUpper(days[0].String()[:2]), strings.ToUpper(days[1].String()[:2])))
	}
	var s modelSeries
	for n, day := 0, 0; n < count && day < 60; day++ {
		at := start.AddDate(0, 0, day)
		if day%step == 0 && (days == nil || slices.Contains(days, at.Weekday())) {
			n++
			s.times = append(s.times, [2]time.Time{at, at.Add(length)})
		}
	}
	moved := ""
	if i := rapid.IntRange(0, 3*len(s.times)).Draw(t, "changed"); count > 1 && i < len(s.times) {
		was := s.times[i][0]
		if rapid.Bool().Draw(t, "gone") {
			lines = append(lines, written("EXDATE", was))
			s.times = slices.Delete(s.times, i, i+1)
		} else {
			to := drawMoment(t, zone)
			s.times[i] = [2]time.Time{to, to.Add(time.Hour)}
			moved = "BEGIN:AVAILABLE\n" + lines[0] + "\n" + written("RECURRENCE-ID", was) + "\n" + written("DTSTART", to) + "\nDURATION:PT1H\nEND:AVAILABLE\n"
		}
	}
	s.text = "BEGIN:AVAILABLE\n" + strings.Join(lines, "\n") + "\nEND:AVAILABLE\n" + moved
	return s
}

func drawBlock(t *rapid.T) (b modelBlock, text string) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	zone := rapid.SampledFrom([]*time.Location{time.UTC, berlin}).Draw(t, "zone")
	lines := []string{"UID:b"}
	if rapid.Bool().Draw(t, "has start") {
		b.from = drawMoment(t, zone)
		lines = append(lines, written("DTSTART", b.from))
	}
	if rapid.Bool().Draw(t, "has end") {
		if b.to = drawMoment(t, zone); !b.from.IsZero() && !b.to.After(b.from) {
			b.to = b.from.Add(time.Hour)
		}
		lines = append(lines, written("DTEND", b.to))
	}
	b.priority, b.busy = rapid.IntRange(0, 3).Draw(t, "priority"), rapid.SampledFrom([]string{"BUSY", "BUSY-UNAVAILABLE", "BUSY-TENTATIVE"}).Draw(t, "busy")
	lines = append(lines, fmt.Sprintf("PRIORITY:%d", b.priority), "BUSYTYPE:"+b.busy)
	for i := range rapid.IntRange(0, 3).Draw(t, "series") {
		s := drawSeries(t, zone, i)
		b.free = append(b.free, s)
		lines = append(lines, strings.TrimSpace(s.text))
	}
	return b, "BEGIN:VAVAILABILITY\n" + strings.Join(lines, "\n") + "\nEND:VAVAILABILITY\n"
}

func (b *modelBlock) covers(at time.Time) bool {
	return !at.Before(b.from) && (b.to.IsZero() || at.Before(b.to))
}

func (b *modelBlock) frees(at time.Time) bool {
	return slices.ContainsFunc(b.free, func(s modelSeries) bool {
		return slices.ContainsFunc(s.times, func(x [2]time.Time) bool { return !at.Before(x[0]) && at.Before(x[1]) })
	})
}

// modelAt is what a minute is: of the blocks that cover it those of the highest
// priority count, and one of them that frees it is enough.
func modelAt(blocks []modelBlock, at time.Time) string {
	order := func(p int) int { return (p + 9) % 10 } // 1 is the first, and 0 the last
	best := 10
	for i := range blocks {
		if blocks[i].covers(at) {
			best = min(best, order(blocks[i].priority))
		}
	}
	types := map[string]bool{}
	for i := range blocks {
		if b := &blocks[i]; b.covers(at) && order(b.priority) == best {
			if b.frees(at) {
				return ""
			}
			types[b.busy] = true
		}
	}
	return list(types)
}

func list(types map[string]bool) string {
	var out []string
	for k := range types {
		out = append(out, k)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// TestBusyAgreesWithEveryMinute: the overlay is what one finds who asks of every
// minute by itself.
func TestBusyAgreesWithEveryMinute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var blocks []modelBlock
		var text strings.Builder
		for range rapid.IntRange(1, 4).Draw(t, "blocks") {
			b, lines := drawBlock(t)
			blocks = append(blocks, b)
			text.WriteString(lines)
		}
		a, err := Parse(calendarText(text.String()))
		if err != nil {
			t.Fatalf("%v\n%s", err, &text)
		}
		w := calendar.Window{From: lawStart, To: lawStart.AddDate(0, 0, lawDays)}
		busy, err := a.Busy(context.Background(), w, recur.UTC)
		if err != nil {
			t.Fatal(err)
		}
		for at := w.From; at.Before(w.To); at = at.Add(time.Minute) {
			types := map[string]bool{}
			for _, b := range busy {
				if !at.Before(b.Start) && at.Before(b.End) {
					types[b.Type] = true
				}
			}
			if got, want := list(types), modelAt(blocks, at); got != want {
				t.Fatalf("%v is %q, want %q\n%s", at, got, want, &text)
			}
		}
	})
}
