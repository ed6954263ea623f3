package main

import (
	"cmp"
	"context"

	"factotum/server/availability"
	"factotum/server/calendar"
	"factotum/server/config"
)

// The hours of a resource are an availability, RFC 7953, which is kept with its
// calendars: the directory does not know of it.

// parseHours reads what --hours says, nil for at all times.
func parseHours(text string) (availability.Hours, error) {
	if text == "" {
		return nil, nil
	}
	return availability.ParseHours(text)
}

// setHours sets those that the call says. They are in the zone of its calendar,
// and go along to another one.
func (o *resourceOptions) setHours(ctx context.Context, be *backend, p calendar.Person) error {
	req := calendar.SetPrefsRequest{Owner: calendar.Owner(p.ID)}
	hours, err := parseHours(o.hours)
	switch {
	case err != nil:
		return err
	case o.IsSet("hours") && hours == nil:
		req.Remove = []string{calendar.AvailabilityPref}
		return be.SetPrefs(ctx, be.who, req)
	case !o.IsSet("hours") && !o.IsSet("timezone"):
		return nil
	case !o.IsSet("hours"):
		prefs, err := be.Prefs(ctx, be.who, req.Owner)
		if err != nil {
			return err
		}
		known := false
		if hours, _, known = availability.HoursOf([]byte(prefs[calendar.AvailabilityPref])); !known {
			return nil
		}
	}
	c, err := be.Calendar(ctx, be.who, calendar.ID(p.ID))
	if err != nil {
		return err
	}
	text, err := hours.Text(cmp.Or(c.TZID, p.TZID, be.cfg.Calstore.TimeZone, "UTC"))
	if err != nil {
		return err
	}
	req.Set = map[string]string{calendar.AvailabilityPref: string(text)}
	return be.SetPrefs(ctx, be.who, req)
}

// hoursReader looks up hours, where the store is open.
type hoursReader struct {
	*resourceOptions
	ctx context.Context
	cfg *config.Config
	be  *backend
	err error // why the store is not open
}

func (o *resourceOptions) hoursReader(ctx context.Context, cfg *config.Config) *hoursReader {
	return &hoursReader{resourceOptions: o, ctx: ctx, cfg: cfg}
}

func (h *hoursReader) close() {
	if h.be != nil {
		h.be.close()
	}
}

// of are the hours of a resource, "" if it can be booked at all times.
func (h *hoursReader) of(p calendar.Person) (*string, error) {
	if err := h.here(h.ctx, h.cfg, calendar.Owner(p.ID)); err != nil {
		return nil, err
	}
	if h.be == nil && h.err == nil {
		h.be, h.err = h.store(h.ctx)
	}
	if h.err != nil {
		return nil, h.err
	}
	prefs, err := h.be.Prefs(h.ctx, h.be.who, calendar.Owner(p.ID))
	if err != nil {
		return nil, err
	}
	text := prefs[calendar.AvailabilityPref]
	if text == "" {
		return &text, nil
	}
	said := "by an availability that csresource did not write"
	if hours, zone, ok := availability.HoursOf([]byte(text)); ok {
		said = hours.String() + " " + zone
	}
	return &said, nil
}
