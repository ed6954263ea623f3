package importer_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"factotum/cmd/internal/importer"
	"factotum/cmd/internal/tooltest"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/ical/icaltest"
)

// sink takes what an importer sends, and looks at it.
type sink struct {
	t    testing.TB
	uids map[string]bool
}

func (s *sink) PutObjects(_ context.Context, _ calendar.Actor, req calendar.PutObjectsRequest) ([]calendar.PutItemResult, error) {
	out := make([]calendar.PutItemResult, len(req.Items))
	for i, it := range req.Items {
		out[i].Created = true
		cal, err := ical.Parse(it.Data, importer.Limits)
		if err != nil {
			s.t.Errorf("half an object is sent: %v\n%q", err, it.Data)
			continue
		}
		uid := ""
		for _, c := range cal.Children {
			switch v := strings.TrimSpace(c.Value("UID")); {
			case c.Name == "VTIMEZONE":
			case v == "" || uid != "" && v != uid:
				s.t.Errorf("an object with the UIDs %q and %q is sent:\n%s", uid, v, it.Data)
			default:
				uid = v
			}
		}
		if s.uids[uid] {
			s.t.Errorf("two objects of the UID %q are sent", uid)
		}
		s.uids[uid] = true
	}
	return out, nil
}

// tryImport imports a file into a sink and checks the report.
func tryImport(t testing.TB, data []byte) {
	s := &sink{t: t, uids: map[string]bool{}}
	im := importer.Importer{Store: s, Calendar: "anna"}
	if err := im.File(t.Context(), "f.ics", data); err != nil {
		t.Fatal(err)
	}
	if err := im.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	r := im.Report
	if r.Created != len(s.uids) || len(r.Items) != r.Stored()+r.Refused {
		t.Errorf("%d created of %d sent; %d items, %d stored, %d refused", r.Created, len(s.uids), len(r.Items), r.Stored(), r.Refused)
	}
	for i := range r.Items {
		if it := &r.Items[i]; it.Line < 1 || (it.Outcome == importer.Refused) != (it.Reason != "") {
			t.Errorf("%+v", it)
		}
	}
}

// Cut off anywhere, a file is not stored by half.
func TestImportOfCutFiles(t *testing.T) {
	cutFiles(t, append(icaltest.Calendars(t, "malformed"), icaltest.Calendars(t, "programs")...))
}

func TestImportOfCutSharedFiles(t *testing.T) {
	cutFiles(t, append(icaltest.SharedCalendars(t, "malformed"), icaltest.SharedCalendars(t, "exports")[:5]...))
}

func cutFiles(t *testing.T, files []string) {
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; n < len(data); n += 1 + len(data)/60 {
			tryImport(t, data[:n])
		}
	}
}

func FuzzImportFile(f *testing.F) {
	for _, s := range []string{
		"", "x", tooltest.Calendar(), tooltest.Calendar(tooltest.Event("a", "A"), tooltest.Event("", "B"), tooltest.Event("a", "C", "SEQUENCE:1\r\n")), tooltest.Calendar(tooltest.Berlin, tooltest.Zoned("1", "Europe/Berlin")) + tooltest.Calendar(tooltest.Event("1", "x")),
		tooltest.Calendar("METHOD:CANCEL\r\n", tooltest.Event("r", "R")), "BEGIN:VCALENDAR\nBEG\n IN:VEVENT\nEND:VEVENT\nEND:VCALENDAR\n",
		tooltest.Calendar("BEGIN:VALARM\r\nEND:VALARM\r\n"), tooltest.Calendar(tooltest.Event("a", "A", "RECURRENCE-ID:1\r\n"), "BEGIN:VTODO\r\nUID:a\r\nEND:VTODO\r\n"),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) { tryImport(t, data) })
}
