package cache_test

import (
	"context"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
)

// before is a store in which something happens before the next snapshots.
type before struct {
	calendar.Store
	views []func() // what the next ones call, nil for nothing
}

func (s *before) View(ctx context.Context, owner calendar.Owner, fn func(calendar.ReadTx) error) error {
	if len(s.views) > 0 {
		next := s.views[0]
		if s.views = s.views[1:]; next != nil {
			next()
		}
	}
	return s.Store.View(ctx, owner, fn)
}

// A calendar that is renamed between the state that a reader looks at and the snapshot that
// he takes for it is not remembered under its old name.
func TestRenamedBeforeTheSnapshot(t *testing.T) {
	for skip := range 3 { // whichever snapshot it is
		s := &before{Store: calendartest.NewStore()}
		svc := service.New(s, nil, service.Options{Now: time.Now, CacheBytes: 1 << 20})
		_, err := svc.CreateCalendar(t.Context(), anna, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: other}, DefaultACL: true})
		if err == nil {
			_, err = svc.PutObject(t.Context(), anna, calendar.PutRequest{Ref: calendar.Ref{Calendar: other, Name: "o.ics"}, Data: event("o", "20260202T090000Z", "")})
		}
		if err != nil {
			t.Fatal(err)
		}
		names := func() (list []string) {
			for _, id := range []calendar.ID{other, "anna:renamed"} {
				svc.ListObjects(context.Background(), anna, id, func(o *calendar.Object) error {
					list = append(list, string(id)+" has "+string(o.Calendar)+"/"+o.Name)
					return nil
				})
			}
			return list
		}
		s.views = make([]func(), skip, skip+1)
		s.views = append(s.views, func() {
			_, err := svc.CopyCalendar(context.Background(), anna, calendar.CopyRequest{From: calendar.Ref{Calendar: other}, To: calendar.Ref{Calendar: "anna:renamed"}, Move: true})
			if err != nil {
				t.Error(err)
			}
		})
		names()
		if len(s.views) > 0 {
			continue // so many there are not
		}
		if got := names(); len(got) != 1 || got[0] != "anna:renamed has anna:renamed/o.ics" {
			t.Errorf("before snapshot %d: %q", skip, got)
		}
	}
}
