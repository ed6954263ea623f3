package wcap

import (
	"factotum/server/calendar"
)

// maxOwners is how many owners a search takes from the directory that wants more
// calendars than Settings.SearchPeople.
const maxOwners = 10_000

// searchCalprops finds calendars by calid, display name or owner. The owner's
// name is the directory's to search, all else the back end's; it is searched for
// as it stands, whatever searchOpts says, unless the site wants parts of it
// found. WCAP search_calprops.
func (c *call) searchCalprops() error {
	text := c.p.text("search-string")
	if text == "" || len(text) > 1024 {
		return c.own()
	}
	req := calendar.SearchCalendarsRequest{Text: text, Name: c.p.flag("name", false), Properties: true, Limit: c.p.integer("maxResults", 200)}
	owner := c.p.flag("primaryOwner", false)
	req.ID = c.p.flag("calid", !req.Name && !owner)
	req.How = calendar.TextMatching(c.p.integer("searchOpts", 0))
	if owner {
		req.Owner = c.set.PartsOfOwners
		if req.Owners = []calendar.Owner{}; !req.Owner {
			req.Owners = append(req.Owners, calendar.Owner(text))
		}
		q := calendar.PeopleQuery{Text: text, Exact: !req.Owner || req.How == calendar.Exactly, Limit: max(c.set.SearchPeople, min(req.Limit, maxOwners))}
		found, _, err := c.directory().Search(c.ctx, q)
		if err != nil {
			return err
		}
		for _, p := range found {
			req.Owners = append(req.Owners, calendar.Owner(p.ID))
		}
	}
	found, err := c.be.SearchCalendars(c.ctx, c.who, req)
	if err != nil {
		return err
	}
	n := 0
	for i := range found {
		cal := &found[i]
		c.begin(&target{id: cal.ID}, cal)
		c.fromDirectory(cal)
		c.out.errno(OK)
		c.out.end()
		if n++; c.out.flush() != nil {
			return nil
		}
	}
	if n == 0 {
		return c.simple("PUBLISH", func(*output) {})
	}
	return nil
}
