package match

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"factotum/server/calendar"
)

// TestRFC4791_7_10_MergedPeriods: busy periods of one type that touch are one.
func TestRFC4791_7_10_MergedPeriods(t *testing.T) {
	busy := func(kind string, from, to int) calendar.Busy {
		at := func(h int) time.Time { return moment("20260105").Add(time.Duration(h) * time.Hour) }
		return calendar.Busy{Start: at(from), End: at(to), Type: kind}
	}
	got := MergeBusy([]calendar.Busy{
		busy("BUSY", 14, 15), busy("BUSY", 9, 10), busy("BUSY-TENTATIVE", 9, 12), busy("BUSY", 10, 11), busy("BUSY", 9, 10),
		busy("BUSY", 16, 20), busy("BUSY", 17, 18), busy("BUSY-TENTATIVE", 13, 14),
	})
	want := []calendar.Busy{busy("BUSY", 9, 11), busy("BUSY-TENTATIVE", 9, 12), busy("BUSY-TENTATIVE", 13, 14), busy("BUSY", 14, 15), busy("BUSY", 16, 20)}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := MergeBusy(nil); len(got) != 0 {
		t.Error(got)
	}
}
