package wcap

import (
	"strings"
	"time"

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
	zone, err := c.zone(false)
	if err != nil {
		return err
	}
	w, err := c.window(zone)
	if err != nil {
		return err
	}
	list, err := c.targets()
	if err != nil {
		return err
	}
	zones := map[string]bool{}
	req := calendar.OccurrencesRequest{Window: w, Series: true}
	err = c.occurrences(list, req, func([]calendar.OccurrencesResult) error {
		for i := range list {
			if list[i].err != nil {
				return list[i].err
			}
		}
		name := "export.ics"
		if c.out.form = form; form == asXML {
			name = "export.xml"
		}
		c.out.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
		c.out.begin("PUBLISH")
		return nil
	}, func(_ int, r *calendar.OccurrencesResult) error {
		if r.Err != nil {
			return r.Err
		}
		return c.exportObject(r.Object, zones)
	})
	if err != nil {
		return err
	}
	c.out.end()
	return nil
}

// exportObject prints the components of an object; a zone of each name comes
// once.
func (c *call) exportObject(o *calendar.Object, zones map[string]bool) error {
	tree, err := ical.Parse(o.Data, ical.Limits{})
	if err != nil {
		return nil
	}
	var comps []*ical.Component
	for _, k := range tree.Children {
		if k.Name != "VTIMEZONE" {
			comps = append(comps, k)
		} else if id := k.Value("TZID"); !zones[id] {
			zones[id] = true
			if err := c.out.comp(k); err != nil {
				return err
			}
		}
	}
	for _, k := range comps {
		for id := range zonesIn(k) {
			if zones[id] {
				continue
			}
			zones[id] = true
			if z, err := zone.VTimezone(id, time.Time{}, time.Time{}); err == nil {
				if err := c.out.comp(z); err != nil {
					return err
				}
			}
		}
		if err := c.out.comp(k); err != nil {
			return err
		}
	}
	return nil
}

// zonesIn are the zones that a component names.
func zonesIn(k *ical.Component) map[string]bool {
	out := map[string]bool{}
	k.Walk(func(k *ical.Component) bool {
		for i := range k.Props {
			if id := k.Props[i].TZID(); id != "" {
				out[id] = true
			}
		}
		return true
	})
	return out
}
