package acceptance

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"factotum/cmd/internal/hosttest"
	"factotum/protocol/dav"
	"factotum/server/ical"
	"factotum/server/ical/icaltest"
)

// objects are texts by the name of the object.
type objects map[string]string

var realOnce sync.Once
var real objects

// realEvents are n objects out of what people's programs exported and of our
// own in their manner: imported with csimport, and read back. They are the
// same in every run. Without the shared data ours come again and again, under
// other UIDs.
func realEvents(t testing.TB, n int) objects {
	t.Helper()
	files := icaltest.Calendars(t, "programs")
	if icaltest.HasShared(t) {
		files = append(files, icaltest.SharedCalendars(t, "exports")...)
		files = append(files, icaltest.SharedCalendars(t, "recurring")...)
		files = slices.DeleteFunc(files, func(f string) bool {
			return filepath.Base(f) == "mathBirthdays.ics" // 1,321 of the same kind
		})
	} else {
		files = again(t, files, 16)
	}
	realOnce.Do(func() {
		h := installed(t).start(t)
		h.visit(t, "anna")
		out, err := calserver(t, append([]string{"csimport", "-C", h.conf, "-q", "-c", "anna:calendar", "calendar"}, files...)...)
		got := h.everything(t, "anna", cal("anna"))
		if len(got) < 400 {
			t.Fatalf("csimport stored %d objects: %v\n%s", len(got), err, out)
		}
		real = got
	})
	names := slices.Sorted(maps.Keys(real))
	out := objects{}
	for i := range n {
		name := names[i*len(names)/n]
		out[name] = real[name]
	}
	if len(out) != n {
		t.Fatalf("only %d real objects", len(out))
	}
	return out
}

// again copies files a number of times, with a UID of its own in each copy.
func again(t testing.TB, files []string, times int) (out []string) {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for i := range times {
			copied := filepath.Join(dir, fmt.Sprintf("%d-%s", i, filepath.Base(f)))
			hosttest.Write(t, copied, uidLine.ReplaceAllString(string(data), fmt.Sprintf("${1}%d-", i)))
			out = append(out, copied)
		}
	}
	return out
}

var uidLine = regexp.MustCompile(`(?im)^(UID:)`)

// everything reads all objects of a calendar.
func (h *host) everything(t testing.TB, user, calendar string) objects {
	t.Helper()
	out := objects{}
	for _, n := range h.do(t, user, "REPORT", calendar, `<C:calendar-query`+xmlNames+`><D:prop><D:getetag/><C:calendar-data/></D:prop>`+
		`<C:filter><C:comp-filter name="VCALENDAR"/></C:filter></C:calendar-query>`, "Depth: 1").is(207).responses() {
		ps := n.Child(dav.D("propstat"))
		out[path.Base(n.Child(dav.D("href")).TrimText())] = ps.Child(dav.D("prop")).Child(dav.C("calendar-data")).Text
	}
	return out
}

// load puts objects into a calendar.
func (h *host) load(t testing.TB, user, calendar string, all objects) {
	t.Helper()
	for name, text := range all {
		h.do(t, user, "PUT", calendar+name, text, "Content-Type: text/calendar; charset=utf-8", "If-None-Match: *").is(201)
	}
}

// sameText tells how two texts differ as iCalendar, "" if they do not: line
// ends and folding are the only liberties.
func sameText(a, b string) string {
	if a == b {
		return ""
	}
	ca, err := ical.Parse([]byte(a), ical.DefaultLimits)
	if err != nil {
		return err.Error()
	}
	cb, err := ical.Parse([]byte(b), ical.DefaultLimits)
	if err != nil {
		return err.Error()
	}
	if ical.Equal(ca, cb) {
		return ""
	}
	return ical.Diff(ca, cb)
}

func uidOf(t testing.TB, text string) string {
	t.Helper()
	c, err := ical.Parse([]byte(text), ical.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range c.Children {
		if uid := k.Value("UID"); uid != "" {
			return uid
		}
	}
	t.Fatalf("no UID in\n%s", text)
	return ""
}

// byUID finds the objects by their UID.
func byUID(t testing.TB, all objects) objects {
	t.Helper()
	out := objects{}
	for _, text := range all {
		uid := uidOf(t, text)
		if _, twice := out[uid]; twice {
			t.Fatalf("the UID %s is there twice", uid)
		}
		out[uid] = text
	}
	return out
}

// sameObjects compares two sets by UID and content. It returns how many are
// the same octet for octet.
func sameObjects(t testing.TB, what string, got, want objects) (octets int) {
	t.Helper()
	g, w := byUID(t, got), byUID(t, want)
	for uid, text := range w {
		have, ok := g[uid]
		if !ok {
			t.Errorf("%s: %s is lost", what, uid)
			continue
		}
		if d := sameText(have, text); d != "" {
			t.Errorf("%s: %s is altered: %s", what, uid, d)
		}
		if have == text {
			octets++
		}
	}
	for uid := range g {
		if _, ok := w[uid]; !ok {
			t.Errorf("%s: %s is there, and should not be", what, uid)
		}
	}
	return octets
}

// readDir reads the .ics files of a directory.
func readDir(t testing.TB, dir string) objects {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.ics"))
	if err != nil {
		t.Fatal(err)
	}
	out := objects{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(f)] = string(b)
	}
	return out
}

// edited is an event with another summary in its last component.
func edited(t testing.TB, text, summary string) string {
	t.Helper()
	i := strings.LastIndex(text, "END:VEVENT")
	if i < 0 {
		t.Fatalf("no event in\n%s", text)
	}
	eol := "\n"
	if strings.Contains(text, "\r\n") {
		eol = "\r\n"
	}
	return text[:i] + fmt.Sprintf("X-EDITED:%s%s", summary, eol) + text[i:]
}
