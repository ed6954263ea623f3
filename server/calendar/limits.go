package calendar

import "time"

// Limits bound what is stored and answered. Zero fields get the defaults of
// DefaultLimits.
type Limits struct {
	ObjectSize   int       // octets of one object: CALDAV:max-resource-size
	Attendees    int       // CALDAV:max-attendees-per-instance
	Exceptions   int       // exceptions of a series to which others are invited
	Instances    int       // instances of one object in one answer: CALDAV:max-instances
	Results      int       // objects or instances in one answer
	Calendars    int       // collections in one home
	PropSize     int       // octets of one property value
	Props        int       // dead properties of one resource
	Refs         int       // refs of one multiget
	HomeBytes    int64     // quota of a home, 0 = none
	MinDate      time.Time // CALDAV:min-date-time
	MaxDate      time.Time // CALDAV:max-date-time
	PlainMaxSize int       // octets of one file of a plain collection

	AttachmentSize int // octets of one attachment
	Attachments    int // attachments of one object
	InboxItems     int // scheduling messages in one inbox: the oldest leave
}

// DefaultLimits are used where Limits has a zero.
var DefaultLimits = Limits{
	ObjectSize: 10 << 20, Attendees: 10_000, Exceptions: 4000, Instances: 10_000, Results: 200_000, Calendars: 1000,
	PropSize: 64 << 10, Props: 100, Refs: 10_000, PlainMaxSize: 10 << 20, AttachmentSize: 10 << 20, Attachments: 100, InboxItems: 500,
	MinDate: time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), MaxDate: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
}

// WithDefaults returns the limits with DefaultLimits where they are zero.
func (l Limits) WithDefaults() Limits {
	d := DefaultLimits
	for _, f := range []struct{ v, d *int }{
		{&l.ObjectSize, &d.ObjectSize}, {&l.Attendees, &d.Attendees}, {&l.Exceptions, &d.Exceptions}, {&l.Instances, &d.Instances},
		{&l.Results, &d.Results}, {&l.Calendars, &d.Calendars}, {&l.PropSize, &d.PropSize},
		{&l.Props, &d.Props}, {&l.Refs, &d.Refs}, {&l.PlainMaxSize, &d.PlainMaxSize},
		{&l.AttachmentSize, &d.AttachmentSize}, {&l.Attachments, &d.Attachments},
		{&l.InboxItems, &d.InboxItems},
	} {
		if *f.v <= 0 {
			*f.v = *f.d
		}
	}
	if l.MinDate.IsZero() {
		l.MinDate = d.MinDate
	}
	if l.MaxDate.IsZero() {
		l.MaxDate = d.MaxDate
	}
	return l
}
