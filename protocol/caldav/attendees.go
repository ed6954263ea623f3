package caldav

import (
	"net/http"
	"slices"
	"strings"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// searchAttendees answers Apple's CS:calendarserver-principal-search: people
// who match every word somewhere.
func (rq *request) searchAttendees(root *dav.Node) error {
	wanted, err := dav.ParseProps(root)
	if err != nil {
		return err
	}
	limit, err := limitOf(root)
	if err != nil {
		return err
	}
	var words []string
	for n := range root.Children() {
		if w := n.TrimText(); n.Name == dav.CS("search-token") && w != "" {
			words = append(words, strings.ToLower(w))
		}
	}
	if len(words) == 0 || len(words) > 32 {
		return &dav.Error{Status: http.StatusBadRequest, Text: "one to 32 search-token elements are needed"}
	}
	most := rq.limits.People
	if limit > 0 {
		most = min(most, limit)
	}
	q := calendar.PeopleQuery{Text: words[0], Limit: rq.limits.People}
	if q.Kinds, err = kindsOf(root); err != nil {
		return err
	}
	if context, _ := root.Attr("context"); q.Kinds == nil {
		q.Kinds = kindsNamed[strings.ToLower(context)] // "attendee" and what else there may be: all
	}
	found, more, err := rq.people.Search(rq.ctx, q)
	if err != nil {
		return err
	}
	found = slices.DeleteFunc(found, func(p calendar.Person) bool { return !hasWords(&p, words) })
	if len(found) > most {
		found, more = found[:most], true
	}
	return rq.writePeople(planFor(wanted), found, more)
}

// kindsNamed are the words for whom one looks for: those of contexts, of CUTYPE
// (RFC 5545 §3.2.3) and of Calendar Server's record types.
var kindsNamed = map[string][]calendar.PersonKind{
	"individual": {calendar.Individual}, "user": {calendar.Individual}, "users": {calendar.Individual},
	"group": {calendar.Group}, "groups": {calendar.Group},
	"room": {calendar.Room}, "location": {calendar.Room}, "locations": {calendar.Room},
	"resource": {calendar.Resource}, "resources": {calendar.Resource},
}

// kindsOf reads the type attribute of a search, nil if there is none.
func kindsOf(search *dav.Node) ([]calendar.PersonKind, error) {
	v, ok := search.Attr("type")
	if !ok {
		return nil, nil
	}
	kinds := kindsNamed[strings.ToLower(strings.TrimSpace(v))]
	if kinds == nil {
		return nil, &dav.Error{Status: http.StatusBadRequest, Text: "type is none of INDIVIDUAL, GROUP, ROOM and RESOURCE"}
	}
	return kinds, nil
}

func hasWords(p *calendar.Person, words []string) bool {
	text := strings.ToLower(strings.Join(append([]string{p.ID, p.Name, p.Given, p.Surname}, p.Mails...), "\n"))
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}
