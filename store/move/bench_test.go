package move

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"factotum/server/calendar"
)

// BenchmarkMove is how many objects of 1.5 KB a second go from one back end to another
// over DWP, compared and activated, and dropped where they were.
func BenchmarkMove(b *testing.B) {
	const objects = 20_000
	s := newSite(b, nil)
	text := bytes.Repeat([]byte("DESCRIPTION:some words of a meeting\r\n"), 40)
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := s.hosts[hostA].keep.Store().Update(bg, "ben", func(tx calendar.Tx) error {
		change, err := tx.NextChange()
		if err != nil {
			return err
		}
		if err := tx.InsertCalendar(calendar.CalendarRow{ID: 1, Name: "calendar", Change: change, Created: at, Modified: at}); err != nil {
			return err
		}
		for n := range objects {
			name := fmt.Sprint("o", n)
			o := calendar.ObjectRow{Cal: 1, Name: name, UID: name, Component: "VEVENT", Change: change, Created: at, Modified: at, Data: text}
			if err := tx.PutIndexed(o, []calendar.OccurrenceRow{{Name: name, Start: int64(n), End: int64(n) + 60}}); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	from, to, frozen := hostA, hostB, 0.0
	for b.Loop() {
		if err := s.hosts[from].mover.Move(bg, "ben", to); err != nil {
			b.Fatal(err)
		}
		st := s.hosts[from].wait("ben")
		if st.State != stateMoved {
			b.Fatalf("%+v", st)
		}
		frozen += st.Frozen
		from, to = to, from
	}
	b.ReportMetric(objects*float64(b.N)/b.Elapsed().Seconds(), "objects/s")
	b.ReportMetric(1000*frozen/float64(b.N), "frozen-ms")
}
