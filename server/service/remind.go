package service

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"factotum/server/alarm"
	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/edit"
	"factotum/server/ical"
	"factotum/server/object"
	"factotum/server/personal"
	"factotum/server/recur"
)

// AlarmOptions say which alarms the server sends, and how. The zero value sends
// none. notifications.md §7.
type AlarmOptions struct {
	Mail    bool   // those with ACTION:EMAIL, by mail
	MailURL string // topic that tells of each of these; "" tells nobody

	// One more message of each alarm for pop-ups: its topic, and its form; "" is none.
	// Print writes what is not text/calendar.
	URL, ContentType string
	Print            func(contentType string, props []ical.Property, comps []*ical.Component) []byte

	Late       time.Duration // how late one is sent; 0 = a day
	Recipients int           // of one alarm, at most; 0 = 10
}

func (o AlarmOptions) wants() alarm.Wants {
	return alarm.Wants{Mail: o.Mail, Publish: o.URL != "" && o.ContentType != ""}
}

// mostMailed is how many mails the alarms of one object make in a day: a series of
// every minute is no way to fill a mail box.
const mostMailed = 100

// remind keeps the job of an object's next alarm: that of the version before goes,
// and the one after has its own. What was due of the former, and has not been sent
// yet, is not forgotten.
func (w *writer) remind(row *calendar.CalendarRow, before, after *calendar.Version) error {
	wants := w.s.opt.Alarms.wants()
	if !wants.Any() || !row.Kind.Rules().Objects {
		return nil
	}
	var next calendar.NextAlarm
	if before != nil && mayRemind(wants, before) {
		id := calendar.AlarmJob(w.owner, before.Change)
		job, ok, err := w.Job(id.Change, id.Seq)
		if err != nil {
			return err
		}
		if ok {
			if next, err = calendar.ParseNextAlarm(job); err != nil {
				return err
			}
			if err := w.dropJob(id); err != nil {
				return err
			}
		}
	}
	if after == nil || !mayRemind(wants, after) {
		return nil
	}
	_, err := w.planAlarm(row, after, w.carry(next))
	return err
}

// carry is from when on an object is planned for which next was planned, the zero
// value if nothing was: what is due of that, and has not been sent yet, is not
// forgotten; what has been sent does not fire again after the clock was set back.
func (w *writer) carry(next calendar.NextAlarm) calendar.NextAlarm {
	if next.From.IsZero() || next.From.After(w.now) {
		next.From = w.now
		if next.Fired.After(w.now) && next.Fired.Before(w.now.Add(24*time.Hour)) {
			next.From = next.Fired
		}
	}
	return next
}

// planAlarm stores the job of the first alarm of an object at next.From or after it;
// ok is false if there is none.
func (w *writer) planAlarm(row *calendar.CalendarRow, v *calendar.Version, next calendar.NextAlarm) (ok bool, err error) {
	job, err := w.nextAlarm(row, v, next, w.alarmsOf(row, v))
	if err != nil || job == nil {
		return false, err
	}
	return true, w.keepJob(*job)
}

// nextAlarm is that job, nil if there is none.
func (w *writer) nextAlarm(row *calendar.CalendarRow, v *calendar.Version, next calendar.NextAlarm, all []ownAlarms) (*calendar.Job, error) {
	var first time.Time
	for _, a := range all {
		if at, ok := a.plan.Next(next.From); ok && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	if first.IsZero() {
		return nil, nil
	}
	next.Cal, next.Name, next.From = row.ID, v.Name, first
	job, err := next.Job(calendar.AlarmJob(w.owner, v.Change))
	return &job, err
}

func mayRemind(wants alarm.Wants, v *calendar.Version) bool {
	return wants.May(v.Data) || slices.ContainsFunc(v.Props, func(p calendar.DeadProp) bool {
		return calendar.IsPersonalProp(p) && wants.May([]byte(p.Value))
	})
}

// ownAlarms are those that somebody has in an object.
type ownAlarms struct {
	user calendar.UserID // "" is the owner
	cal  *ical.Component // as he sees it
	plan *alarm.Plan
}

// alarmsOf are the alarms of an object that the server sends: the owner's, and those
// that others have of their own in a calendar that he shares. What cannot be read has
// none; csdb check tells of it.
func (w *writer) alarmsOf(row *calendar.CalendarRow, v *calendar.Version) (all []ownAlarms) {
	wants := w.s.opt.Alarms.wants()
	base, err := v.Parsed()
	if err != nil {
		return nil
	}
	floating := w.s.floatingOf(nil, cache.NewCalendar(w.owner, *row, nil))
	if wants.May(v.Data) {
		if plan := alarm.New(base, wants, floating); plan != nil {
			all = append(all, ownAlarms{"", base, plan})
		}
	}
	for i := range v.Props {
		p := &v.Props[i]
		if !calendar.IsPersonalProp(*p) || !wants.May([]byte(p.Value)) {
			continue
		}
		cal := personal.View(base, partOf([]byte(p.Value)), floating)
		if plan := alarm.New(cal, wants, floating); plan != nil {
			all = append(all, ownAlarms{calendar.PersonalUser(*p), cal, plan})
		}
	}
	return all
}

// lackOf says whom a firing has to know of.
type lackOf struct{ users []calendar.UserID }

func (*lackOf) Error() string { return "the directory has to be asked whose alarms these are" }

// FireAlarms does a job of kind calendar.JobAlarm: in one transaction it stores the
// mails and publications of all that is due of an object, and the job of the next
// alarm instead of this one. What these are it finds out before, without keeping
// writers waiting: while the job is there, the object is as it was when it was made.
func (s *Service) FireAlarms(ctx context.Context, job calendar.Job) error {
	const op = "remind"
	me, err := s.ownerEntry(ctx, op, job.Owner)
	if err != nil {
		return err
	}
	people := map[calendar.UserID]*calendar.Person{"": me}
	var f firing
	for {
		err := s.store.View(ctx, job.Owner, func(tx calendar.ReadTx) (err error) {
			w := &writer{ReadTx: tx, s: s, owner: job.Owner, op: op, now: s.now().UTC().Truncate(time.Microsecond)}
			f, err = w.fire(job, people)
			return err
		})
		var l *lackOf
		if !errors.As(err, &l) {
			if err != nil {
				return wrap(op, string(job.Owner), err)
			}
			break
		}
		for _, user := range l.users {
			if people[user], err = s.ownerEntry(ctx, op, calendar.Owner(user)); err != nil {
				return err
			}
		}
	}
	done := false
	err = s.transact(withPerson(calendar.WithToken(ctx, ""), me), calendar.Actor{}, op, job.Owner, func(w *writer) error {
		now, ok, err := w.Job(job.Change, job.Seq)
		if done = err == nil && ok && now.Due.Equal(job.Due) && bytes.Equal(now.Payload, job.Payload); !done {
			return err // another has done it, or it is planned for another time
		}
		if len(f.jobs) > 0 {
			if err := w.posted(f.jobs...); err != nil {
				return err
			}
		}
		if f.next == nil {
			return w.dropJob(job.JobID)
		}
		return w.keepJob(*f.next)
	})
	if done && err == nil {
		s.reminded.add(f.sent)
	}
	return err
}

// firing is what comes of a job: those that follow from it, and the one that takes its
// place.
type firing struct {
	jobs []task
	next *calendar.Job // nil: nothing fires any more
	sent AlarmCounts
}

// fire finds out what is due. It only reads.
func (w *writer) fire(job calendar.Job, people map[calendar.UserID]*calendar.Person) (f firing, err error) {
	if job.Due.After(w.now) { // the clock was set back; the worker has to learn of it by another Due
		again := job
		again.Due = job.Due.Add(time.Microsecond)
		return firing{next: &again}, nil
	}
	next, err := calendar.ParseNextAlarm(job)
	if err != nil {
		return f, err
	}
	row, v, err := w.versionOf(next.Cal, next.Name)
	if err != nil || v == nil || v.Change != job.Change {
		return f, err
	}
	all := w.alarmsOf(row, v)
	var due []reminder
	var lack lackOf
	for _, a := range all {
		for _, g := range a.plan.Due(next.From, w.now, cmp.Or(w.s.opt.Alarms.Late, 24*time.Hour)) {
			if people[a.user] == nil {
				lack.users = append(lack.users, a.user)
				break
			}
			due = append(due, reminder{row, v, a, g, people[a.user]})
		}
	}
	if len(lack.users) > 0 {
		return f, &lack
	}
	for i := range due {
		if !w.wantsReminder(&due[i]) {
			continue
		}
		more, err := w.send(&due[i], &next)
		if err != nil {
			return f, err
		}
		f.jobs = append(f.jobs, more...)
		f.sent.note(&due[i].Firing, w.now)
	}
	next.From = alarm.After(w.now)
	next.Fired = next.From
	f.next, err = w.nextAlarm(row, v, next, all)
	return f, err
}

// AlarmCounts count alarms that were sent since the start.
type AlarmCounts struct {
	Mailed, Published int64
	Late              int64 // of both, by more than a minute
}

func (c *AlarmCounts) note(f *alarm.Firing, now time.Time) {
	for _, k := range []struct {
		to *int64
		is bool
	}{{&c.Mailed, f.Mail}, {&c.Published, f.Publish}, {&c.Late, now.Sub(f.At) > alarm.Punctual}} {
		if k.is {
			*k.to++
		}
	}
}

// reminded are the AlarmCounts of a Service.
type reminded struct{ mailed, published, late atomic.Int64 }

func (r *reminded) add(c AlarmCounts) {
	r.mailed.Add(c.Mailed)
	r.published.Add(c.Published)
	r.late.Add(c.Late)
}

// Reminded tells how many alarms were sent.
func (s *Service) Reminded() AlarmCounts {
	return AlarmCounts{s.reminded.mailed.Load(), s.reminded.published.Load(), s.reminded.late.Load()}
}

// versionOf is an object with what others have of their own in it, nil if there is
// none.
func (w *writer) versionOf(cal int64, name string) (*calendar.CalendarRow, *calendar.Version, error) {
	rows, err := w.Calendars()
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(rows, func(r calendar.CalendarRow) bool { return r.ID == cal })
	if i < 0 {
		return nil, nil, nil
	}
	o, ok, err := w.Object(cal, name, true)
	if err != nil || !ok {
		return nil, nil, err
	}
	v := calendar.NewVersion(o, nil, nil)
	v.Props, err = w.Props(cal, name)
	return &rows[i], v, err
}

// reminder is an alarm that fires for somebody.
type reminder struct {
	row *calendar.CalendarRow
	v   *calendar.Version
	of  ownAlarms
	alarm.Firing
	who *calendar.Person
}

// wantsReminder tells whether he for whom it is still has a use for it: he is here,
// sees the calendar, and has not declined.
func (w *writer) wantsReminder(r *reminder) bool {
	if r.who.ID == "" || r.row.Disabled {
		return false
	}
	if r.of.user != "" {
		p := w.s.placeFor(r.who.Actor(), w.owner, *r.row)
		if !p.apart || !p.rights.CanRead() || p.hides(&r.v.ObjectRow) {
			return false
		}
	}
	for a := range r.Instance.Comp.All("ATTENDEE") {
		if strings.EqualFold(a.Param("PARTSTAT"), "DECLINED") && r.who.HasAddress(a.Value) {
			return false
		}
	}
	return true
}

// send makes the jobs of a reminder.
func (w *writer) send(r *reminder, next *calendar.NextAlarm) (jobs []task, err error) {
	opt := &w.s.opt.Alarms
	c := r.instance()
	uid := object.UID(c)
	rid := ridOf(c, r.of.cal)
	id := calendar.MailDigest("alarm", string(w.owner), r.of.user, uid, rid, r.AID, strconv.FormatInt(r.At.Unix(), 10), strconv.FormatBool(r.Snoozed))
	expires := r.At.Add(cmp.Or(opt.Late, 24*time.Hour))
	if in := &r.Instance; c.Name == "VEVENT" && r.At.Before(in.End) && in.End.Before(expires) {
		if expires = in.End; expires.Before(r.At.Add(alarm.Punctual)) {
			expires = r.At.Add(alarm.Punctual)
		}
	}
	add := func(job calendar.Job, err error) error {
		jobs = append(jobs, task{Job: job})
		return err
	}
	calid := calendar.NewID(w.owner, r.row.Name)
	kind := map[string]string{"VEVENT": "event", "VTODO": "todo"}[c.Name]
	publish := func(topic, contentType string, data []byte) error {
		p := calendar.Publication{ID: calendar.MailDigest(id, topic), Owner: w.owner, When: r.At, Expires: expires, ContentType: contentType, Data: data,
			Ref: calendar.NewEventRef(topic, "calid", string(calid), "uid", uid, "rid", rid, "aid", r.AID, "comptype", kind).String()}
		if r.of.user != "" {
			p.Owner = calendar.Owner(r.of.user)
		}
		return add(p.Job(""))
	}
	if r.Mail {
		to, err := w.remindees(r)
		if err != nil {
			return nil, err
		}
		if w.now.Sub(next.Day) >= 24*time.Hour {
			next.Day, next.Mailed = w.now, 0
		}
		to = to[:min(len(to), max(mostMailed-next.Mailed, 0))]
		next.Mailed += len(to)
		m := calendar.Mailing{Kind: calendar.MailReminder, UID: uid, Expires: expires,
			Letter: calendar.Letter{ID: id, From: r.who.Address(), Data: r.text(c, "").Bytes()}}
		m.Summary = summaryOf(&ical.Component{Children: []*ical.Component{c}})
		for _, m.To = range to {
			if err := add(m.Job()); err != nil {
				return nil, err
			}
		}
		if opt.MailURL != "" && len(to) > 0 {
			if err := publish(opt.MailURL, "", nil); err != nil {
				return nil, err
			}
		}
	}
	if r.Publish {
		c.AddChild(r.Comp)
		text := r.text(c, "PUBLISH")
		text.Set("X-NSCP-CALPROPS-RELATIVE-CALID", string(calid))
		contentType, data := "text/calendar", []byte(nil)
		if opt.ContentType != contentType && opt.Print != nil {
			contentType, data = opt.ContentType, opt.Print(opt.ContentType, []ical.Property{*text.Prop("X-NSCP-CALPROPS-RELATIVE-CALID")}, text.Children)
		} else {
			data = text.Bytes()
		}
		if err := publish(opt.URL, contentType, data); err != nil {
			return nil, err
		}
	}
	return jobs, nil
}

// instance is the component that a reminder is about, as if it were an event by
// itself, without alarms and without files.
func (r *reminder) instance() *ical.Component {
	in := r.Instance
	c := in.Comp.Clone()
	if in.HasRID {
		c = edit.Override(in, recur.ZonesOf(r.of.cal), r.of.plan.Floating())
	}
	c.Children = slices.DeleteFunc(c.Children, func(k *ical.Component) bool { return k.Name == "VALARM" })
	c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool { return p.Name == "ATTACH" && object.Inline(&p) || personal.IsNote(p.Name) })
	return c
}

// text is a component with the zones that it is told in.
func (r *reminder) text(c *ical.Component, method string) *ical.Component {
	out := &ical.Component{Name: r.of.cal.Name, Props: slices.Clone(r.of.cal.Props)}
	if method != "" {
		out.Set("METHOD", method)
	}
	out.Children = append(slices.Collect(r.of.cal.ChildrenOf("VTIMEZONE")), c)
	return out
}

// ridOf spells the RECURRENCE-ID of a component in UTC, or as the date or floating
// time that it is; "" where there is none.
func ridOf(c, cal *ical.Component) string {
	p := c.Prop("RECURRENCE-ID")
	if p == nil {
		return ""
	}
	d, err := p.DateTime()
	if err != nil {
		return p.Value
	}
	if z, ok := recur.ZonesOf(cal).Lookup(d.TZID); ok && d.Kind == ical.Zoned {
		d = ical.FromCivil(z.ToUTC(d.Civil()), ical.UTC, "")
	}
	return d.String()
}

// remindees are the addresses that an alarm is mailed to: its ATTENDEEs, or those
// that its owner wants alarms at (ceDefaultAlarmEmail), or his own.
// notifications.md §7.3.
func (w *writer) remindees(r *reminder) (to []string, err error) {
	most := cmp.Or(w.s.opt.Alarms.Recipients, 10)
	add := func(address string) {
		if m := calendar.MailboxOf(address); m != "" && len(to) < most && !slices.ContainsFunc(to, func(t string) bool { return strings.EqualFold(t, m) }) {
			to = append(to, m)
		}
	}
	for p := range r.Comp.All("ATTENDEE") {
		add(p.Value)
	}
	if len(to) == 0 && r.of.user == "" {
		prefs, err := w.Prefs()
		if err != nil {
			return nil, err
		}
		for _, a := range strings.FieldsFunc(prefs["ceDefaultAlarmEmail"], func(r rune) bool { return r == ' ' || r == ',' || r == ';' }) {
			add(a)
		}
	}
	if len(to) == 0 {
		add(r.who.Mail())
	}
	return to, nil
}

// dropAlarms deletes the jobs of a calendar's alarms.
func (w *writer) dropAlarms(row *calendar.CalendarRow) error {
	if !w.s.opt.Alarms.wants().Any() || !row.Kind.Rules().Objects {
		return nil
	}
	jobs, err := w.Jobs()
	if err != nil {
		return err
	}
	for _, job := range jobs {
		if job.Kind != calendar.JobAlarm {
			continue
		}
		if next, err := calendar.ParseNextAlarm(job); err == nil && next.Cal == row.ID {
			if err := w.dropJob(job.JobID); err != nil {
				return err
			}
		}
	}
	return nil
}

// replan has the alarms of a calendar planned anew, or with 0 those of all.
func replan(cal int64) ([]task, error) {
	plan := calendar.PlanAlarms{Cal: cal}
	job, err := plan.Job()
	return []task{{Job: job}}, err
}

// plannedAtOnce is how many objects one transaction looks at for their alarms.
const plannedAtOnce = 100

// PlanAlarms does a job of kind calendar.JobPlan, or as much of it as one transaction
// should; then it is due again soon.
func (s *Service) PlanAlarms(ctx context.Context, job calendar.Job) error {
	return s.transact(calendar.WithToken(ctx, ""), calendar.Actor{}, "plan alarms", job.Owner, func(w *writer) error {
		job, ok, err := w.Job(job.Change, job.Seq)
		if err != nil || !ok {
			return err
		}
		plan, err := calendar.ParsePlanAlarms(job)
		if err != nil {
			return err
		}
		more, err := w.planSome(&plan)
		if err != nil {
			return err
		}
		if !more {
			return w.dropJob(job.JobID)
		}
		again, err := plan.Job()
		if err != nil {
			return err
		}
		again.JobID, again.Created, again.Due = job.JobID, job.Created, w.now.Add(20*time.Millisecond)
		return w.keepJob(again)
	})
}

// planSome plans the alarms of the objects that come next, and says whether there may
// be more.
func (w *writer) planSome(plan *calendar.PlanAlarms) (more bool, err error) {
	wants := w.s.opt.Alarms.wants()
	rows, err := w.Calendars()
	if err != nil || !wants.Any() {
		return false, err
	}
	slices.SortFunc(rows, func(a, b calendar.CalendarRow) int { return cmp.Compare(a.ID, b.ID) })
	for i := range rows {
		row := &rows[i]
		if !row.Kind.Rules().Objects || plan.Cal != 0 && row.ID != plan.Cal || row.ID < plan.At {
			continue
		}
		if row.ID != plan.At {
			plan.At, plan.After = row.ID, ""
		}
		props, err := w.AllProps(row.ID)
		if err != nil {
			return false, err
		}
		var found []*calendar.Version
		seen := 0
		err = w.Objects(row.ID, plan.After, true, func(o *calendar.ObjectRow) error {
			if seen == plannedAtOnce {
				return errEnough
			}
			seen, plan.After = seen+1, o.Name
			kept := *o
			v := calendar.NewVersion(kept, nil, nil)
			if v.Props = props[o.Name]; mayRemind(wants, v) {
				v.Data = bytes.Clone(o.Data)
				found = append(found, v)
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return false, err
		}
		for _, v := range found {
			if err := w.planAgain(row, v); err != nil {
				return false, err
			}
		}
		if err != nil {
			return true, nil
		}
	}
	return false, nil
}

// planAgain plans an object's next alarm. What is due by the plan that there was is
// not forgotten.
func (w *writer) planAgain(row *calendar.CalendarRow, v *calendar.Version) error {
	var next calendar.NextAlarm
	id := calendar.AlarmJob(w.owner, v.Change)
	job, had, err := w.Job(id.Change, id.Seq)
	if err != nil {
		return err
	}
	if had {
		if next, err = calendar.ParseNextAlarm(job); err != nil {
			return err
		}
	}
	if more, err := w.planAlarm(row, v, w.carry(next)); err != nil || more || !had {
		return err
	}
	return w.dropJob(id)
}

// PlanAll has the alarms of all owners planned for whom that has not been done as the
// server wants it now: after an upgrade, or another configuration. It goes on until
// ctx ends.
func (s *Service) PlanAll(ctx context.Context) error {
	const op = "plan alarms"
	want := s.planned()
	return s.eachOwner(ctx, func(owner calendar.Owner) error {
		var had string
		err := s.store.View(ctx, owner, func(tx calendar.ReadTx) error {
			prefs, err := tx.Prefs()
			had = prefs[calendar.PlannedPref]
			return err
		})
		if err != nil || had == want {
			return err
		}
		return s.transact(calendar.WithToken(ctx, ""), calendar.Actor{}, op, owner, func(w *writer) error {
			if want == "" {
				return w.setPrefs(nil, []string{calendar.PlannedPref})
			}
			if err := w.setPrefs(map[string]string{calendar.PlannedPref: want}, nil); err != nil {
				return err
			}
			jobs, err := replan(0)
			if err != nil {
				return err
			}
			return w.posted(jobs...)
		})
	})
}

// forgetPlanned has the alarms of the owner planned anew at the next start.
func (w *writer) forgetPlanned() error {
	prefs, err := w.Prefs()
	if err != nil || prefs[calendar.PlannedPref] == "" {
		return err
	}
	return w.setPrefs(nil, []string{calendar.PlannedPref})
}

// planned says what alarms are planned for, "" for none.
func (s *Service) planned() string {
	wants := s.opt.Alarms.wants()
	if !wants.Any() {
		return ""
	}
	return strings.Join([]string{"1", "mail=" + strconv.FormatBool(wants.Mail), "publish=" + strconv.FormatBool(wants.Publish), s.zone.Name()}, " ")
}
