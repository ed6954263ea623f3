package sqlstore

import (
	"fmt"
	"strings"

	"factotum/server/calendar"
)

// What must hold between the tables. Each counts the rows that break it.
var rowChecks = []struct{ what, text string }{
	{"objects without a body", `SELECT count(*) FROM objects o WHERE NOT EXISTS (SELECT 1 FROM bodies b WHERE b.owner = o.owner AND b.id = o.body)`},
	{"objects whose size is not their body's", `SELECT count(*) FROM objects o JOIN bodies b ON b.owner = o.owner AND b.id = o.body WHERE length(b.data) <> o.size`},
	{"bodies too many", `SELECT (SELECT count(*) FROM bodies) - (SELECT count(*) FROM objects)`},
	{"objects without a living calendar", `SELECT count(*) FROM objects o WHERE NOT EXISTS
(SELECT 1 FROM calendars c WHERE c.owner = o.owner AND c.id = o.cal AND c.deleted = 0)`},
	{"occurrences without a living object", `SELECT count(*) FROM occurrences x WHERE NOT EXISTS
(SELECT 1 FROM objects o WHERE o.owner = x.owner AND o.cal = x.cal AND o.name = x.name AND o.deleted = 0)`},
	{"rows of the time index too many", `SELECT (SELECT count(*) FROM occurrences) - (SELECT coalesce(sum(runs), 0) FROM objects)`},
	{"owners with wrong sums", `SELECT count(*) FROM owners w WHERE w.objects <> (SELECT count(*) FROM objects o WHERE o.owner = w.owner AND o.deleted = 0)
OR w.bytes <> (SELECT coalesce(sum(o.size), 0) FROM objects o WHERE o.owner = w.owner AND o.deleted = 0)
+ (SELECT coalesce(sum(a.size), 0) FROM attachments a WHERE a.owner = w.owner)`},
	{"owners with wrong sums of their history", `SELECT count(*) FROM owners w WHERE w.history <> (SELECT coalesce(sum(h.size), 0) FROM history h WHERE h.owner = w.owner)`},
	{"versions of changes that never were", `SELECT count(*) FROM history h WHERE h.change > coalesce((SELECT w.change FROM owners w WHERE w.owner = h.owner), 0)`},
	{"attachments whose size is not their content's", `SELECT count(*) FROM attachments WHERE length(data) <> size`},
	{"objects newer than their owner", `SELECT count(*) FROM objects o WHERE o.change > coalesce((SELECT w.change FROM owners w WHERE w.owner = o.owner), 0)`},
	{"jobs of changes that never were", `SELECT count(*) FROM jobs j WHERE j.kind <> 'move' AND (j.change < 1
OR j.change > coalesce((SELECT w.change FROM owners w WHERE w.owner = j.owner), 0))`},
}

// checkRows looks for rows that break what must hold between the tables.
func checkRows(c conn) error {
	var owner string
	if left, err := c.row(sqlLeft, nil, &owner); err != nil {
		return wrap("check the store", err)
	} else if left {
		return errUnsettled
	}
	var found []string
	for _, check := range rowChecks {
		var n int64
		if _, err := c.row(check.text, nil, &n); err != nil {
			return wrap("check the store", err)
		}
		if n != 0 {
			found = append(found, fmt.Sprintf("%s: %d", check.what, n))
		}
	}
	if len(found) > 0 {
		return &calendar.Error{Kind: calendar.Internal, Op: "check the store", Msg: strings.Join(found, "; ")}
	}
	return nil
}
