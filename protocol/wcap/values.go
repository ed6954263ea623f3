package wcap

import (
	"strconv"
	"strings"

	"factotum/server/calendar"
	"factotum/server/zone"
)

// values are what parameters may say that have few right values, by name. A
// wrong one is refused before anything is done: a client that means something
// else than it writes had better hear of it. Empty ones are as none. Those
// that only stores and deletes read, such as mod, are looked at there.
var values = func() map[string]func(string) bool {
	m := map[string]func(string) bool{
		"attrset": upTo(2), "searchOpts": upTo(3), "fetchorder": upTo(1),
		"maxResults": number, "guidCount": number, "multiple": number, "duration": number, "freebusybegin": number, "freebusyend": number,
		"tzid": zoned, "tzidout": zoned,
	}
	for name := range strings.FieldsSeq("compressed recurring emailorcalid relativealarm fetchattach invitecount replace fetch isAllDay rchange sendattach smtp smtpNotify notify " +
		"busyonly noredirect subscribe unsubscribe allowdoublebook set_calprops doublebooking fbinclude convertCalid calid name primaryOwner remember") {
		m[name] = bitOnly
	}
	return m
}()

// What several commands take. Of search_calprops calid, name and primaryOwner are flags.
const (
	shownValues  = "compressed recurring emailorcalid relativealarm fetchattach tzidout "
	fetchValues  = shownValues + "fetchorder maxResults tzid"
	deleteValues = "smtp smtpNotify notify tzid"
	storeValues  = shownValues + deleteValues + " replace fetch isAllDay rchange sendattach"
	calValues    = "doublebooking fbinclude tzid"
)

// checkValues refuses wrong values of the parameters named: an unknown zone with
// errno 18, all else as the command's own failure.
func (c *call) checkValues(p params, names string) error {
	for name := range strings.FieldsSeq(names) {
		v := strings.TrimSpace(p.text(name))
		switch {
		case v == "" || values[name](v):
		case name == "tzid" || name == "tzidout":
			return BadTZID
		default:
			return &calendar.Error{Kind: calendar.Invalid, Op: c.name, Msg: "the value of " + name + " is none that it may have"}
		}
	}
	return nil
}

func bitOnly(v string) bool {
	_, ok := bits[strings.ToLower(v)]
	return ok
}

func number(v string) bool {
	n, err := strconv.Atoi(v)
	return err == nil && n >= 0
}

func upTo(most int) func(string) bool {
	return func(v string) bool { n, err := strconv.Atoi(v); return err == nil && n >= 0 && n <= most }
}

func zoned(v string) bool {
	_, ok := zone.Load(v)
	return ok
}
