package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"factotum/server/calendar"
)

// leap is how far change numbers go ahead: farther than a log that was lost can
// have brought them.
const leap = 1 << 20

// salvagedRests keep what large deletions have left from becoming somebody's again. Parts of the
// database may be of different times: what is alive stays.
var salvagedRests = []string{
	`DELETE FROM rests WHERE cal = 0 AND change = 0 AND (EXISTS (SELECT 1 FROM owners w WHERE w.owner = rests.owner)
OR EXISTS (SELECT 1 FROM calendars c WHERE c.owner = rests.owner AND c.deleted = 0))`,
	`DELETE FROM rests WHERE keeps < 2 AND EXISTS (SELECT 1 FROM calendars c WHERE c.owner = rests.owner AND c.id = rests.cal AND c.deleted = 0)`,
	`DELETE FROM bodies WHERE id IN (SELECT o.body FROM objects o WHERE o.owner` + ofDroppedHomes + `)`,
	`DELETE FROM objects WHERE owner` + ofDroppedHomes,
	`DELETE FROM props WHERE owner` + ofDroppedHomes,
	`DELETE FROM attachments WHERE owner` + ofDroppedHomes,
	`DELETE FROM history WHERE owner` + ofDroppedHomes,
	`DELETE FROM rests WHERE cal = 0 AND change = 0`,
}

const ofDroppedHomes = ` IN (SELECT owner FROM rests WHERE cal = 0 AND change = 0)`

// join makes one whole of the rows that were found.
func (s *salvage) join(ctx context.Context, tx *sql.Tx) error {
	exec := func(text string, args ...any) error {
		_, err := tx.ExecContext(ctx, text, args...)
		if err != nil {
			return fmt.Errorf("%.60s: %w", text, err)
		}
		return nil
	}
	each := func(text string, fn func(scan func(...any) error) error, args ...any) error {
		rows, err := tx.QueryContext(ctx, text, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := fn(rows.Scan); err != nil {
				return err
			}
		}
		return rows.Err()
	}
	// An older database has not all of the tables.
	has := func(table string) bool {
		return slices.ContainsFunc(s.shapes, func(sh *shape) bool { return sh.name == table })
	}
	nobodys := ""
	if has("rests") {
		for _, text := range salvagedRests {
			if err := exec(text); err != nil {
				return err
			}
		}
		nobodys = ` AND NOT EXISTS (SELECT 1 FROM rests r WHERE r.owner = o.owner AND r.cal = o.cal AND r.keeps < 2)`
	}
	now := micros(time.Now())
	// Calendars of which only their objects are left.
	type missing struct {
		owner string
		id    int64
	}
	var calendars []missing
	err := each(`SELECT DISTINCT owner, cal FROM objects o WHERE deleted = 0 AND NOT EXISTS
		(SELECT 1 FROM calendars c WHERE c.owner = o.owner AND c.id = o.cal)`+nobodys+` ORDER BY owner, cal`, func(scan func(...any) error) error {
		var m missing
		calendars = append(calendars, m)
		return scan(&calendars[len(calendars)-1].owner, &calendars[len(calendars)-1].id)
	})
	if err != nil {
		return err
	}
	for _, m := range calendars {
		name := s.names[[2]string{m.owner, fmt.Sprint(m.id)}]
		// A row whose number was hit is still there under its name, without objects.
		res, err := tx.ExecContext(ctx, `UPDATE calendars SET id = ? WHERE owner = ? AND name = ? AND deleted = 0 AND NOT EXISTS
			(SELECT 1 FROM objects o WHERE o.owner = calendars.owner AND o.cal = calendars.id AND o.deleted = 0)`, m.id, m.owner, name)
		if err != nil {
			return err
		}
		if n, _ := res.RowsAffected(); n > 0 {
			continue
		}
		for _, try := range []string{name, fmt.Sprintf("recovered-%d", m.id)} {
			if try == "" {
				continue
			}
			err = exec(`INSERT INTO calendars (owner, id, change, modified, metachange, purged, deleted, created, flags, name, displayname, color, sortorder,
				tzid, components, charset, language, coowners, acl, categories, description, timezone)
				VALUES (?, ?, 1, ?, 1, 0, 0, ?, 0, ?, ?, '', '', '', '', '', '', '', '', '', '', '')`, m.owner, m.id, now, now, try, try)
			if err == nil {
				s.out.Made = append(s.out.Made, calendar.NewID(calendar.Owner(m.owner), try))
				break
			}
		}
		if err != nil {
			return err
		}
	}
	// Objects whose text is gone.
	err = each(`SELECT o.owner, c.name, o.name, o.uid FROM objects o JOIN calendars c ON c.owner = o.owner AND c.id = o.cal
		WHERE o.deleted = 0 AND NOT EXISTS (SELECT 1 FROM bodies b WHERE b.owner = o.owner AND b.id = o.body)`, func(scan func(...any) error) error {
		var owner, cal, name, uid string
		err := scan(&owner, &cal, &name, &uid)
		s.out.Lost = append(s.out.Lost, SalvagedObject{calendar.NewID(calendar.Owner(owner), cal), name, uid})
		return err
	})
	if err != nil {
		return err
	}
	for _, text := range []string{
		`DELETE FROM objects WHERE NOT EXISTS (SELECT 1 FROM bodies b WHERE b.owner = objects.owner AND b.id = objects.body)`,
		`DELETE FROM objects AS o WHERE NOT EXISTS (SELECT 1 FROM calendars c WHERE c.owner = o.owner AND c.id = o.cal)` + nobodys,
		`UPDATE objects SET occ = x'', runs = 0, occhash = 0, size = (SELECT length(b.data) FROM bodies b WHERE b.owner = objects.owner AND b.id = objects.body)`,
	} {
		if err := exec(text); err != nil {
			return err
		}
	}
	// Texts without an object, and where they may have been.
	places := map[string][]SalvagedObject{}
	stray := map[string]bool{}
	err = each(`SELECT DISTINCT owner FROM bodies b WHERE NOT EXISTS (SELECT 1 FROM objects o WHERE o.owner = b.owner AND o.body = b.id)`, func(scan func(...any) error) error {
		var owner string
		err := scan(&owner)
		stray[owner] = true
		return err
	})
	if err != nil {
		return err
	}
	for i, u := range s.uids {
		var cal string
		owner := string(u.Calendar.Owner())
		if !stray[owner] {
			continue
		}
		err := tx.QueryRowContext(ctx, `SELECT name FROM calendars c WHERE owner = ? AND id = ? AND deleted = 0 AND NOT EXISTS
			(SELECT 1 FROM objects o WHERE o.owner = c.owner AND o.cal = c.id AND o.name = ?)`, owner, s.uidCal[i], u.Name).Scan(&cal)
		if err == nil {
			u.Calendar = calendar.NewID(calendar.Owner(owner), cal)
			places[owner] = append(places[owner], u)
		} else if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
	}
	var gone []int64
	err = each(`SELECT id, owner, data FROM bodies b WHERE NOT EXISTS (SELECT 1 FROM objects o WHERE o.owner = b.owner AND o.body = b.id) ORDER BY id`, func(scan func(...any) error) error {
		var id int64
		var owner string
		var data []byte
		err := scan(&id, &owner, &data)
		gone = append(gone, id)
		s.out.Strays = append(s.out.Strays, SalvagedText{Owner: calendar.Owner(owner), Data: slices.Clone(data), Places: places[owner]})
		return err
	})
	if err != nil {
		return err
	}
	sort.SliceStable(s.out.Strays, func(i, j int) bool { return s.out.Strays[i].Owner < s.out.Strays[j].Owner })
	for _, id := range gone {
		if err := exec(`DELETE FROM bodies WHERE id = ?`, id); err != nil {
			return err
		}
	}
	homes := "SELECT owner FROM calendars"
	highest := "change, coalesce((SELECT max(change) FROM calendars c WHERE c.owner = owners.owner), 0), coalesce((SELECT max(change) FROM objects o WHERE o.owner = owners.owner), 0)"
	for _, table := range []string{"prefs", "jobs", "traces", "registrations", "history"} {
		if !has(table) {
			continue
		}
		homes += " UNION SELECT owner FROM " + table
		if table == "jobs" || table == "history" {
			highest += ", coalesce((SELECT max(change) FROM " + table + " x WHERE x.owner = owners.owner), 0)"
		}
	}
	texts := []string{
		// Homes of which only their content is left.
		`INSERT INTO owners (owner, change, created, purged, bytes, objects) SELECT owner, 1, ?1, 0, 0, 0 FROM (` + homes + `) WHERE true ON CONFLICT DO NOTHING`,
		`UPDATE owners SET change = ?2 + max(` + highest + `) WHERE ?1 > 0`,
		`UPDATE owners SET purged = change WHERE ?1 > 0`,
		`UPDATE calendars SET change = (SELECT w.change FROM owners w WHERE w.owner = calendars.owner), metachange = (SELECT w.change FROM owners w WHERE w.owner = calendars.owner),
			purged = (SELECT w.change FROM owners w WHERE w.owner = calendars.owner) WHERE deleted = 0 AND ?1 > 0`,
		`DELETE FROM calendars WHERE deleted > 0 AND ?1 > 0 AND NOT EXISTS (SELECT 1 FROM owners w WHERE w.owner = calendars.owner)`,
		`DELETE FROM attachments WHERE ?1 > 0 AND length(data) <> size`,
		`UPDATE owners SET objects = (SELECT count(*) FROM objects o WHERE o.owner = owners.owner AND o.deleted = 0),
			bytes = (SELECT coalesce(sum(o.size), 0) FROM objects o WHERE o.owner = owners.owner AND o.deleted = 0)
			+ (SELECT coalesce(sum(a.size), 0) FROM attachments a WHERE a.owner = owners.owner) WHERE ?1 > 0`,
	}
	if has("registrations") {
		texts = append(texts, `UPDATE owners SET registered = (SELECT coalesce(sum(DISTINCT CASE kind WHEN 'push' THEN 1 WHEN 'hook' THEN 2 ELSE 0 END), 0)
			FROM registrations r WHERE r.owner = owners.owner) WHERE ?1 > 0`)
	}
	if has("history") { // some of it may be lost
		texts = append(texts, `UPDATE owners SET history = (SELECT coalesce(sum(h.size), 0) FROM history h WHERE h.owner = owners.owner), historyfrom = ?1`)
	}
	for _, text := range texts {
		var err error
		if strings.Contains(text, "?2") {
			err = exec(text, now, leap)
		} else {
			err = exec(text, now)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
