package importer_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"factotum/cmd/internal/importer"
	"factotum/cmd/internal/tooltest"
	"factotum/server/calendar"
)

// shelf is where calendars are made; it has none yet.
type shelf struct {
	made []calendar.Calendar
	err  error
}

func (s *shelf) Calendar(_ context.Context, _ calendar.Actor, id calendar.ID) (calendar.Calendar, error) {
	return calendar.Calendar{}, &calendar.Error{Kind: calendar.NoCalendar, Ref: string(id)}
}

func (s *shelf) CreateCalendar(_ context.Context, _ calendar.Actor, req calendar.CreateCalendarRequest) (calendar.Calendar, error) {
	s.made = append(s.made, req.Calendar)
	return req.Calendar, s.err
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSources(t *testing.T) {
	dir := t.TempDir()
	b, a := write(t, dir+"/all/b.ics", "12345"), write(t, dir+"/all/a/x.ICS", "")
	write(t, dir+"/all/c.txt", "")
	list, err := importer.Sources([]string{"-", dir + "/all", b})
	if err != nil || len(list) != 4 || list[0].Path != "-" || list[1].Path != a || list[2].Path != b || list[3].Path != b || importer.Total(list) != 12 {
		t.Errorf("%+v %v", list, err)
	}
	if err := os.Mkdir(dir+"/none", 0o700); err != nil {
		t.Fatal(err)
	}
	for word, says := range map[string]string{dir + "/none": "has no .ics or .xml files", dir + "/x": "no such file"} {
		if _, err := importer.Sources([]string{word}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", word, err)
		}
	}
}

// The calendar is made as the first file that can be read describes it; how far
// a run is never goes back, and ends at the end.
func TestJob(t *testing.T) {
	dir := t.TempDir()
	one := write(t, dir+"/1.ics", tooltest.Calendar("X-WR-CALNAME:Holidays\r\nX-WR-TIMEZONE:Europe/Paris\r\nCOLOR:red\r\n", tooltest.Event("a", "A"), tooltest.Event("b", "B")))
	two := write(t, dir+"/2.ics", tooltest.Calendar("X-WR-CALNAME:Other\r\n", tooltest.Event("c", "C")))
	sources, err := importer.Sources([]string{one, two})
	if err != nil {
		t.Fatal(err)
	}
	sources = append([]importer.Source{{Path: dir + "/gone.ics", Size: 5}}, append(sources, importer.Source{Path: "-"})...)
	s, made, last := &shelf{}, 0, int64(0)
	j := &importer.Job{
		Importer: importer.Importer{Store: &sink{t: t, uids: map[string]bool{}}, Calendar: "anna:holidays"},
		Create:   s, Made: func() { made++ }, Stdin: strings.NewReader(tooltest.Calendar(tooltest.Event("d", "D"))),
		Progress: func(octets int64) {
			if octets < last || octets > importer.Total(sources) {
				t.Errorf("%d octets after %d", octets, last)
			}
			last = octets
		},
	}
	if err := j.Run(t.Context(), sources); err != nil {
		t.Fatal(err)
	}
	if r := j.Report; r.Created != 4 || r.Refused != 1 || r.Files != 4 || r.Stored() != 4 || !strings.Contains(r.Items[0].Reason, "no such file") {
		t.Errorf("%+v", r)
	}
	if made != 1 || len(s.made) != 1 || s.made[0].DisplayName != "Holidays" || s.made[0].TZID != "Europe/Paris" || s.made[0].Color != "red" || s.made[0].ID != "anna:holidays" {
		t.Errorf("%d %+v", made, s.made)
	}
	if last == 0 {
		t.Error("nobody was told how far it is")
	}
	// Where it cannot be made nothing is stored.
	s.err = &calendar.Error{Kind: calendar.Denied}
	j = &importer.Job{Importer: importer.Importer{Store: &sink{t: t}, Calendar: "ben"}, Create: s}
	var unmade *importer.MakeError
	if err := j.Run(t.Context(), sources[1:2]); !errors.As(err, &unmade) || !errors.Is(err, calendar.Denied) || len(j.Report.Items) > 0 {
		t.Errorf("%v %+v", err, j.Report)
	}
}

// deadStore takes nothing.
type deadStore struct{}

func (deadStore) PutObjects(context.Context, calendar.Actor, calendar.PutObjectsRequest) ([]calendar.PutItemResult, error) {
	return nil, &calendar.Error{Kind: calendar.ReadOnly}
}

// A store that fails ends the job, and the report says what was not stored.
func TestJobOnAStoreThatFails(t *testing.T) {
	file := write(t, t.TempDir()+"/1.ics", tooltest.Calendar(tooltest.Event("a", "A"), tooltest.Event("b", "B")))
	j := &importer.Job{Importer: importer.Importer{Store: deadStore{}, Calendar: "anna"}}
	err := j.Run(t.Context(), []importer.Source{{Path: file}})
	if !errors.Is(err, calendar.ReadOnly) || j.Report.Refused != 2 || j.Report.Items[1].Reason != "the calendar store is in read-only mode" {
		t.Errorf("%v %+v", err, j.Report)
	}
}
