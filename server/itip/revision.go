package itip

import (
	"strconv"
	"strings"
	"time"

	"factotum/server/ical"
)

// revision is which message somebody's line of a component comes from: that of
// the organizer in an attendee's copy, that of an attendee in the organizer's.
// An older one that comes late is told by it. RFC 5546 §2.1.5.
type revision struct {
	seq   int64
	stamp time.Time // zero is before all others
	own   bool      // an answer to an exception itself, and not to the series
}

const stampForm = "20060102T150405Z"

// mark writes the revision beside a line.
func (r revision) mark(line *ical.Property) {
	v := strconv.FormatInt(r.seq, 10)
	if !r.stamp.IsZero() {
		v += "/" + r.stamp.UTC().Format(stampForm)
		if r.own {
			v += "/OWN"
		}
	}
	line.SetParam(revisionParam, v)
}

// ForgetRevision has the next answer of who an ATTENDEE line names count, whenever
// it was written.
func ForgetRevision(line *ical.Property) { line.DelParam(revisionParam) }

// revisionOf reads what mark wrote.
func revisionOf(line *ical.Property) (r revision, ok bool) {
	if line == nil || !line.HasParam(revisionParam) {
		return r, false
	}
	seq, at, _ := strings.Cut(line.Param(revisionParam), "/")
	at, own, _ := strings.Cut(at, "/")
	n, err := strconv.ParseInt(seq, 10, 64)
	if err != nil {
		return r, false
	}
	r.seq, r.own = n, own == "OWN"
	if t, err := time.Parse(stampForm, at); err == nil {
		r.stamp = t
	}
	return r, true
}

// received is the revision of a component that came.
func received(c *ical.Component) revision { return revision{seq: sequence(c), stamp: stamp(c)} }

// of is a revision as one of a component: nobody has answered what comes later.
func (r revision) of(c *ical.Component) revision {
	r.seq = min(r.seq, sequence(c))
	return r
}

func (r revision) before(other revision) bool {
	return r.seq < other.seq || r.seq == other.seq && r.stamp.Before(other.stamp)
}

// lacks reports whether an organizer who has heard so much, and asks for no other
// answer since, has not heard what somebody said.
func (r revision) lacks(said revision) bool {
	return r.seq <= said.seq && r.stamp.Before(said.stamp)
}

func (r revision) equal(other revision) bool {
	return r.seq == other.seq && r.stamp.Equal(other.stamp)
}
