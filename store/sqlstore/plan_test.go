package sqlstore

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"
	"testing"

	"factotum/server/calendar"
	"factotum/store/storetest/pgtest"
)

// planned are the statements whose plan matters and what each is found by on
// SQLite. What follows the tables' names holds on PostgreSQL too.
var planned = []struct{ text, want string }{
	{sqlHome, "owners USING PRIMARY KEY (owner=?)"},
	{sqlCalendar, "calendars USING INDEX calendars_name (owner=? AND name=?)"},
	{sqlCalendars, "calendars USING INDEX calendars_name (owner=?)"},
	{sqlTouchCalendar, "calendars USING PRIMARY KEY (owner=? AND id=?)"},
	{sqlGoneCalendars, "calendars USING INDEX calendars_gone (owner=? AND change>?) | USE TEMP B-TREE FOR LAST TERM OF ORDER BY"},
	{sqlHighestBuried, "calendars USING INDEX calendars_gone (owner=? AND change>?)"},
	{sqlStub, "objects USING PRIMARY KEY (owner=? AND cal=? AND name=?)"},
	{selectMeta + byName, "o USING PRIMARY KEY (owner=? AND cal=? AND name=?)"},
	{selectData + byName, "o USING PRIMARY KEY (owner=? AND cal=? AND name=?) | b USING INTEGER PRIMARY KEY (rowid=?)"},
	{selectData + byUID, "o USING INDEX objects_uid (owner=? AND cal=? AND uid=?) | b USING INTEGER PRIMARY KEY (rowid=?)"},
	{selectMeta + listed, "o USING PRIMARY KEY (owner=? AND cal=? AND name>?)"},
	{selectData + listed, "o USING PRIMARY KEY (owner=? AND cal=? AND name>?) | b USING INTEGER PRIMARY KEY (rowid=?)"},
	{selectMeta + changed, "o USING INDEX objects_change (owner=? AND cal=? AND change>?)"},
	{selectData + changed, "o USING INDEX objects_change (owner=? AND cal=? AND change>?) | b USING INTEGER PRIMARY KEY (rowid=?)"},
	{selectMeta + buried, "o USING INDEX objects_gone (owner=? AND cal=? AND deleted>? AND deleted<?)"},
	{selectData + buried, "o USING INDEX objects_gone (owner=? AND cal=? AND deleted>? AND deleted<?) | b USING INTEGER PRIMARY KEY (rowid=?)"},
	{selectMeta + latest, "o USING INDEX objects_change (owner=? AND cal=? AND change>? AND change<?)"},
	{sqlUIDTaken, "objects USING COVERING INDEX objects_uid (owner=? AND cal=? AND uid=?)"},
	{sqlUpdateObject, "objects USING PRIMARY KEY (owner=? AND cal=? AND name=?)"},
	{sqlUpdateBody, "bodies USING INTEGER PRIMARY KEY (rowid=?)"},
	{sqlPurgeObjects, "objects USING INDEX objects_gone (owner=? AND cal=? AND deleted>? AND deleted<?)"},
	{sqlDropRun, "occurrences USING PRIMARY KEY (owner=? AND cal=? AND cls=? AND start_at=? AND name=? AND seq=?)"},
	{sqlObjectOccurrences, "objects USING PRIMARY KEY (owner=? AND cal=? AND name=?)"},
	{sqlOccurrences, "occurrences USING PRIMARY KEY (owner=? AND cal=? AND cls=? AND start_at>? AND start_at<?)" +
		" | occurrences USING PRIMARY KEY (owner=? AND cal=? AND cls=? AND start_at>? AND start_at<?)" +
		" | occurrences USING PRIMARY KEY (owner=? AND cal=? AND cls=? AND start_at<?)"},
	{sqlProps, "props USING PRIMARY KEY (owner=? AND cal=? AND name=?)"},
	{sqlToken, "tokens USING PRIMARY KEY (owner=? AND token=?)"},
	{sqlTokens, "tokens USING PRIMARY KEY (owner=?)"},
	{sqlJobs, "jobs USING PRIMARY KEY (owner=?)"},
	{sqlJob, "jobs USING PRIMARY KEY (owner=? AND change=? AND seq=?)"},
	{sqlDropJob, "jobs USING PRIMARY KEY (owner=? AND change=? AND seq=?)"},
	{selectTraces + tracesUp, "traces USING PRIMARY KEY (owner=? AND id>? AND id<?)"},
	{selectTraces + tracesDown, "traces USING PRIMARY KEY (owner=? AND id>? AND id<?)"},
	{selectTraces + tracesUIDUp, "traces USING INDEX traces_uid (owner=? AND uid=?) | USE TEMP B-TREE FOR ORDER BY"},
	{selectTraces + tracesUIDDown, "traces USING INDEX traces_uid (owner=? AND uid=?) | USE TEMP B-TREE FOR ORDER BY"},
	{sqlFirstTrace, "traces USING PRIMARY KEY (owner=?)"},
	{sqlNthTrace, "traces USING PRIMARY KEY (owner=?)"},
	{sqlDropTraces, "traces USING PRIMARY KEY (owner=? AND id<?)"},
	{sqlRegistrations, "registrations USING PRIMARY KEY (owner=?)"},
	{sqlRegistration, "registrations USING PRIMARY KEY (owner=? AND id=?)"},
	{sqlDropRegistration, "registrations USING PRIMARY KEY (owner=? AND id=?)"},
	{selectHistory + historyDown, "history USING PRIMARY KEY (owner=? AND change>? AND change<?)"},
	{selectHistory + historyCalDown, "history USING INDEX history_cal (owner=? AND cal=? AND change>? AND change<?)"},
	{selectHistory + historyNameDown, "history USING INDEX history_cal (owner=? AND cal=? AND change>? AND change<?)"},
	{selectHistory + historyUIDDown, "history USING INDEX history_uid (owner=? AND uid=? AND change>? AND change<?)"},
	{selectHistory + historyGoneDown, "history USING INDEX history_gone (owner=? AND change>? AND change<?)"},
	{selectHistory + nextOfUID, "history USING INDEX history_uid (owner=? AND uid=? AND change>?)"},
	{historyOf(&calendar.HistoryQuery{Replaces: true}) + historyDown, "history USING PRIMARY KEY (owner=? AND change>? AND change<?) | p USING PRIMARY KEY (owner=? AND change=?)"},
	{selectHistory + nextOfName, "history USING INDEX history_cal (owner=? AND cal=? AND change>?)"},
	{sqlOldHistory, "history USING PRIMARY KEY (owner=? AND change>? AND change<?)"},
	{sqlDropHistory, "history USING PRIMARY KEY (owner=? AND change<?)"},
	{sqlSetHistoryProps, "history USING PRIMARY KEY (owner=? AND change=? AND seq=?)"},
	{sqlRegisteredKinds, "registrations USING PRIMARY KEY (owner=?) | USE TEMP B-TREE FOR DISTINCT"},
}

// walked are those over all owners, which PostgreSQL may rather read as a whole
// while there is little to read.
var walked = []struct{ text, want string }{
	{sqlOwners, "owners USING PRIMARY KEY (owner>?)"},
	{sqlAllJobs, "jobs USING PRIMARY KEY ((owner,change,seq)>(?,?,?))"},
}

// autoindex is the primary key of a table that has rowids too.
var autoindex = regexp.MustCompile(`(?:COVERING )?INDEX sqlite_autoindex_\w+_1`)

// Every statement finds its rows through the key or an index that begins with
// all the columns it asks for: cost follows the answer, not the calendar.
func TestSQLitePlans(t *testing.T) {
	s, err := OpenSQLite(context.Background(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, c := range slices.Concat(planned, walked) {
		var steps []string
		err := s.engine.read(context.Background(), func(conn conn) error {
			var id, parent, unused int64
			var detail string
			return conn.query("EXPLAIN QUERY PLAN "+c.text, nil, func(r scanner) error {
				if err := r.scan(&id, &parent, &unused, &detail); err != nil {
					return err
				}
				if strings.Contains(detail, "SCAN") || strings.Contains(detail, "SEARCH") || strings.Contains(detail, "TEMP") {
					detail = autoindex.ReplaceAllString(strings.TrimPrefix(detail, "SEARCH "), "PRIMARY KEY")
					steps = append(steps, detail)
				}
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(steps, " | "); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

// PostgreSQL has no statistics in its first minutes, and keeps the plan of a
// prepared statement: it must be the right one from the beginning.
func TestPostgresPlans(t *testing.T) {
	s, err := OpenPostgres(context.Background(), pgtest.Start(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	indexes := regexp.MustCompile(`\b(\w+) USING (?:(?:COVERING )?INDEX (\w+)|(?:INTEGER )?PRIMARY KEY)`)
	used := regexp.MustCompile(`(?:using|Index Scan on) (\w+)|(Seq Scan on \w+)`)
	for _, c := range planned {
		var want, got []string
		for _, m := range indexes.FindAllStringSubmatch(c.want, -1) {
			name := m[2]
			if name == "" {
				name = map[string]string{"o": "objects", "b": "bodies", "p": "history"}[m[1]]
				name = cmp.Or(name, m[1]) + "_pkey"
			}
			want = append(want, name)
		}
		text := regexp.MustCompile(`\$\d+`).ReplaceAllString(c.text, "'1'")
		text = strings.ReplaceAll(strings.ReplaceAll(text, "LIMIT '1'", "LIMIT 500"), "ANY('1')", "ANY('{1}')")
		err := s.engine.read(context.Background(), func(conn conn) error {
			return conn.query("EXPLAIN "+text, nil, func(r scanner) error {
				var line string
				err := r.scan(&line)
				if m := used.FindStringSubmatch(line); m != nil {
					got = append(got, m[1]+m[2])
				}
				return err
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s\n got %v\nwant %v", c.text, got, want)
		}
	}
}

// Statistics that somebody made are gone at the next start.
func TestSQLiteForgetsStatistics(t *testing.T) {
	dir, bg := t.TempDir(), context.Background()
	for range 2 {
		s, err := OpenSQLite(bg, dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var n int64
		err = s.engine.read(bg, func(c conn) error {
			_, err := c.row("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'sqlite_stat%'", nil, &n)
			return err
		})
		if err != nil || n != 0 {
			t.Errorf("%d tables of statistics, %v", n, err)
		}
		if err := s.engine.write(bg, func(c conn) error { return c.exec("ANALYZE") }); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
