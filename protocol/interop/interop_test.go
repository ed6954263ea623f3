package interop

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// send is ask with parameters that are lists already.
func (s *site) send(t fataler, command string, p url.Values, raw string) {
	p.Set("id", s.sid)
	w := httptest.NewRecorder()
	s.wcap.ServeHTTP(w, httptest.NewRequest("GET", "/"+command+"?"+strings.ReplaceAll(p.Encode(), "+", "%20")+raw, nil))
	if !strings.Contains(w.Body.String(), "X-NSCP-WCAP-ERRNO:0\r\n") {
		t.Fatalf("%s?%s%s\n%s", command, p.Encode(), raw, w.Body)
	}
}

// writeWCAP stores an item as WCAP clients do: the master, then deletions,
// then the exception.
func (s *site) writeWCAP(t fataler, it *item) {
	store := "storeevents.wcap"
	if it.todo {
		store = "storetodos.wcap"
	}
	p, raw := it.params()
	s.send(t, store, p, raw)
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

func (s *site) readWCAP(t fataler, it *item) string {
	fetch := "fetchevents_by_id.wcap"
	if it.todo {
		fetch = "fetchtodos_by_id.wcap"
	}
	return s.store(t, fetch, url.Values{"calid": {"anna"}, "uid": {it.uid}, "recurring": {"1"}, "compressed": {"1"}, "relativealarm": {"1"}, "emailorcalid": {"1"}})
}

// TestWriteByAReadByB stores random events and tasks by each protocol and
// reads them by both: all four say the same. Then WCAP changes one property,
// and what CalDAV reads is the same but for that.
func TestWriteByAReadByB(t *testing.T) {
	s := newSite(t)
	rounds := 3 // of a hundred cases each
	if os.Getenv("FACTOTUM_LONG") != "" {
		rounds = 100
	}
	n := 0
	for range rounds {
		rapid.Check(t, func(t *rapid.T) {
			n++
			it := draw(t, fmt.Sprintf("uid-%d", n))
			want := read(t, it.text(), false)
			differ := func(what, got string) {
				if got != want {
					t.Fatalf("%s:\n%s\nwant\n%s", what, got, want)
				}
			}
			path := it.uid + ".ics"
			s.dav(t, "PUT", path, it.text(), 201)
			differ("CalDAV to CalDAV", read(t, s.dav(t, "GET", path, "", 200), false))
			differ("CalDAV to WCAP", read(t, s.readWCAP(t, &it), true))
			s.dav(t, "DELETE", path, "", 204)
			s.writeWCAP(t, &it)
			differ("WCAP to WCAP", read(t, s.readWCAP(t, &it), true))
			differ("WCAP to CalDAV", read(t, s.dav(t, "GET", path, "", 200), false))
			s.dav(t, "DELETE", path, "", 204)

			// Kept by a change of something else.
			text := strings.Replace(it.text(), "\r\nUID", "\r\nX-KEPT;P=1:kept\r\nUID", 1)
			s.dav(t, "PUT", path, text, 201)
			store := "storeevents.wcap"
			if it.todo {
				store = "storetodos.wcap"
			}
			p := url.Values{"calid": {"anna"}, "uid": {it.uid}, "icsUrl": {"http://x/"}, "mod": {"4"}}
			s.store(t, store, p)
			want = read(t, text, false)
			differ("after a change by WCAP", read(t, s.dav(t, "GET", path, "", 200), false))
			s.dav(t, "DELETE", path, "", 204)
		})
	}
	if n < 100*rounds {
		t.Errorf("%d cases, want %d", n, 100*rounds)
	}
}
