// Package upgrade judges what stands before an upgrade: what the first start of this
// release does to a database, how long that takes, and what is to be done before. It asks
// nobody; what it judges was looked at by others.
package upgrade

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"factotum/cmd/internal/plain"
	"factotum/migrations"
	"factotum/server/calendar"
	"factotum/store/archive"
	"factotum/store/sqlstore"
)

// Finding is something that an administrator is told before an upgrade.
type Finding struct {
	About string `json:"about"`
	What  string `json:"what"` // a sentence
	Act   bool   `json:"act"`  // something is to be done first; else it is to be known
}

// Findings collects.
type Findings []Finding

// Act adds what is to be done first.
func (f *Findings) Act(about, format string, args ...any) {
	*f = append(*f, Finding{about, fmt.Sprintf(format, args...), true})
}

// Note adds what is to be known.
func (f *Findings) Note(about, format string, args ...any) {
	*f = append(*f, Finding{about, fmt.Sprintf(format, args...), false})
}

// Wrong tells whether something is to be done first.
func (f Findings) Wrong() bool {
	return slices.ContainsFunc(f, func(f Finding) bool { return f.Act })
}

// Step is a migration that the first start does.
type Step struct {
	Version int64   `json:"version"`
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"` // about as long it takes
	Undone  bool    `json:"can_be_undone"`
}

// Schema is what the first start does to a database.
type Schema struct {
	Engine string `json:"engine"`
	Have   int64  `json:"have"` // 0: there is no database yet
	Want   int64  `json:"want"`
	Steps  []Step `json:"migrations"`
	Room   int64  `json:"room_bytes"` // that it needs on the disk meanwhile, at most
}

// Speeds of a migration that goes through what is there: half of what BenchmarkMigrate of
// store/sqlstore has on two busy cores.
const (
	rowsASecond   = 10_000
	octetsASecond = 10 << 20
	aMoment       = 0.1      // of one that changes the schema only
	little        = 64 << 20 // room that every start may need
)

// Plan judges a database: seen is a look at it, know are the migrations of this release.
func Plan(seen *sqlstore.Seen, know []migrations.Step, found *Findings) (s Schema) {
	s = Schema{Engine: string(seen.Engine), Have: seen.Version, Want: know[len(know)-1].Version, Steps: []Step{}, Room: little}
	const about = "database"
	switch {
	case s.Have == 0:
		return s
	case s.Have == migrations.Unfinished:
		found.Act(about, "%s", (&migrations.UnfinishedError{}).Error())
		return s
	case s.Have > s.Want:
		found.Act(about, "its schema is %d, and this release has %d: a newer release has written it; install that one, or have it undo its upgrade with \"calserver upgrade undo\"", s.Have, s.Want)
		return s
	}
	for i := range know {
		if know[i].Version <= s.Have {
			continue
		}
		step := Step{Version: know[i].Version, Name: know[i].Name, Undone: know[i].Undone, Seconds: aMoment + secondsOf(know[i].Goes, seen)}
		if s.Steps = append(s.Steps, step); know[i].Goes != "" {
			s.Room = max(s.Room, seen.Size+little) // all of it passes through the log once
		}
		if !step.Undone {
			found.Note(about, "migration %d (%s) cannot be undone: the way back from it is a backup", step.Version, step.Name)
		}
	}
	return s
}

func secondsOf(goes string, seen *sqlstore.Seen) float64 {
	switch goes {
	case "bodies":
		return float64(seen.Bytes)/octetsASecond + float64(seen.Objects)/rowsASecond
	case "objects":
		return float64(seen.Objects) / rowsASecond
	case "jobs":
		var n int64
		for _, c := range seen.Jobs {
			n += c.Waiting
		}
		return float64(n) / rowsASecond
	case "owners":
		return float64(seen.Owners) / rowsASecond
	}
	return 0
}

// Seconds is how long all of it takes, about.
func (s *Schema) Seconds() (sum float64) {
	for i := range s.Steps {
		sum += s.Steps[i].Seconds
	}
	return sum
}

// late is how long a job waits before somebody should know.
const late = time.Hour

// Jobs judges what waits, and what is under way: homes do not move between two releases.
func Jobs(seen *sqlstore.Seen, moving []calendar.Owner, now time.Time, found *Findings) {
	const about = "jobs"
	for _, c := range seen.Jobs {
		if c.Parked > 0 {
			found.Note(about, "%d of kind %s %s given up: \"csdb jobs list --parked\" tells why; they stay as they are", c.Parked, c.Kind, plain.Plural(int(c.Parked), "was", "were"))
		}
		if c.Waiting > c.Parked && !c.Oldest.IsZero() && now.Sub(c.Oldest) > late {
			found.Note(about, "%d of kind %s %s, one for %s: they are done after the upgrade, and it is better to know before why they are not (\"csdb jobs list\")",
				c.Waiting-c.Parked, c.Kind, plain.Plural(int(c.Waiting-c.Parked), "waits", "wait"), now.Sub(c.Oldest).Round(time.Minute))
		}
	}
	if n := len(moving); n > 0 {
		found.Act(about, "%d %s being moved between back ends (%s): wait until \"csmove status\" tells of none, or cancel them", n, plain.Plural(n, "home is", "homes are"), Names(moving))
	}
}

// Names are the first of some owners.
func Names(owners []calendar.Owner) string {
	var list []string
	for _, o := range owners[:min(len(owners), 5)] {
		list = append(list, string(o))
	}
	if len(owners) > len(list) {
		list = append(list, "…")
	}
	return strings.Join(list, ", ")
}

// RoomOn judges the disk below a database.
func (s *Schema) RoomOn(dir string, free int64, found *Findings) {
	if len(s.Steps) > 0 && free < s.Room {
		found.Act("disk", "%s has %d MB free, and the migrations may need %d MB: make room first", dir, free>>20, s.Room>>20)
	}
}

// young is how old a proven backup may be.
const young = 24 * time.Hour

// Backups judges what could be restored if all went wrong: the periods of all directories
// of backups, and of the one that was named. It returns the moment up to which the best
// one was restored.
func Backups(periods []archive.Period, now time.Time, found *Findings) (proven time.Time) {
	sealed := time.Time{}
	for i := range periods {
		switch p := periods[i].Proof; {
		case p == nil || p.Failed != "":
		case p.Sealed && p.Until.After(sealed):
			sealed = p.Until
		case !p.Sealed && p.Until.After(proven):
			proven = p.Until
		}
	}
	const about, make = "backups", "make one with \"csbackup database DIR\", which restores it to see that it can be, and name it here with --backup DIR"
	switch {
	case now.Sub(proven) <= young:
	case now.Sub(sealed) <= young:
		found.Note(about, "the last one is complete, and was not restored, since this host has no identity that opens it: try it where one is (\"csrestore --dry-run database DIR\")")
	case !proven.IsZero():
		found.Act(about, "the last proven one is of %s: %s", proven.Local().Format(time.DateTime), make)
	case len(periods) > 0:
		found.Act(about, "none was restored to see that it can be: %s", make)
	default:
		found.Act(about, "there is none: %s", make)
	}
	return proven
}

// Zones judges the zone database: was is what the database was used with last.
func Zones(was sqlstore.ZoneData, id, version string, found *Findings) {
	if was.ID == "" || was.ID == id {
		return
	}
	name := func(v string) string {
		if v == "" {
			return "an unknown release"
		}
		return "release " + v
	}
	found.Note("zone data", "it goes from %s to %s: after the upgrade \"csdst preview\" shows which events meant another hour", name(was.Version), name(version))
}
