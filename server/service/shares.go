package service

import (
	"context"
	"slices"

	"factotum/server/cache"
	"factotum/server/calendar"
)

// reservedName refuses a collection under a name that means a share.
func reservedName(op string, id calendar.ID) error {
	return calendar.Failf(calendar.Invalid, calendar.CollectionLocationOK, op, string(id), "the name of a collection does not begin with ~: that means one of somebody else")
}

// ownShares are the shares in the actor's own home, as his preferences tell of
// them; nobody else is told.
func (s *Service) ownShares(ctx context.Context, v cache.View, who calendar.Actor, owner calendar.Owner) (list []calendar.Share, prefs map[string]string, err error) {
	if who.User != string(owner) {
		return nil, nil, nil
	}
	err = v.Tx(ctx, nil, func(tx calendar.ReadTx) (err error) {
		prefs, err = tx.Prefs()
		return err
	})
	return calendar.Shares(owner, prefs), prefs, err
}

// onlyShare is the one of them that is asked for.
func onlyShare(list []calendar.Share, id calendar.ID) []calendar.Share {
	if id == "" {
		return list
	}
	return slices.DeleteFunc(list, func(s calendar.Share) bool { return s.ID != id })
}

// changeShares changes what a user has of his own for calendars on his list,
// in his preferences, and returns the list as it is then.
func (s *Service) changeShares(op string, req *calendar.SubscribeRequest, prefs map[string]string, list []calendar.Subscription) ([]calendar.Subscription, error) {
	for i := range req.Change {
		ch := &req.Change[i]
		at := slices.IndexFunc(list, func(s calendar.Subscription) bool {
			id := s.ID()
			return calendar.NewID(id.Owner(), id.Name()) == ch.ID
		})
		if at < 0 {
			return nil, calendar.Fail(calendar.NotFound, op, string(ch.ID))
		}
		set := calendar.UpdateCalendarRequest{ID: ch.ID, DisplayName: ch.Name, Description: ch.Description, Color: ch.Color, Order: ch.Order,
			TZID: ch.TZID, Timezone: ch.Timezone, Props: ch.Props}
		if err := s.checkProps(op, &set); err != nil {
			return nil, err
		}
		share := calendar.Share{ID: ch.ID}
		for _, known := range calendar.Shares(req.Owner, prefs) {
			if known.ID == ch.ID {
				share = known
			}
		}
		ch.Apply(&share)
		row := calendar.CalendarRow{TZID: share.TZID, Timezone: share.Timezone}
		setZone(&row, &set)
		share.TZID, share.Timezone = row.TZID, row.Timezone
		calendar.KeepShare(prefs, share)
		if ch.Name != nil {
			list[at] = calendar.NewSubscription(list[at].ID(), oneLine(*ch.Name))
		}
	}
	return list, nil
}
