package ical

import (
	"strconv"
	"strings"
)

// The functions here look at one value. They return what is wrong, or "".

func errText(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}

func checkDateTime(p *Property) string {
	_, err := p.DateTime()
	return errText(err)
}

// checkUTC is for date-times that have to be in UTC. §3.8.2.1, §3.8.7.
func checkUTC(p *Property) string {
	d, err := p.DateTime()
	if err == nil && d.Kind != UTC {
		return "it has to be a date-time in UTC"
	}
	return errText(err)
}

func checkDateTimes(p *Property) string {
	if p.valueIs("PERIOD") {
		return checkPeriods(p)
	}
	_, err := p.DateTimes()
	return errText(err)
}

func checkPeriods(p *Property) string {
	ps, err := p.Periods()
	for _, per := range ps {
		// §3.3.9: the start is before the end. Compare what is comparable.
		if per.HasDur && per.Dur.Neg && !per.Dur.IsZero() || !per.HasDur && per.Start.Kind == per.End.Kind && per.End.Civil().Before(per.Start.Civil()) {
			return "a period ends before it starts"
		}
	}
	return errText(err)
}

func checkDuration(p *Property) string {
	_, err := p.Duration()
	return errText(err)
}

func checkTrigger(p *Property) string {
	_, at, absolute, err := p.Trigger()
	if err == nil && absolute && at.Kind != UTC {
		return "it has to be a date-time in UTC" // §3.8.6.3
	}
	return errText(err)
}

func checkUID(p *Property) string {
	if strings.TrimSpace(p.Value) == "" {
		return "it is empty"
	}
	return ""
}

// checkAddress wants a URI: a scheme and a colon. §3.3.3.
func checkAddress(p *Property) string {
	if strings.IndexByte(p.Value, ':') <= 0 {
		return "not a calendar user address such as mailto:user@example.com"
	}
	return ""
}

// checkAttach wants binary values to say their encoding. §3.3.1.
func checkAttach(p *Property) string {
	if p.valueIs("BINARY") != p.ParamIs("ENCODING", "BASE64") {
		return "VALUE=BINARY and ENCODING=BASE64 go together"
	}
	return ""
}

func checkInt(lo, hi int64) func(p *Property) string {
	return func(p *Property) string {
		n, err := strconv.ParseInt(strings.Trim(p.Value, " \t"), 10, 64)
		if err != nil || n < lo || n > hi {
			return "not a whole number from " + strconv.FormatInt(lo, 10) + " to " + strconv.FormatInt(hi, 10)
		}
		return ""
	}
}

// checkGeo wants latitude and longitude. §3.8.1.6.
func checkGeo(p *Property) string {
	lat, lon, ok := strings.Cut(p.Value, ";")
	a, err1 := strconv.ParseFloat(strings.TrimSpace(lat), 64)
	b, err2 := strconv.ParseFloat(strings.TrimSpace(lon), 64)
	if !ok || err1 != nil || err2 != nil || !(-90 <= a && a <= 90) || !(-180 <= b && b <= 180) {
		return "not a latitude and longitude in degrees, with a semicolon between them"
	}
	return ""
}

// checkStatus wants a code of two or three numbers and a text. §3.8.8.3.
func checkStatus(p *Property) string {
	f := SplitFields(p.Value)
	if len(f) >= 2 {
		for i, n := range strings.Split(f[0], ".") {
			if _, ok := digits(n); !ok || n == "" || i > 2 {
				return "not a status code with a text"
			}
		}
		return ""
	}
	return "not a status code with a text"
}

// checkOffset reads a UTC offset. §3.3.14.
func checkOffset(p *Property) string {
	if _, err := ParseOffset(p.Value); err != nil {
		return err.Error()
	}
	return ""
}

// checkRecur looks at the outer form of a rule; package recur reads it. §3.3.10.
func checkRecur(p *Property) string {
	seen, freq, ends := "", false, 0
	for part := range strings.SplitSeq(strings.TrimRight(p.Value, "; \t"), ";") {
		name, value, ok := strings.Cut(part, "=")
		name = strings.ToUpper(strings.TrimSpace(name))
		if !ok || name == "" || value == "" || len(name) > 32 {
			return "a part of the rule is not of the form NAME=VALUE"
		}
		if strings.Contains(seen, " "+name+" ") {
			return "a part of the rule occurs twice"
		}
		if seen += " " + name + " "; len(seen) > 1024 {
			return "the rule has too many parts"
		}
		switch name {
		case "FREQ":
			freq = known("SECONDLY MINUTELY HOURLY DAILY WEEKLY MONTHLY YEARLY", value)
		case "COUNT", "INTERVAL":
			if n, err := strconv.ParseUint(value, 10, 31); err != nil || n == 0 {
				return name + " is not a positive whole number"
			}
			if name == "COUNT" {
				ends++
			}
		case "UNTIL":
			ends++
			if _, err := ParseDateTime(value, "", false); err != nil {
				return "UNTIL is " + err.Error()
			}
		}
	}
	switch {
	case !freq:
		return "the rule has no known FREQ"
	case ends > 1:
		return "the rule has both UNTIL and COUNT"
	}
	return ""
}
