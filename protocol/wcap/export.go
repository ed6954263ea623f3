package wcap

import (
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/zone"
)

// exportFile sends the components of calendars as one file: whole, as they are
// stored, with their time zones, so that import restores them. A calendar that
// cannot be read spoils the file. A GET is answered like a POST. WCAP export.
func (c *call) exportFile() error {
	form, ok := formatNamed(strings.ToLower(c.p.text("content-out")))
	if !ok || form == asJSON {
		return NoSuchFormat
	}
	in := c.zone()
	w, err := c.window(in)
	if err != nil {
		return err
	}
	list, err := c.targets()
	if err != nil {
		return err
	}
	zones := &zone.Merger{Whole: true}
	req := calendar.OccurrencesRequest{Window: w, Series: true}
	err = c.occurrences(list, req, func([]calendar.OccurrencesResult) error {
		for i := range list {
			if err := list[i].because(list[i].err); err != nil {
				return err
			}
		}
		name := "export.ics"
		if c.out.form = form; form == asXML {
			name = "export.xml"
		}
		c.out.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
		c.out.begin("PUBLISH")
		return nil
	}, func(i int, r *calendar.OccurrencesResult) error {
		if r.Err != nil {
			return list[i].because(r.Err)
		}
		return c.exportObject(r.Object, zones)
	})
	if err != nil {
		return err
	}
	c.out.end()
	return nil
}

// exportObject prints the components of an object, with the zones that are not
// in the file yet. Addresses of files of ours name this server.
func (c *call) exportObject(o *calendar.Object, zones *zone.Merger) error {
	tree, err := ical.Parse(o.Data, ical.Limits{})
	if err != nil {
		return nil
	}
	calendar.AbsoluteAttachments(tree, c.server())
	for _, k := range zones.Add(tree) {
		if err := c.out.comp(k); err != nil {
			return err
		}
	}
	return nil
}
