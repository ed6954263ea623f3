package directory

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"factotum/server/calendar"
)

// What a resource takes stands in its entry: icsDoublebooking and icsAutoaccept
// as Sun's server had them, icsCapacity, and as values of icsExtendedResourcePrefs,
// which Sun's schema allows and its server did not read, name=value. ldap.md §3.
const (
	capacityAttr = "icscapacity"
	prefsAttr    = "icsextendedresourceprefs"

	prefSeries  = "bookSeries"  // calendar.SeriesRule
	prefDays    = "bookDays"    // how far ahead
	prefMinutes = "bookMinutes" // how long at most
	prefWho     = "bookWho"     // words, with blanks or commas between
)

// booking fills what groups and resources have of their own. ldap.md §§5.2, 6.3.
// A value that cannot be read counts as none: what ics.conf says holds.
func (d *Directory) booking(p *calendar.Person, e *entry, dom *domain) {
	b := d.opt.Booking
	p.NoDoubles, p.AutoReply = !dom.rules.Allows(calendar.DoubleBookResources, b.ResourceDoubles), !b.ResourceManual
	if p.Kind == calendar.Group {
		p.NoDoubles, p.AutoReply = !dom.rules.Allows(calendar.DoubleBookGroups, !b.GroupNoDoubles), b.GroupAuto
	}
	if v := e.one(d.at.DoubleBook); v != "" {
		p.NoDoubles = !truth(v)
	}
	if v := e.one(d.at.AutoAccept); v != "" {
		p.AutoReply = truth(v)
	}
	p.ACL = e.one(d.at.DefaultACL)
	if p.Kind == calendar.Group {
		return
	}
	def(&p.ACL, dom.resourceACL)
	p.Booking = b.Booking
	if n, ok := counted(e.one(capacityAttr)); ok {
		p.Booking.Capacity = n
	}
	for _, v := range e.all(prefsAttr) {
		name, value, _ := strings.Cut(v, "=")
		value = strings.TrimSpace(value)
		switch n, isCount := counted(value); {
		case equalFold(name, prefSeries):
			if rule, ok := calendar.ParseSeriesRule(strings.ToLower(value)); ok {
				p.Booking.Series = rule
			}
		case equalFold(name, prefDays) && isCount:
			p.Booking.Ahead = time.Duration(n) * 24 * time.Hour
		case equalFold(name, prefMinutes) && isCount:
			p.Booking.Longest = time.Duration(n) * time.Minute
		case equalFold(name, prefWho):
			p.Booking.Who = whoWords(value)
		}
	}
}

// maxCount keeps days within a time.Duration.
const maxCount = 100_000

func counted(v string) (n int, ok bool) {
	n, err := strconv.Atoi(v)
	return n, err == nil && n >= 0 && n <= maxCount
}

func whoWords(v string) []string {
	return strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == '\t' || r == ',' || r == ';' })
}

// BookingChange is what an administrator sets of what a resource takes; nil
// leaves it as it is.
type BookingChange struct {
	DoubleBooking, AutoAccept *bool
	Capacity                  *int
	Series                    *calendar.SeriesRule
	Days, Minutes             *int
	Who                       *[]string
}

// Check says what of it cannot be written.
func (b *BookingChange) Check() error {
	for what, n := range map[string]*int{"capacity": b.Capacity, "days": b.Days, "minutes": b.Minutes} {
		if n != nil && (*n < 0 || *n > maxCount) {
			return fmt.Errorf("%s are 0 to %d, not %d", what, maxCount, *n)
		}
	}
	if b.Who != nil {
		for _, w := range *b.Who {
			if badName(w) || len(whoWords(w)) != 1 || w == "" {
				return fmt.Errorf("%q is no user id, group, mail address or @domain", w)
			}
		}
	}
	return nil
}

// changes are those of the entry's attributes; has are the values of
// icsExtendedResourcePrefs that it has.
func (b *BookingChange) changes(at *Attributes, has []string) (out []Change) {
	flag := func(attr string, v *bool) {
		if v != nil {
			out = append(out, Change{attr, []string{map[bool]string{true: "1", false: "0"}[*v]}})
		}
	}
	flag(spelled(at.DoubleBook), b.DoubleBooking)
	flag(spelled(at.AutoAccept), b.AutoAccept)
	if b.Capacity != nil {
		out = append(out, Change{"icsCapacity", []string{strconv.Itoa(*b.Capacity)}})
	}
	prefs := map[string]string{}
	var names []string
	set := func(name, value string) { prefs[name], names = value, append(names, name) }
	if b.Series != nil {
		set(prefSeries, b.Series.String())
	}
	if b.Days != nil {
		set(prefDays, strconv.Itoa(*b.Days))
	}
	if b.Minutes != nil {
		set(prefMinutes, strconv.Itoa(*b.Minutes))
	}
	if b.Who != nil {
		set(prefWho, strings.Join(*b.Who, " "))
	}
	if len(names) == 0 {
		return out
	}
	var values []string
	for _, v := range has { // others than ours stay
		name, _, _ := strings.Cut(v, "=")
		ours := false
		for _, n := range names {
			ours = ours || equalFold(name, n)
		}
		if !ours {
			values = append(values, v)
		}
	}
	for _, n := range names {
		values = append(values, n+"="+prefs[n])
	}
	return append(out, Change{"icsExtendedResourcePrefs", values})
}
