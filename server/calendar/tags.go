package calendar

import (
	"slices"
	"strconv"
	"strings"
)

// ETag returns the entity tag without quotes. It is strong: a stamp belongs to
// one text of one resource, and masked text has a tag of its own.
func (o *Object) ETag() string {
	return string(o.AppendETag(make([]byte, 0, 24)))
}

// AppendETag appends the ETag to dst, for writers that do not allocate.
func (o *Object) AppendETag(dst []byte) []byte {
	dst = append(append32(dst, o.Change), '-')
	if o.Masked {
		return append(dst, "0m"...) // the size of what is hidden is hidden too
	}
	return append32(dst, int64(o.Size))
}

// append32 is strconv.AppendInt with base 32, in a tenth of the time: half of
// what a first sync does is to write ETags. Four digits at a time are appended
// as bytes, since a call that copies so few takes longer than they do.
func append32(dst []byte, n int64) []byte {
	const d = base32
	switch {
	case n < 0:
		return strconv.AppendInt(dst, n, 32)
	case n < 1<<5:
		return append(dst, d[n])
	case n < 1<<10:
		return append(dst, d[n>>5], d[n&31])
	case n < 1<<15:
		return append(dst, d[n>>10], d[n>>5&31], d[n&31])
	}
	if n >= 1<<20 {
		dst = append32(dst, n>>20)
	}
	return append(dst, d[n>>15&31], d[n>>10&31], d[n>>5&31], d[n&31])
}

const base32 = "0123456789abcdefghijklmnopqrstuv"

// ScheduleTagValue returns the CALDAV:schedule-tag without quotes.
func (o *Object) ScheduleTagValue() string {
	return "s" + strconv.FormatInt(o.ScheduleTag, 36)
}

// CTag returns the calendar's collection tag (CS:getctag). It is not numeric
// only, since some clients would make a number of it.
func (c *Calendar) CTag() string {
	return strconv.FormatInt(c.Incarnation, 36) + "-" + strconv.FormatInt(c.Change, 36)
}

const syncPrefix = "urn:factotum:sync:"

// SyncToken returns the DAV:sync-token of the calendar's present state.
// It names the incarnation, so that a calendar deleted and made again under
// the same name does not honour old tokens. RFC 6578 §3.2.
func (c *Calendar) SyncToken() string { return syncToken(c.Incarnation, c.Change) }

// SyncToken returns the DAV:sync-token of the home.
func (h *Home) SyncToken() string { return WithSharesTag(syncToken(0, h.Change), h.SharesTag) }

// CTag returns the collection tag of the home.
func (h *Home) CTag() string {
	return WithSharesTag("home-"+strconv.FormatInt(h.Change, 36), h.SharesTag)
}

func syncToken(incarnation, change int64) string {
	return syncPrefix + strconv.FormatInt(incarnation, 36) + ":" + strconv.FormatInt(change, 36)
}

// PageToken is the token between two pages of a first sync: start is the
// calendar's change number when it began. What was deleted up to then the
// client has never seen.
func PageToken(incarnation, change, start int64) string {
	t := syncToken(incarnation, change)
	if start > change {
		t += ":" + strconv.FormatInt(start, 36)
	}
	return t
}

// ParseSyncToken takes a token apart; start is 0 where the token has none.
func ParseSyncToken(s string) (incarnation, change, start int64, ok bool) {
	rest, ok := strings.CutPrefix(s, syncPrefix)
	if !ok {
		return 0, 0, 0, false
	}
	var n [3]int64
	parts := strings.Split(rest, ":")
	if len(parts) < 2 || len(parts) > len(n) {
		return 0, 0, 0, false
	}
	for i, p := range parts {
		v, err := strconv.ParseInt(p, 36, 64)
		if err != nil || v < 0 {
			return 0, 0, 0, false
		}
		n[i] = v
	}
	return n[0], n[1], n[2], true
}

// hasTag tests a list of entity tags without quotes.
func hasTag(list []string, o *ObjectRow, masked bool) bool {
	if len(list) == 0 {
		return false
	}
	tag := (&Object{Change: o.Change, Size: o.Size, Masked: masked}).ETag()
	return slices.ContainsFunc(list, func(t string) bool {
		return t == "*" || t == tag || strings.Trim(t, `"`) == tag
	})
}

// Check decides whether a write on row (or on nothing, when exists is false)
// may go on. RFC 9110 §13.2.2 gives the order.
func (p *Precond) Check(row *ObjectRow, exists bool) bool {
	if len(p.IfMatch) > 0 && (!exists || !hasTag(p.IfMatch, row, false)) {
		return false
	}
	if p.IfScheduleTag != "" && (!exists || row.ScheduleTag == 0 || (&Object{ScheduleTag: row.ScheduleTag}).ScheduleTagValue() != p.IfScheduleTag) {
		return false
	}
	if len(p.IfMatch) == 0 && !p.IfUnmodified.IsZero() && (!exists || row.Modified.Truncate(1e9).After(p.IfUnmodified)) {
		return false
	}
	return len(p.IfNoneMatch) == 0 || !exists || !hasTag(p.IfNoneMatch, row, false)
}
