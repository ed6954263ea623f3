package caldav

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// searchableProp is a property that principals can be found by.
type searchableProp struct {
	name  dav.Name
	text  string
	of    func(*calendar.Person) []string        // the values that a match looks at
	query func(text string) calendar.PeopleQuery // asks the directory for those that may match
}

// searchable lists them. RFC 3744 §9.5.
var searchable = []searchableProp{
	{dav.D("displayname"), "Name", func(p *calendar.Person) []string { return []string{p.Name} },
		func(t string) calendar.PeopleQuery { return calendar.PeopleQuery{Name: t} }},
	{dav.CS("email-address-set"), "Mail address", func(p *calendar.Person) []string { return p.Mails },
		func(t string) calendar.PeopleQuery { return calendar.PeopleQuery{Mail: t} }},
	{dav.C("calendar-user-address-set"), "Calendar user address", func(p *calendar.Person) []string { return p.Mails },
		func(t string) calendar.PeopleQuery { return calendar.PeopleQuery{Mail: withoutMailto(t)} }},
	{dav.CS("first-name"), "First name", func(p *calendar.Person) []string { return []string{p.Given} },
		func(t string) calendar.PeopleQuery { return calendar.PeopleQuery{Text: t} }},
	{dav.CS("last-name"), "Last name", func(p *calendar.Person) []string { return []string{p.Surname} },
		func(t string) calendar.PeopleQuery { return calendar.PeopleQuery{Text: t} }},
	{dav.C("calendar-user-type"), "Kind of calendar user", func(p *calendar.Person) []string { return []string{string(kindOf(p))} },
		func(string) calendar.PeopleQuery { return calendar.PeopleQuery{} }},
	{dav.C("calendar-home-set"), "Calendar home", func(p *calendar.Person) []string { return []string{homePath(calendar.Owner(p.ID))} },
		func(t string) calendar.PeopleQuery {
			// Thunderbird looks for the owner of a home by its path.
			path := strings.Trim(decoded(t), "/")
			return calendar.PeopleQuery{ID: path[strings.LastIndexByte(path, '/')+1:]}
		}},
}

// decoded is an address as paths are here, or what it is if it is none.
func decoded(s string) string {
	if path, err := url.PathUnescape(s); err == nil {
		return path
	}
	return s
}

func withoutMailto(s string) string {
	if mail, ok := cutMailto(s); ok {
		return mail
	}
	return s
}

// searchableProperties answers DAV:principal-search-property-set: 200, no
// multistatus. RFC 3744 §9.5.
func (rq *request) searchableProperties() error {
	mw := dav.NewDocument(rq.w, http.StatusOK, dav.D("principal-search-property-set"))
	for _, s := range searchable {
		mw.RawString("<D:principal-search-property><D:prop>")
		mw.Empty(s.name)
		mw.RawString("</D:prop>")
		mw.Start(dav.D("description"), "xml:lang", "en")
		mw.Chars(s.text)
		mw.End(dav.D("description"))
		mw.RawString("</D:principal-search-property>")
	}
	return mw.Close()
}

// term is one DAV:property-search: every property of it must match.
type term struct {
	props []int // of searchable
	text  string
	how   string // contains, starts-with, ends-with, equals
	exact bool   // upper and lower case are not alike
	never bool   // a property that nobody has a value of
}

func (t *term) matches(p *calendar.Person) bool {
	if t.never {
		return false
	}
	for _, i := range t.props {
		text := t.text
		switch searchable[i].name {
		case dav.C("calendar-user-address-set"):
			text = withoutMailto(text)
		case dav.C("calendar-home-set"):
			text = decoded(text)
		}
		if !slices.ContainsFunc(searchable[i].of(p), func(v string) bool { return fits(v, text, t.how, t.exact) }) {
			return false
		}
	}
	return true
}

// fits compares without regard to case, as RFC 3744 §9.4 wants it, unless it is
// told to.
func fits(value, text, how string, exact bool) bool {
	if !exact {
		value, text = strings.ToLower(value), strings.ToLower(text)
	}
	switch how {
	case "starts-with":
		return strings.HasPrefix(value, text)
	case "ends-with":
		return strings.HasSuffix(value, text)
	case "equals":
		return value == text
	}
	return strings.Contains(value, text)
}

// searchPrincipals answers DAV:principal-property-search. RFC 3744 §9.4; the
// attributes test, type, match-type and caseless are Calendar Server's.
func (rq *request) searchPrincipals(root *dav.Node) error {
	wanted, err := dav.ParseProps(root)
	if err != nil {
		return err
	}
	limit, err := limitOf(root)
	if err != nil {
		return err
	}
	var terms []term
	for n := range root.Children() {
		if n.Name != dav.D("property-search") {
			continue
		}
		t, err := parseTerm(n)
		if err != nil {
			return err
		}
		terms = append(terms, t)
	}
	if len(terms) == 0 || len(terms) > 32 {
		return &dav.Error{Status: http.StatusBadRequest, Text: "one to 32 property-search elements are needed"}
	}
	kinds, err := kindsOf(root)
	if err != nil {
		return err
	}
	test, _ := root.Attr("test")
	if test != "" && test != "anyof" && test != "allof" {
		return &dav.Error{Status: http.StatusBadRequest, Text: "test is neither anyof nor allof"}
	}
	return rq.findPeople(planFor(wanted), terms, kinds, test == "anyof", limit)
}

func parseTerm(n *dav.Node) (term, error) {
	m := n.Child(dav.D("match"))
	t := term{text: m.TrimText()}
	if m == nil || t.text == "" {
		return t, &dav.Error{Status: http.StatusBadRequest, Text: "a property-search without something to match"}
	}
	switch t.how, _ = m.Attr("match-type"); t.how {
	case "", "contains", "starts-with", "ends-with", "equals":
	default:
		return t, &dav.Error{Status: http.StatusBadRequest, Text: "match-type is not known"}
	}
	switch v, _ := m.Attr("caseless"); v {
	case "", "yes":
	case "no":
		t.exact = true
	default:
		return t, &dav.Error{Status: http.StatusBadRequest, Text: "caseless is neither yes nor no"}
	}
	for p := range n.Child(dav.D("prop")).Children() {
		i := slices.IndexFunc(searchable, func(s searchableProp) bool { return s.name == p.Name })
		if i < 0 {
			t.never = true
			continue
		}
		t.props = append(t.props, i)
	}
	if t.props == nil && !t.never {
		return t, &dav.Error{Status: http.StatusBadRequest, Text: "a property-search without a property"}
	}
	return t, nil
}

// findPeople asks the directory for candidates and answers with those that
// all terms (or any) match. A search that nothing can match gives an empty
// answer, which clients take better than a refusal.
func (rq *request) findPeople(pl plan, terms []term, kinds []calendar.PersonKind, anyOf bool, limit int) error {
	most := rq.limits.People
	if limit > 0 {
		most = min(most, limit)
	}
	seen := map[calendar.UserID]bool{}
	var people []calendar.Person
	more := false
	for i := range terms {
		if t := &terms[i]; !t.never {
			q := searchable[t.props[0]].query(t.text)
			q.Exact = t.how == "equals" && q.Text == ""
			q.Limit, q.Kinds = rq.limits.People, kinds
			found, cut, err := rq.people.Search(rq.ctx, q)
			if err != nil {
				return err
			}
			more = more || cut
			for _, p := range found {
				if !seen[p.ID] && accepts(terms, &p, anyOf) {
					seen[p.ID] = true
					people = append(people, p)
				}
			}
		}
		if !anyOf {
			break // the first term's candidates hold all there are
		}
	}
	if len(people) > most {
		people, more = people[:most], true
	}
	return rq.writePeople(pl, people, more)
}

func accepts(terms []term, p *calendar.Person, anyOf bool) bool {
	for i := range terms {
		if terms[i].matches(p) == anyOf {
			return anyOf
		}
	}
	return !anyOf
}

func (rq *request) writePeople(pl plan, people []calendar.Person, more bool) error {
	mw := rq.answer()
	for i := range people {
		pl.respond(mw, rq.personSubject(&people[i]))
	}
	if more {
		rq.cut(mw)
	}
	return mw.Close()
}
