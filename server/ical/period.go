package ical

import (
	"errors"
	"strings"
)

// Period is a PERIOD value: a start with either an end or a duration.
// RFC 5545 §3.3.9.
type Period struct {
	Start, End DateTime // End unless HasDur
	Dur        Duration
	HasDur     bool
}

var errPeriod = errors.New("not a period of the form start/end or start/duration")

// ParsePeriod reads one PERIOD value. Start and end are date-times.
func ParsePeriod(value, tzid string) (Period, error) {
	from, to, ok := strings.Cut(value, "/")
	if !ok {
		return Period{}, errPeriod
	}
	var p Period
	var err error
	if p.Start, err = ParseDateTime(from, tzid, false); err != nil {
		return Period{}, err
	}
	if to = strings.Trim(to, " \t"); to != "" && strings.IndexByte("Pp+-", to[0]) >= 0 {
		p.HasDur = true
		p.Dur, err = ParseDuration(to)
	} else {
		p.End, err = ParseDateTime(to, tzid, false)
	}
	if err != nil {
		return Period{}, err
	}
	if p.Start.Kind == Date || !p.HasDur && p.End.Kind == Date {
		return Period{}, errPeriod
	}
	return p, nil
}

// String returns the value form.
func (p Period) String() string {
	if p.HasDur {
		return p.Start.String() + "/" + p.Dur.String()
	}
	return p.Start.String() + "/" + p.End.String()
}

// Periods reads a comma list, as in FREEBUSY and RDATE;VALUE=PERIOD;
// empty places in it are skipped.
func (p *Property) Periods() ([]Period, error) {
	tzid := p.TZID()
	list := make([]Period, 0, 1+strings.Count(p.Value, ","))
	for v := range strings.SplitSeq(p.Value, ",") {
		if strings.Trim(v, " \t") == "" {
			continue
		}
		per, err := ParsePeriod(v, tzid)
		if err != nil {
			return nil, err
		}
		list = append(list, per)
	}
	return list, nil
}
