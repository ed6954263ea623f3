package calendar_test

import (
	"errors"
	"testing"
	"time"

	"factotum/server/calendar"
)

func TestEventRef(t *testing.T) {
	ref := calendar.NewEventRef("enp:///ics/alarm", "calid", "anna:a b&c", "uid", "1+2%", "rid", "")
	const text = "enp:///ics/alarm?calid=anna%3Aa%20b%26c&uid=1%2B2%25"
	if ref.String() != text {
		t.Errorf("spelled %s", ref)
	}
	back, err := calendar.ParseEventRef(text)
	if err != nil || back.String() != text {
		t.Errorf("read as %v, %v", back, err)
	}
	if v, ok := back.Param("calid"); v != "anna:a b&c" || !ok {
		t.Errorf("calid is %q, %v", v, ok)
	}
	if _, ok := back.Param("rid"); ok {
		t.Error("there is a rid")
	}
	if r, err := calendar.ParseEventRef("enp:///ics/alarm/?calid=a"); err != nil || r.String() != "enp:///ics/alarm?calid=a" {
		t.Errorf("a slash before the question mark: %v, %v", r, err)
	}
	for _, bad := range []string{"", "alarm", "http://x/y", "enp:///ics/alarm?calid=%z"} {
		if r, err := calendar.ParseEventRef(bad); !errors.Is(err, calendar.Invalid) {
			t.Errorf("%q is read as %v, %v", bad, r, err)
		}
	}
}

func TestEventRefMatches(t *testing.T) {
	published, err := calendar.ParseEventRef("enp:///ics/alarm?calid=jac&uid=7")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"enp:///ics/alarm": true, "enp:///ics/alarm?calid=jac": true, "enp:///ics/alarm?uid=7&calid=jac": true, "enp:///ics/*": true,
		"enp:///ics/*?calid=jac": true, "enp:///ics/*?calid=bob": false,
		"enp:///ics/alarm?calid=bob": false, "enp:///ics/alarm?calid=jac&rid=1": false, "enp:///ics/alarms": false, "enp:///ics": false,
	} {
		sub, err := calendar.ParseEventRef(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := sub.Matches(published); got != want {
			t.Errorf("%s matches: %v", text, got)
		}
	}
}

func TestPublicationJob(t *testing.T) {
	p := calendar.Publication{ID: "1", Ref: "enp:///ics/alarm?calid=a", Owner: "a", When: time.Unix(5, 0).UTC(), ContentType: "text/calendar", Data: []byte("x\x00y")}
	job, err := p.Job("k")
	if err != nil || job.Kind != calendar.JobPublish || job.Key != "k" {
		t.Fatalf("%+v, %v", job, err)
	}
	back, err := calendar.ParsePublication(job)
	if err != nil || back.ID != p.ID || !back.When.Equal(p.When) || string(back.Data) != "x\x00y" || !back.Expires.IsZero() {
		t.Errorf("read as %+v, %v", back, err)
	}
}
