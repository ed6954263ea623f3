package rename

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"factotum/server/calendar"
)

// names are the fields of all that is stored which have a user id, a calid, an address or
// our paths in them, and others those that have none. A field that is on neither list is
// new: whoever adds it decides, and has the Mapper change it.
var stored = []struct {
	of            any
	names, others string
}{
	{calendar.HomeRow{}, "Entry", "Change Purged Created Bytes Registered History HistoryAt HistoryFrom"},
	{calendar.CalendarRow{}, "CoOwners ACL", "ID Name Kind Change MetaChange Purged DisplayName Description Color Order TZID Timezone Components Transparent NoDoubles Disabled Categories Charset Language Created Modified"},
	{calendar.GoneCalendar{}, "", "ID Name Change Deleted"},
	{calendar.ObjectRow{}, "By Data", "Cal Name UID Component Change ScheduleTag Created Modified Size ContentType Private Attached Lacks OccHash Since Origin Deleted"},
	{calendar.OccurrenceRow{}, "", "Name Start End Flags"},
	{calendar.DeadProp{}, "Local Value", "Space"},
	{calendar.AttachmentRow{}, "", "Cal Name ID ClientID File Type Size Created Data"},
	{calendar.Trace{}, "Owner From To By", "ID When Message Method UID Summary Step Reason Status Detail Via"},
	{calendar.RegistrationRow{}, "RegistrationDetail", "ID Kind Cal Expires"},
	{calendar.RegistrationDetail{}, "Calendar User Entry", "Address Key Secret Triggers Contents Created Failures Since Last Problem Off Waiting WaitingSeq"},
	{calendar.HistoryRow{}, "By To Props Object", "Change Seq When End How Calendar Replaces"},
	{calendar.Job{}, "JobID Key Payload", "Kind Due Created Attempts Parked Err"},
	{calendar.JobID{}, "Owner", "Change Seq"},
	{calendar.Post{}, "Letters", "UID Summary Lane NoMail"},
	{calendar.Letter{}, "From To Data", "ID Method Octets Inconsequential Told"},
	{calendar.Mailing{}, "Letter", "Kind To UID Summary Why Expires Since Until Attempts Tried Perhaps Warned"},
	{calendar.Note{}, "To From Calendar", "ID Kind UID Status Access Summary When"},
	{calendar.Notes{}, "List", "Change"},
	{calendar.Invitee{}, "User", "UID Name Summary Status Access"},
	{calendar.Proxies{}, "Read Write ReadFor WriteFor", ""},
	{calendar.Share{}, "ID Props", "Name Description Color Order TZID Timezone Opaque Invite Calendar Err"},
	{calendar.News{}, "CalID By", "ID What When Cal Name UID InCalendar InHome Quiet"},
	{calendar.Telling{}, "News", "Registration Content Properties"},
	{calendar.Publication{}, "Ref Owner Data", "ID When Expires ContentType"},
	{calendar.NextAlarm{}, "", "Cal Name From Fired Mailed Day"},
	{calendar.PlanAlarms{}, "", "Cal At After"},
	{calendar.Origin{}, "", "Via Client Undoes"},
}

func TestAllThatIsStoredIsKnown(t *testing.T) {
	for _, s := range stored {
		typ := reflect.TypeOf(s.of)
		known := strings.Fields(s.names + " " + s.others)
		for f := range typ.Fields() {
			if !slices.Contains(known, f.Name) {
				t.Errorf("%s has a new field %s: does it name somebody? Then package rename has to change it", typ, f.Name)
			}
		}
		if len(known) != typ.NumField() {
			t.Errorf("%s has %d fields, and %d are known", typ, typ.NumField(), len(known))
		}
	}
}

// constants are those of a kind of name in packages below a directory.
func constants(t *testing.T, dir string, names *regexp.Regexp) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(filepath.Join("..", "..", dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			for i, name := range v.Names {
				if i < len(v.Values) && names.MatchString(name.Name) {
					if lit, ok := v.Values[i].(*ast.BasicLit); ok && lit.Kind == token.STRING {
						text, _ := strconv.Unquote(lit.Value)
						found[text] = name.Name
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestAllJobsAreKnown(t *testing.T) {
	kinds := constants(t, "server", regexp.MustCompile(`^Job[A-Z]\w*$`))
	for kind, name := range kinds {
		if _, ok := jobs[kind]; !ok {
			t.Errorf("jobs of kind %s (%q) are new: does their payload name somebody? Then package rename has to change it", name, kind)
		}
	}
	if len(kinds) != len(jobs) {
		t.Errorf("there are %d kinds of jobs, and %d are known", len(kinds), len(jobs))
	}
}

// Preferences without names, that the server itself keeps or reads: all others that have a
// constant are changed by Pref.
func TestAllPreferencesAreKnown(t *testing.T) {
	without := []string{"alarms:planned", "zones:told", "factotumMailInvitations", "factotumMailUnproven", "factotumMailAllowed", "factotumMailNever",
		"mail:", "mail:told", "mail:accepted", "ceShowCalendarReminders", "ceDefaultAlarmEmail"}
	m := NewMapper(New([]Pair{{"anna", "bea", 1}}, ""))
	samples := []string{"anna", "7 anna", `{"Read":["anna"]}`, `{"List":[{"From":"anna"}]}`, "name=x$calendar=anna", "ATTENDEE:anna"}
	for _, dir := range []string{"server", "notify", "protocol"} {
		for pref, name := range constants(t, dir, regexp.MustCompile(`Pref$|^(homePropPrefix)$`)) {
			if slices.Contains(without, pref) {
				continue
			}
			changed := false
			for _, s := range append(samples, "/dav/calendars/anna/") {
				full := pref
				if strings.HasSuffix(pref, ":") {
					full += "anna"
				}
				n, v := m.Pref(full, s)
				changed = changed || n != full || v != s
			}
			if !changed {
				t.Errorf("the preference %s (%q) is new: does it name somebody? Then package rename has to change it", name, pref)
			}
		}
	}
}
