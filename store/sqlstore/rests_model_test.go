package sqlstore

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"factotum/server/calendar"
	"factotum/server/service"

	"github.com/google/go-cmp/cmp"
)

// TestLargeDeletionByTheModel deletes a large calendar of anna while nobody goes on with what is left of it: for
// clients it is gone, name, quota and sync-token too. It comes back, before the pieces have gone and when some have.
func TestLargeDeletionByTheModel(t *testing.T) {
	for engine, open := range openers(t) {
		t.Run(engine, func(t *testing.T) {
			const objects = 40
			s := open(pieces{rows: 4, most: -1})
			m := service.New(s, nil, service.Options{})
			create := func() calendar.Calendar {
				cal, err := m.CreateCalendar(bg, benchAnna, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "anna:work"}, DefaultACL: true})
				if err != nil {
					t.Fatal(err)
				}
				return cal
			}
			list := func() (list []string) {
				if _, err := m.ListObjects(bg, benchAnna, "anna:work", func(o *calendar.Object) error {
					list = append(list, fmt.Sprint(o.Name, " ", len(o.Data)))
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				return list
			}
			put := func(name string) {
				req := benchEvent(name, 0)
				req.Ref.Calendar = "anna:work"
				if _, err := m.PutObject(bg, benchAnna, req); err != nil {
					t.Fatal(err)
				}
			}
			empty, err := m.Home(bg, benchAnna, calendar.HomeRequest{Owner: "anna"})
			if err != nil {
				t.Fatal(err)
			}
			create()
			for i := range objects {
				put(fmt.Sprint("e", i))
			}
			full := list()
			sync, err := m.SyncHome(bg, benchAnna, calendar.SyncHomeRequest{Owner: "anna"})
			if err != nil {
				t.Fatal(err)
			}
			token := sync.Token
			for _, most := range []int{-1, 5, 0} { // none, some, all of the pieces go
				if err := m.DeleteCalendar(bg, benchAnna, calendar.DeleteCalendarRequest{ID: "anna:work"}); err != nil {
					t.Fatal(err)
				}
				if len(rests(t, s)) != 1 {
					t.Fatalf("what is left: %v", rests(t, s))
				}
				home, err := m.Home(bg, benchAnna, calendar.HomeRequest{Owner: "anna"})
				if err != nil || home.UsedBytes != empty.UsedBytes {
					t.Errorf("the home: %+v %v, want %d octets", home, err, empty.UsedBytes)
				}
				if _, err := m.Calendar(bg, benchAnna, "anna:work"); calendar.KindOf(err) != calendar.NoCalendar {
					t.Errorf("the calendar: %v", err)
				}
				if sync, err := m.SyncHome(bg, benchAnna, calendar.SyncHomeRequest{Owner: "anna", Token: token}); err != nil || !slices.Contains(sync.Removed, "anna:work") {
					t.Errorf("the sync of the home: %+v %v", sync, err)
				}
				create() // its name is free
				put("other")
				if got := list(); len(got) != 1 {
					t.Errorf("the new one has %v", got)
				}
				if err := m.DeleteCalendar(bg, benchAnna, calendar.DeleteCalendarRequest{ID: "anna:work"}); err != nil {
					t.Fatal(err)
				}
				s.Close()
				s = open(pieces{rows: 4, most: most})
				m = service.New(s, nil, service.Options{})
				var change int64
				if _, err := m.History(bg, benchAnna, calendar.HistoryRequest{Owner: "anna", Limit: 1000}, func(e calendar.HistoryEntry) error {
					if e.Name == "" && change == 0 {
						change = -1 // of the other one
					} else if e.Name == "" && change == -1 {
						change = e.Change
					}
					return nil
				}); err != nil || change <= 0 {
					t.Fatalf("the history: %d %v", change, err)
				}
				if _, err := m.Undo(bg, benchAnna, calendar.UndoRequest{Owner: "anna", Which: calendar.HistoryFilter{First: change, Last: change}}); err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(full, list()); d != "" {
					t.Errorf("what came back: %s", d)
				}
				if err := s.Check(bg); err != nil {
					t.Error(err)
				}
				s.Close()
				s = open(pieces{rows: 4, most: -1})
				m = service.New(s, nil, service.Options{})
			}
			if !strings.Contains(strings.Join(full, ","), "e39.ics") {
				t.Errorf("it had %v", full)
			}
		})
	}
}
