package caldav

import (
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"factotum/protocol/dav"
	"factotum/server/calendar"
	"factotum/server/ical"
)

// freeBusy answers CALDAV:free-busy-query with a VFREEBUSY. RFC 4791 §7.10.
func (rq *request) freeBusy(root *dav.Node) error {
	n := root.Child(dav.C("time-range"))
	if n == nil {
		return badData("a free-busy-query needs a time range")
	}
	w, err := window(n, false)
	if err != nil {
		return err
	}
	req := calendar.FreeBusyRequest{
		Targets: []calendar.FreeBusyTarget{{Calendar: rq.at.id(), Home: rq.at.place == atHome}},
		Window:  *w,
	}
	res, err := rq.be.FreeBusy(rq.ctx, rq.who, req)
	if err != nil {
		return err
	}
	var busy []calendar.Busy
	for _, r := range res {
		if r.Err != nil {
			return r.Err
		}
		busy = append(busy, r.Busy...)
	}
	text := freeBusyText(*w, busy, rq.now())
	h := rq.w.Header()
	h.Set("Content-Type", "text/calendar; charset=utf-8; component=VFREEBUSY")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	rq.w.WriteHeader(http.StatusOK)
	_, _ = rq.w.Write(text)
	return nil
}

// freeBusyText prints busy time. RFC 5545 §3.6.4: a property a type, periods
// in order.
func freeBusyText(w calendar.Window, busy []calendar.Busy, now time.Time) []byte {
	cal := ical.NewCalendar(prodID)
	cal.AddChild(busyComponent(w, busy, uuid.NewString(), utcText(now)))
	return cal.Bytes()
}

func busyComponent(w calendar.Window, busy []calendar.Busy, uid, now string) *ical.Component {
	fb := ical.New("VFREEBUSY")
	fb.Set("UID", uid)
	fb.Set("DTSTAMP", now)
	fb.Set("DTSTART", max(utcText(w.From), minDateTime))
	fb.Set("DTEND", utcText(w.To))
	for _, kind := range []string{"BUSY", "BUSY-TENTATIVE", "BUSY-UNAVAILABLE"} {
		var list []byte
		for _, b := range busy {
			if b.Type != kind {
				continue
			}
			if list != nil {
				list = append(list, ',')
			}
			list = b.Start.UTC().AppendFormat(list, utcLayout)
			list = append(list, '/')
			list = b.End.UTC().AppendFormat(list, utcLayout)
		}
		if list != nil {
			fb.Add(ical.Property{Name: "FREEBUSY", Value: string(list), Params: []ical.Param{{Name: "FBTYPE", Values: []string{kind}}}})
		}
	}
	return fb
}

const utcLayout = "20060102T150405Z"

func utcText(t time.Time) string { return t.UTC().Format(utcLayout) }
