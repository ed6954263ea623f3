package calendar_test

import (
	"errors"
	"testing"

	"factotum/server/calendar"
)

func TestJobID(t *testing.T) {
	for _, id := range []calendar.JobID{{Owner: "anna", Change: 17}, {Owner: "anna@example.com", Change: 1 << 40, Seq: 3}, {Owner: "a/1/2", Change: 3, Seq: 4}} {
		if got, err := calendar.ParseJobID(id.String()); got != id || err != nil {
			t.Errorf("%v is read as %+v, %v", id, got, err)
		}
	}
	for _, bad := range []string{"", "anna", "anna/1", "/1/2", "anna/x/1", "anna/1/x", "anna/1/", "1/2"} {
		if id, err := calendar.ParseJobID(bad); !errors.Is(err, calendar.Invalid) || id != (calendar.JobID{}) {
			t.Errorf("%q is read as %+v, %v", bad, id, err)
		}
	}
	ordered := []calendar.JobID{{}, {Owner: "a"}, {Owner: "a", Change: 2, Seq: 9}, {Owner: "a", Change: 10}, {Owner: "a", Change: 10, Seq: 1}, {Owner: "b"}}
	for i, a := range ordered {
		for j, b := range ordered {
			if got := a.Compare(b); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("%v and %v compare as %d", a, b, got)
			}
		}
	}
}
