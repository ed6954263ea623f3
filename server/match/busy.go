package match

import (
	"slices"
	"strings"

	"factotum/server/calendar"
)

// MergeBusy sorts the periods and joins those of one type that touch.
func MergeBusy(all []calendar.Busy) []calendar.Busy {
	slices.SortFunc(all, func(a, b calendar.Busy) int {
		if c := strings.Compare(a.Type, b.Type); c != 0 {
			return c
		}
		return a.Start.Compare(b.Start)
	})
	out := all[:0]
	for _, b := range all {
		if n := len(out); n > 0 && out[n-1].Type == b.Type && !b.Start.After(out[n-1].End) {
			if b.End.After(out[n-1].End) {
				out[n-1].End = b.End
			}
			continue
		}
		out = append(out, b)
	}
	slices.SortStableFunc(out, func(a, b calendar.Busy) int { return a.Start.Compare(b.Start) })
	return out
}
