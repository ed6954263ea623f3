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
	switch context, _ := root.Attr("context"); context {
	case "user":
		q.Kinds = []calendar.PersonKind{calendar.Individual}
	case "group":
		q.Kinds = []calendar.PersonKind{calendar.Group}
	case "location":
		q.Kinds = []calendar.PersonKind{calendar.Room}
	case "resource":
		q.Kinds = []calendar.PersonKind{calendar.Resource}
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

func hasWords(p *calendar.Person, words []string) bool {
	text := strings.ToLower(strings.Join(append([]string{p.ID, p.Name, p.Given, p.Surname}, p.Mails...), "\n"))
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}
