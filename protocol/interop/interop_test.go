package interop

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"factotum/protocol/sitetest"
)

// writeWCAP stores an item as WCAP clients do: the master, then deletions,
// then the exception.
func (s *site) writeWCAP(t sitetest.Fataler, it *item) {
	store := it.command("storeevents.wcap", "storetodos.wcap")
	p, raw := it.params()
	s.upload(t, store, p, raw, it.files)
	for _, n := range it.gone {
		rid := it.moment(it.start.AddDate(0, 0, n), true)
		s.store(t, "deleteevents_by_id.wcap", url.Values{"calid": {"anna"}, "uid": {it.uid}, "rid": {rid}, "mod": {"1"}, "tzid": {"Europe/Berlin"}})
	}
	if it.moved > 0 {
		p := url.Values{"calid": {"anna"}, "uid": {it.uid}, "mod": {"1"}, "rid": {it.moment(it.start.AddDate(0, 0, it.moved), true)},
			"dtstart": {it.moment(it.start.AddDate(0, 0, it.moved).Add(hour), true)}, "dtend": {it.moment(it.end.AddDate(0, 0, it.moved).Add(hour), true)}}
		if len(it.people) > 0 {
			p.Set("method", "2")
		}
		s.store(t, store, p)
	}
}

const hour = 3600_000_000_000

func (s *site) readWCAP(t sitetest.Fataler, it *item) string {
	return s.store(t, it.command("fetchevents_by_id.wcap", "fetchtodos_by_id.wcap"), url.Values{"calid": {"anna"}, "uid": {it.uid}, "recurring": {"1"}, "compressed": {"1"}, "relativealarm": {"1"}, "emailorcalid": {"1"}})
}

// TestWriteByAReadByB stores random events and tasks by each protocol and
// reads them by both: all four say the same, on every kind of site. Then WCAP
// changes one property, and what CalDAV reads is the same but for that.
func TestWriteByAReadByB(t *testing.T) {
	cases := 100
	if os.Getenv("FACTOTUM_LONG") != "" {
		cases = 10_000
	}
	for _, v := range sitetest.Variants {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, v)
			n, files := 0, 0
			for n < cases && !t.Failed() { // how many a check is depends on rapid's flags, and on -short
				rapid.Check(t, func(t *rapid.T) {
					n++
					it := draw(t, fmt.Sprintf("uid-%d", n))
					files += len(it.files)
					s.exchange(t, &it, n%2 == 0)
				})
			}
			if files < cases/10 {
				t.Errorf("%d cases with %d files, want %d at least", n, files, cases/10)
			}
		})
	}
}

// exchange is one case.
func (s *site) exchange(t sitetest.Fataler, it *item, even bool) {
	want := read(t, it.text(), false)
	differ := func(what, got string) {
		if got != want {
			t.Fatalf("%s:\n%s\nwant\n%s", what, got, want)
		}
	}
	path := it.uid + ".ics"
	s.dav(t, "PUT", path, it.text(), 201)
	differ("CalDAV to CalDAV", read(t, s.dav(t, "GET", path, "", 200), false))
	differ("CalDAV to WCAP", read(t, s.readWCAP(t, it), true))
	s.dav(t, "DELETE", path, "", 204)
	s.writeWCAP(t, it)
	shown, stored := s.readWCAP(t, it), s.dav(t, "GET", path, "", 200)
	differ("WCAP to WCAP", read(t, shown, true))
	differ("WCAP to CalDAV", read(t, stored, false))
	s.readFiles(t, it, shown, stored)
	if len(it.files) > 0 {
		// CalDAV writes back what it read: the files stay.
		s.dav(t, "PUT", path, stored, 204)
		again := s.dav(t, "GET", path, "", 200)
		differ("CalDAV to CalDAV, with files", read(t, again, false))
		s.readFiles(t, it, s.readWCAP(t, it), again)
	}
	if even {
		s.dav(t, "DELETE", path, "", 204)
	} else {
		s.store(t, it.command("deleteevents_by_id.wcap", "deletetodos_by_id.wcap"), url.Values{"calid": {"anna"}, "uid": {it.uid}, "rid": {"0"}, "mod": {"4"}})
		s.dav(t, "GET", path, "", 404)
	}
	s.noFiles(t, it, stored)

	// Kept by a change of something else.
	text := strings.Replace(it.text(), "\r\nUID", "\r\nX-KEPT;P=1:kept\r\nUID", 1)
	s.dav(t, "PUT", path, text, 201)
	p := url.Values{"calid": {"anna"}, "uid": {it.uid}, "icsUrl": {"http://x/"}, "mod": {"4"}}
	s.store(t, it.command("storeevents.wcap", "storetodos.wcap"), p)
	want = read(t, text, false)
	differ("after a change by WCAP", read(t, s.dav(t, "GET", path, "", 200), false))
	s.dav(t, "DELETE", path, "", 204)
}

// command is the one for the kind of an item.
func (it *item) command(event, todo string) string {
	if it.todo {
		return todo
	}
	return event
}
