package caldav

import (
	"net/http"
	"strings"

	"factotum/protocol/dav"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/zone"
)

// getCalendar answers GET of a calendar with all of it as one iCalendar
// object, for readers of webcal addresses.
func (rq *request) getCalendar() error {
	cond, err := dav.ParseConditions(rq.r.Header)
	if err != nil {
		return err
	}
	// A GET learns from the query who may not. RFC 9110 §9.3.2: HEAD is no other.
	c, err := rq.calendar(calendar.CalendarsRequest{Objects: rq.r.Method == http.MethodHead})
	switch {
	case c.ID != "" && c.Kind != calendar.CalendarCollection:
		return errMethod
	case err != nil:
		return err
	}
	h := rq.w.Header()
	h.Set("ETag", dav.ETag(c.CTag()))
	if rq.conditional(cond, c.CTag(), c.Modified) {
		return nil
	}
	h.Set("Content-Type", "text/calendar; charset=utf-8")
	h["X-Content-Type-Options"] = noSniff
	if rq.r.Method == http.MethodHead {
		rq.w.WriteHeader(http.StatusOK)
		return nil
	}
	m := merger{w: rq.w, server: "http://" + rq.r.Host}
	if rq.r.TLS != nil || strings.EqualFold(rq.r.Header.Get("X-Forwarded-Proto"), "https") {
		m.server = "https://" + rq.r.Host
	}
	m.begin(&c)
	err = rq.be.Query(rq.ctx, rq.who, calendar.QueryRequest{Calendar: c.ID}, m.object)
	if err == nil {
		err = m.end()
	}
	if err == nil {
		return nil
	}
	if !m.sent {
		h.Del("Content-Type")
		h.Del("ETag")
		h.Del("Last-Modified")
		return err
	}
	rq.note(err)
	panic(http.ErrAbortHandler)
}

// merger streams the components of many objects as one VCALENDAR. Zones of
// the same name are written once.
type merger struct {
	w      http.ResponseWriter
	server string // as the client reaches it: addresses of files leave with that
	buf    []byte
	zones  zone.Merger
	sent   bool
}

const mergeFlush = 28 << 10

func (m *merger) begin(c *calendar.Calendar) {
	head := ical.NewCalendar(prodID)
	head.Set("CALSCALE", "GREGORIAN")
	if c.DisplayName != "" {
		head.SetText("X-WR-CALNAME", c.DisplayName)
	}
	if c.TZID != "" {
		head.SetText("X-WR-TIMEZONE", c.TZID)
	}
	text := string(head.Bytes())
	m.buf = append(m.buf, strings.TrimSuffix(text, "END:VCALENDAR\r\n")...)
}

func (m *merger) object(o *calendar.Object) error {
	cal, err := ical.Parse(o.Data, ical.DefaultLimits)
	if err != nil {
		return nil // stored before today's limits: the rest is still worth reading
	}
	calendar.AbsoluteAttachments(cal, m.server)
	for _, c := range m.zones.Add(cal) {
		m.buf = c.Append(m.buf)
	}
	if len(m.buf) < mergeFlush {
		return nil
	}
	return m.flush()
}

func (m *merger) flush() error {
	m.sent = true
	_, err := m.w.Write(m.buf)
	m.buf = m.buf[:0]
	return err
}

func (m *merger) end() error {
	m.buf = append(m.buf, "END:VCALENDAR\r\n"...)
	return m.flush()
}
