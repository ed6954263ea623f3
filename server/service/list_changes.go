package service

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/match"
)

// ListChanges tells what differs from a list that the caller has kept, from what
// the last commits did. Nothing else is looked at, and nothing else can be told.
func (s *Service) ListChanges(ctx context.Context, who calendar.Actor, req calendar.ListChangesRequest) (res calendar.ListChangesResult, err error) {
	err = s.readCalendar(ctx, who, "list changes", req.Calendar, toRead, func(v cache.View, cal *cache.Calendar, r calendar.Rights) error {
		res = calendar.ListChangesResult{Calendar: s.describe(cal, r, who)}
		if err := s.tellInbox(v, cal, &res.Calendar); err != nil {
			return err
		}
		var view string
		if view, res.Validator = s.validator(v, who, cal, r); view == "" {
			return nil
		}
		for _, known := range req.Validators {
			number, ours := strings.CutPrefix(known, view)
			since, err := strconv.ParseInt(number, 10, 64)
			if !ours || err != nil {
				continue
			}
			items, ok := v.ListChanges(cal, since)
			if !ok {
				continue
			}
			for i, it := range items {
				if it.Object != nil && s.hides(it.Object.Class, r, who, cal) {
					items[i].Object = match.Mask(it.Object)
				}
			}
			res.Base, res.Items = known, items
			return nil
		}
		return nil
	})
	return res, err
}

// validator stands for the list of a calendar's members as who sees it now. What
// it shows depends on the calendar, on the state, for which the number stands in
// its lineage, and on whether private objects are masked; all but the number is
// the view. Both are empty where no memory knows what will have changed.
func (s *Service) validator(v cache.View, who calendar.Actor, cal *cache.Calendar, r calendar.Rights) (view, validator string) {
	if v.Lineage() == "" {
		return "", ""
	}
	view = fmt.Sprintf("%s.%d.%t.", v.Lineage(), cal.Row.ID, s.masksFrom(who, cal.ID.Owner(), r, cal.CoOwners))
	return view, view + strconv.FormatInt(v.Home().Change, 10)
}
