package service

import (
	"context"
	"slices"
	"strings"

	"factotum/server/availability"
	"factotum/server/cache"
	"factotum/server/ical"
)

// maxPublished is how many objects that are free/busy themselves one calendar
// counts with, by name. Longer ones than a property may be do not count.
const maxPublished = 100

// published takes the VFREEBUSY and VAVAILABILITY objects of a calendar, which few
// calendars may have. RFC 4791 §7.10, RFC 7953 §7.2.2.
func (b *busyTime) published(ctx context.Context, v cache.View, cal *cache.Calendar) error {
	if !slices.Contains(cal.Components, "VFREEBUSY") && !slices.Contains(cal.Components, "VAVAILABILITY") {
		return nil
	}
	members, err := v.List(ctx, cal)
	if err != nil {
		return err
	}
	var names []string
	for _, o := range members {
		if (o.Component == "VFREEBUSY" || o.Component == "VAVAILABILITY") && o.Size <= b.s.opt.Limits.PropSize && o.UID != b.req.Ignore {
			if names = append(names, o.Name); len(names) == maxPublished {
				break
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	objects, err := v.Objects(ctx, cal, names)
	if err != nil {
		return err
	}
	for _, o := range objects {
		if o == nil {
			continue
		}
		known, err := o.Parsed()
		if err != nil {
			continue // stored before a rule was added; csdb check reports it
		}
		for k := range known.Cal.ChildrenOf("VFREEBUSY") {
			b.freeBusy(k)
		}
		if a, err := availability.Of(known.Cal); err == nil {
			b.avail = append(b.avail, a)
		}
	}
	return nil
}

// freeBusy takes the periods of a VFREEBUSY. RFC 5545 §3.6.4, §3.8.2.6.
func (b *busyTime) freeBusy(k *ical.Component) {
	for p := range k.All("FREEBUSY") {
		kind := strings.ToUpper(strings.TrimSpace(p.Param("FBTYPE")))
		switch kind {
		case "FREE":
			continue
		case "BUSY-UNAVAILABLE", "BUSY-TENTATIVE":
		default: // and what nobody knows: RFC 5545 §3.2.9
			kind = "BUSY"
		}
		list, err := p.Periods()
		if err != nil {
			continue
		}
		for _, per := range list {
			if per.Start.Kind != ical.UTC { // RFC 5545 §3.8.2.6
				continue
			}
			start, end := per.Start.Civil(), per.End.Civil()
			if per.HasDur {
				end = start.AddDate(0, 0, per.Dur.NominalDays()).Add(per.Dur.Exact())
			}
			b.add(start.Unix(), end.Unix(), kind)
		}
	}
}
