package directory

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/directory/ldaptest"
)

// resourceEditor is what both editors do with resources.
type resourceEditor interface {
	create(ctx context.Context, p NewPerson) error
	change(ctx context.Context, id string, r ResourceChange) error
	remove(ctx context.Context, id string) error
	enable(ctx context.Context, id string, on bool) error
}

type fileEditor struct{ *Editor }

func (e fileEditor) create(_ context.Context, p NewPerson) error { return e.Create(p) }
func (e fileEditor) change(_ context.Context, id string, r ResourceChange) error {
	return e.ChangeResource(id, r)
}
func (e fileEditor) remove(_ context.Context, id string) error          { return e.Delete(id) }
func (e fileEditor) enable(_ context.Context, id string, on bool) error { return e.SetEnabled(id, on) }

type treeEditor struct{ *LDAPEditor }

func (e treeEditor) create(ctx context.Context, p NewPerson) error { return e.Create(ctx, p) }
func (e treeEditor) change(ctx context.Context, id string, r ResourceChange) error {
	return e.ChangeResource(ctx, id, r)
}
func (e treeEditor) remove(ctx context.Context, id string) error { return e.Delete(ctx, id) }
func (e treeEditor) enable(ctx context.Context, id string, on bool) error {
	return e.SetEnabled(ctx, id, on)
}

func resourceEditors(t *testing.T, test func(t *testing.T, ed resourceEditor, find func(id string) (calendar.Person, error))) {
	t.Run("ldif", func(t *testing.T) {
		opt := ldifOptions(t, people(t, cheapHash))
		ed, err := NewEditor(opt)
		if err != nil {
			t.Fatal(err)
		}
		d := open(t, opt)
		test(t, fileEditor{ed}, func(id string) (calendar.Person, error) {
			if err := d.Refresh(); err != nil {
				t.Fatal(err)
			}
			return d.Person(t.Context(), id)
		})
	})
	t.Run("ldap", func(t *testing.T) {
		s := ldaptest.Start(t, people(t, func(p string) string { return p }))
		opt := ldapOptions(s)
		ed, err := NewLDAPEditor(opt)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ed.Close() })
		test(t, treeEditor{ed}, func(id string) (calendar.Person, error) { return ed.dir.Person(t.Context(), id) })
	})
}

func ptr[T any](v T) *T { return &v }

// What an administrator sets of a resource is what the server reads, whichever
// the directory is. admin.md §8.13.
func TestAdmin_8_13_Resources(t *testing.T) {
	resourceEditors(t, func(t *testing.T, ed resourceEditor, find func(id string) (calendar.Person, error)) {
		ctx := t.Context()
		var set ResourceChange
		set.Name, set.Mail, set.Description = ptr("Board room"), ptr("board@sesta.com"), ptr("second floor")
		set.Owner, set.CoOwners = ptr("jdoe"), &[]string{"jsmith"}
		set.Capacity, set.Days, set.Minutes = ptr(12), ptr(90), ptr(120)
		set.Series, set.Who = ptr(calendar.SeriesExcept), &[]string{"@sesta.com", "marketing"}
		set.DoubleBooking, set.AutoAccept = ptr(false), ptr(false)
		if err := ed.create(ctx, set.New(NewPerson{ID: "board"})); err != nil {
			t.Fatal(err)
		}
		p, err := find("board")
		if err != nil {
			t.Fatal(err)
		}
		want := calendar.Booking{Series: calendar.SeriesExcept, Capacity: 12, Ahead: 90 * 24 * time.Hour, Longest: 2 * time.Hour}
		got := p.Booking
		if got.Who = nil; p.Kind != calendar.Room || !p.NoDoubles || p.AutoReply || !p.Active || p.Name != "Board room" || p.Mail() != "board@sesta.com" ||
			got.Series != want.Series || got.Capacity != want.Capacity || got.Ahead != want.Ahead || got.Longest != want.Longest {
			t.Errorf("made %+v", p)
		}
		if !slices.Equal(p.Booking.Who, []string{"@sesta.com", "marketing"}) || p.Owner != "jdoe" || !slices.Equal(p.CoOwners, []calendar.UserID{"jsmith"}) {
			t.Errorf("made with owners %q %q, for %q", p.Owner, p.CoOwners, p.Booking.Who)
		}
		for what, err := range map[string]error{
			"the id is taken": ed.create(ctx, (&ResourceChange{}).New(NewPerson{ID: "Board"})),
			"the address is":  ed.create(ctx, (&ResourceChange{Mail: ptr("Board@sesta.com")}).New(NewPerson{ID: "other"})),
			"so is another's": ed.change(ctx, "board", ResourceChange{Mail: ptr("aud100@sesta.com")}),
		} {
			if !errors.Is(err, calendar.Exists) {
				t.Errorf("%s: %v", what, err)
			}
		}
		var next ResourceChange
		next.Days, next.Who, next.AutoAccept, next.CoOwners, next.Description = ptr(0), &[]string{}, ptr(true), &[]string{}, ptr("")
		next.Mail = ptr("board@sesta.com")
		if err := ed.change(ctx, "board", next); err != nil {
			t.Fatal(err)
		}
		if p, err = find("board"); err != nil {
			t.Fatal(err)
		}
		if p.Booking.Ahead != 0 || len(p.Booking.Who) > 0 || p.Booking.Longest != 2*time.Hour || !p.AutoReply || len(p.CoOwners) > 0 || p.Owner != "jdoe" {
			t.Errorf("changed to %+v", p)
		}
		for what, bad := range map[string]ResourceChange{
			"days":    {BookingChange: BookingChange{Days: ptr(-1)}},
			"who":     {BookingChange: BookingChange{Who: &[]string{"two words"}}},
			"address": {Mail: ptr("no address")},
			"name":    {Name: ptr(" ")},
			"text":    {Description: ptr("a\x01b")},
		} {
			if err := ed.change(ctx, "board", bad); !errors.Is(err, calendar.Invalid) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := ed.change(ctx, "jdoe", ResourceChange{Name: ptr("Room")}); !errors.Is(err, calendar.Invalid) {
			t.Errorf("a person as a resource: %v", err)
		}
		if err := ed.change(ctx, "board", ResourceChange{Owner: ptr("nobody")}); !errors.Is(err, calendar.NotFound) {
			t.Errorf("an owner who is not there: %v", err)
		}
		if err := ed.enable(ctx, "board", false); err != nil {
			t.Fatal(err)
		}
		if p, err = find("board"); err != nil || p.Active {
			t.Errorf("switched off: %+v, %v", p, err)
		}
		if err := ed.remove(ctx, "board"); err != nil {
			t.Fatal(err)
		}
		if _, err = find("board"); !errors.Is(err, calendar.NotFound) {
			t.Errorf("deleted: %v", err)
		}
	})
}

// Values of icsExtendedResourcePrefs that are somebody else's stay.
func TestOtherPrefsStay(t *testing.T) {
	resourceEditors(t, func(t *testing.T, ed resourceEditor, find func(id string) (calendar.Person, error)) {
		p := (&ResourceChange{}).New(NewPerson{ID: "lab", More: []Change{{"icsExtendedResourcePrefs", []string{"theirs=1", "bookDays=7"}}}})
		if err := ed.create(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if err := ed.change(t.Context(), "lab", ResourceChange{BookingChange: BookingChange{Days: ptr(8)}}); err != nil {
			t.Fatal(err)
		}
		var e *entry
		var err error
		switch ed := ed.(type) {
		case fileEditor:
			x, err2 := ed.read()
			if err2 != nil {
				t.Fatal(err2)
			}
			_, e, err = x.find("lab")
		case treeEditor:
			e, err = ed.find(t.Context(), "test", "lab")
		}
		if err != nil {
			t.Fatal(err)
		}
		got := slices.Sorted(slices.Values(e.all(prefsAttr)))
		if !slices.Equal(got, []string{"bookDays=8", "theirs=1"}) {
			t.Errorf("the entry has %q", got)
		}
	})
}

// What cannot be read counts as what ics.conf says, and groups have no such rules.
func TestBookingDefaults(t *testing.T) {
	text := people(t, cheapHash) + `
dn: uid=odd,ou=People,o=sesta.com,o=usergroup
objectClass: icsCalendarResource
uid: odd
cn: Odd
icsCapacity: many
icsExtendedResourcePrefs: bookDays=soon
icsExtendedResourcePrefs: bookMinutes = 30
icsExtendedResourcePrefs: BOOKSERIES=Ask
icsExtendedResourcePrefs: bookWho=anna, bert;carl
icsExtendedResourcePrefs: nonsense
`
	opt := ldifOptions(t, text)
	opt.Booking.Booking = calendar.Booking{Series: calendar.SeriesAccept, Ahead: 48 * time.Hour, Longest: time.Hour, Who: []string{"@"}}
	d := open(t, opt)
	for id, want := range map[string]calendar.Booking{
		"odd":       {Series: calendar.SeriesAsk, Ahead: 48 * time.Hour, Longest: 30 * time.Minute, Who: []string{"anna", "bert", "carl"}},
		"aud100":    {Series: calendar.SeriesAccept, Ahead: 48 * time.Hour, Longest: time.Hour, Who: []string{"@"}, Capacity: 120},
		"marketing": {},
		"jdoe":      {},
	} {
		p, err := d.Person(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		b := p.Booking
		if b.Series != want.Series || b.Ahead != want.Ahead || b.Longest != want.Longest || b.Capacity != want.Capacity || !slices.Equal(b.Who, want.Who) {
			t.Errorf("%s: %+v, want %+v", id, b, want)
		}
	}
}
