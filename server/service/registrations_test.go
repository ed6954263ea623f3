package service_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
)

// listeners is a service whose jobs a test does, or does not.
type listeners struct {
	*testing.T
	*service.Service
	store  *calendartest.Store
	people calendartest.People
	now    time.Time
	told   []calendar.Job
}

func (l *listeners) Add(jobs ...calendar.Job)   { l.told = append(l.told, jobs...) }
func (l *listeners) Gone(...calendar.JobID)     {}
func (l *listeners) Doubt(calendar.Owner)       {}
func (l *listeners) Pace(context.Context)       {}
func (l *listeners) ctx() context.Context       { return l.T.Context() }
func (l *listeners) as(u string) calendar.Actor { return l.people.Actor(u) }

func (l *listeners) Planned(owner calendar.Owner, key string, notBefore time.Time) bool {
	for _, j := range l.told {
		if j.Owner == owner && j.Key == key && !j.Due.Before(notBefore) {
			return true
		}
	}
	return false
}

func newListeners(t *testing.T, opt service.RegistrationOptions) *listeners {
	l := &listeners{T: t, store: calendartest.NewStore(), people: calendartest.NewPeople("anna", "bert", "carl"), now: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)}
	l.Service = service.New(l.store, l.people, service.Options{Registrations: opt, Outbox: l, Now: func() time.Time { return l.now }})
	for _, u := range []string{"anna", "bert"} {
		provision(t, l, l.as(u))
	}
	return l
}

func (l *listeners) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l *listeners) jobs(owner calendar.Owner) (jobs []calendar.Job) {
	l.must(l.store.View(context.Background(), owner, func(tx calendar.ReadTx) (err error) { jobs, err = tx.Jobs(); return err }))
	return jobs
}

// kinds are the kinds of the jobs that there are.
func (l *listeners) kinds() string {
	var out []string
	for _, j := range l.jobs("anna") {
		out = append(out, j.Kind)
	}
	return strings.Join(out, " ")
}

func (l *listeners) put(who calendar.Actor, name, more string) {
	l.Helper()
	_, err := l.PutObject(l.ctx(), who, calendar.PutRequest{Ref: calendar.Ref{Calendar: "anna", Name: name}, Data: event(name, "20260110T100000Z", more)})
	l.must(err)
}

func (l *listeners) register(who string, kind calendar.RegistrationKind, id calendar.ID, content, properties calendar.Depth) string {
	l.Helper()
	res, err := l.Register(l.ctx(), l.as(who), calendar.RegisterRequest{Owner: "anna", Calendar: id, Kind: kind, Address: "https://" + who + ".example.com/" + string(kind),
		Triggers: calendar.Triggers{Content: content, Properties: properties}})
	l.must(err)
	l.now = l.now.Add(time.Second)
	return res.Registration.ID
}

// deal does the news.
func (l *listeners) deal() {
	l.Helper()
	for _, j := range l.jobs("anna") {
		if j.Kind == calendar.JobNews {
			l.must(l.TellNews(l.ctx(), j))
			l.told = slices.DeleteFunc(l.told, func(t calendar.Job) bool { return t.JobID == j.JobID })
		}
	}
}

// take says what the first job of a registration is to send.
func (l *listeners) take(id string) (m calendar.Message, job calendar.Job, ok bool) {
	l.Helper()
	for _, j := range l.jobs("anna") {
		if strings.HasSuffix(j.Key, "/"+id) {
			m, ok, err := l.TakeTelling(l.ctx(), j)
			l.must(err)
			return m, j, ok
		}
	}
	return m, job, false
}

func (l *listeners) settle(job calendar.Job, id string, out calendar.Outcome) {
	l.Helper()
	l.must(l.SettleTelling(l.ctx(), job.JobID, id, out))
}

const atAll = calendar.DepthInfinity

// Where nobody is registered a write leaves nothing to do, nor where it is off.
func TestNobodyListens(t *testing.T) {
	l := newListeners(t, service.RegistrationOptions{})
	l.put(l.as("anna"), "a", "")
	if k := l.kinds(); k != "" {
		t.Errorf("jobs: %s", k)
	}
	id := l.register("anna", calendar.HookRegistration, "anna", atAll, atAll)
	l.put(l.as("anna"), "b", "")
	if k := l.kinds(); k != "news" {
		t.Errorf("jobs: %s", k)
	}
	l.must(l.Unregister(l.ctx(), l.as("anna"), calendar.UnregisterRequest{Owner: "anna", ID: id, Kind: calendar.HookRegistration}))
	l.deal()
	l.put(l.as("anna"), "c", "")
	if k := l.kinds(); k != "" {
		t.Errorf("jobs after its end: %s", k)
	}
	l.register("anna", calendar.HookRegistration, "anna", atAll, atAll)
	off := service.New(l.store, l.people, service.Options{Registrations: service.RegistrationOptions{NoHooks: true, NoPush: true}})
	_, err := off.PutObject(l.ctx(), l.as("anna"), calendar.PutRequest{Ref: calendar.Ref{Calendar: "anna", Name: "d"}, Data: event("d", "20260110T100000Z", "")})
	l.must(err)
	if k := l.kinds(); k != "" {
		t.Errorf("jobs where it is off: %s", k)
	}
}

// A burst is one message: news that wait are stored once, and a message that waits
// takes up what happens meanwhile. What happens while one is sent is another.
func TestPushIsMerged(t *testing.T) {
	l := newListeners(t, service.RegistrationOptions{})
	id := l.register("anna", calendar.PushRegistration, "anna", calendar.DepthMembers, calendar.DepthSelf)
	for i := range 20 {
		l.put(l.as("anna"), fmt.Sprint(i), "")
	}
	if k := l.kinds(); k != "news" {
		t.Fatalf("jobs: %s", k)
	}
	if due := l.jobs("anna")[0].Due; !due.Equal(l.now.Add(2 * time.Second)) {
		t.Errorf("due at %v", due)
	}
	l.now = l.now.Add(2 * time.Second)
	l.deal()
	if k := l.kinds(); k != "push" {
		t.Fatalf("jobs: %s", k)
	}
	name := "new name"
	_, err := l.UpdateCalendar(l.ctx(), l.as("anna"), calendar.UpdateCalendarRequest{ID: "anna", DisplayName: &name})
	l.must(err)
	l.put(l.as("anna"), "z", "")
	l.deal()
	if k := l.kinds(); k != "push" {
		t.Fatalf("jobs: %s", k)
	}
	m, job, ok := l.take(id)
	cal, err := l.Calendar(l.ctx(), l.as("anna"), "anna")
	l.must(err)
	if !ok || !m.Telling.Content || !m.Telling.Properties || m.SyncToken != cal.SyncToken() || m.Gone || m.CalID != "anna" {
		t.Errorf("message %+v", m)
	}
	l.put(l.as("anna"), "meanwhile", "")
	l.deal()
	if k := l.kinds(); k != "push push" {
		t.Errorf("jobs: %s", k)
	}
	l.settle(job, id, calendar.Outcome{})
	if m, job, ok = l.take(id); !ok || !m.Telling.Content || m.Telling.Properties {
		t.Errorf("the second message %+v", m)
	}
	l.settle(job, id, calendar.Outcome{Problem: "no", Again: true})
	if k := l.kinds(); k != "push" {
		t.Errorf("jobs after a failure: %s", k)
	}
	l.settle(job, id, calendar.Outcome{End: true})
	if list, _ := l.Registrations(l.ctx(), l.as("anna"), calendar.RegistrationsRequest{Owner: "anna"}); len(list) != 0 || l.kinds() != "" {
		t.Errorf("after its end: %+v, jobs %s", list, l.kinds())
	}
}

// WebDAV-Push, Suppressing Notifications: a client need not hear of what it did
// itself; somebody else's registration it cannot silence.
func TestQuiet(t *testing.T) {
	l := newListeners(t, service.RegistrationOptions{})
	list := acl.MustParse("@@o^a^sdeicrwf^g;bert^a^rwd^g")
	_, err := l.UpdateCalendar(l.ctx(), l.as("anna"), calendar.UpdateCalendarRequest{ID: "anna", ACL: &list})
	l.must(err)
	a := l.register("anna", calendar.PushRegistration, "anna", calendar.DepthMembers, calendar.NoDepth)
	b := l.register("bert", calendar.PushRegistration, "anna", calendar.DepthMembers, calendar.NoDepth)
	told := func(quiet ...string) (got string) {
		t.Helper()
		who := l.as("anna")
		who.Quiet = quiet
		l.put(who, "a", "LOCATION:"+fmt.Sprint(l.now.Unix())+"\r\n")
		l.now = l.now.Add(time.Minute)
		l.deal()
		for name, id := range map[string]string{"a": a, "b": b} {
			if _, job, ok := l.take(id); ok {
				got += name
				l.settle(job, id, calendar.Outcome{})
			}
		}
		if got == "ba" {
			got = "ab"
		}
		return got
	}
	for _, c := range []struct {
		quiet []string
		want  string
	}{{nil, "ab"}, {[]string{a}, "b"}, {[]string{b}, "ab"}, {[]string{"*"}, ""}, {[]string{"nobody"}, "ab"}} {
		if got := told(c.quiet...); got != c.want {
			t.Errorf("%q told %q, want %q", c.quiet, got, c.want)
		}
	}
}

// How deep somebody asked decides what he hears of; in a home, of its calendars too.
func TestTriggers(t *testing.T) {
	for _, c := range []struct {
		name                string
		id                  calendar.ID
		content, properties calendar.Depth
		object, prop, cal   bool // what a change of an object, of the calendar's name, and a new calendar are to it
	}{
		{"members", "anna", calendar.DepthMembers, calendar.NoDepth, true, false, false},
		{"self", "anna", calendar.DepthSelf, calendar.NoDepth, false, false, false},
		{"properties", "anna", calendar.NoDepth, calendar.DepthSelf, false, true, false},
		{"all", "anna", calendar.DepthInfinity, calendar.DepthInfinity, true, true, false},
		{"home", "", calendar.DepthMembers, calendar.NoDepth, false, false, true},
		{"home's properties", "", calendar.NoDepth, calendar.DepthMembers, false, true, false},
		{"all of the home", "", calendar.DepthInfinity, calendar.DepthInfinity, true, true, true},
	} {
		l := newListeners(t, service.RegistrationOptions{})
		id := l.register("anna", calendar.PushRegistration, c.id, c.content, c.properties)
		told := func() bool {
			l.now = l.now.Add(time.Minute)
			l.deal()
			_, job, ok := l.take(id)
			if ok {
				l.settle(job, id, calendar.Outcome{})
			}
			return ok
		}
		l.put(l.as("anna"), "a", "")
		if got := told(); got != c.object {
			t.Errorf("%s: an object: %t", c.name, got)
		}
		name := "other"
		_, err := l.UpdateCalendar(l.ctx(), l.as("anna"), calendar.UpdateCalendarRequest{ID: "anna", DisplayName: &name})
		l.must(err)
		if got := told(); got != c.prop {
			t.Errorf("%s: a property: %t", c.name, got)
		}
		_, err = l.CreateCalendar(l.ctx(), l.as("anna"), calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "anna:more"}})
		l.must(err)
		if got := told(); got != c.cal {
			t.Errorf("%s: a calendar: %t", c.name, got)
		}
	}
}

// Who may not read any more is not told, and his registration ends; so does one of
// an account that is shut, one whose time is over, and after a last word that of a
// calendar that is deleted.
func TestRegistrationEnds(t *testing.T) {
	for _, way := range []string{"rights", "account", "namesake", "time", "calendar"} {
		l := newListeners(t, service.RegistrationOptions{})
		allow := func(aces string) {
			list := acl.MustParse(aces)
			_, err := l.UpdateCalendar(l.ctx(), l.as("anna"), calendar.UpdateCalendarRequest{ID: "anna", ACL: &list})
			l.must(err)
		}
		allow("@@o^a^sdeicrwf^g;bert^a^r^g")
		bert := l.people["bert"]
		bert.Entry = "entryuuid:1"
		l.people["bert"] = bert
		hook := l.register("bert", calendar.HookRegistration, "anna", atAll, atAll)
		push := l.register("bert", calendar.PushRegistration, "anna", atAll, atAll)
		l.put(l.as("anna"), "a", "")
		l.deal()
		switch way {
		case "rights":
			allow("@@o^a^sdeicrwf^g")
		case "account":
			bert := l.people["bert"]
			bert.Active = false
			l.people["bert"] = bert
		case "namesake":
			bert := l.people["bert"]
			bert.Entry = "entryuuid:2"
			l.people["bert"] = bert
		case "time":
			l.now = l.now.Add(8 * 24 * time.Hour)
		case "calendar":
			l.must(l.DeleteCalendar(l.ctx(), calendar.Actor{User: "root", Admin: true}, calendar.DeleteCalendarRequest{ID: "anna"}))
		}
		for _, id := range []string{push, hook} {
			m, job, ok := l.take(id)
			switch {
			case way == "calendar" && (!ok || !m.Gone):
				t.Errorf("%s: no last word: %+v", way, m)
			case way == "calendar":
				l.settle(job, id, calendar.Outcome{End: m.Gone})
			case way == "time" && id == hook: // which has none
				l.settle(job, id, calendar.Outcome{End: true})
			case ok:
				t.Errorf("%s: told %+v", way, m)
			}
		}
		list, err := l.Registrations(l.ctx(), l.as("bert"), calendar.RegistrationsRequest{Owner: "anna"})
		if err != nil || len(list) != 0 {
			t.Errorf("%s: %+v %v", way, list, err)
		}
	}
}

// A webhook hears of each change in order, with contents as its user sees them.
func TestHookIsTold(t *testing.T) {
	l := newListeners(t, service.RegistrationOptions{})
	list := acl.MustParse("@@o^a^sdeicrwf^g;bert^a^r^g")
	_, err := l.UpdateCalendar(l.ctx(), l.as("anna"), calendar.UpdateCalendarRequest{ID: "anna", ACL: &list})
	l.must(err)
	res, err := l.Register(l.ctx(), l.as("bert"), calendar.RegisterRequest{Owner: "anna", Calendar: "anna", Kind: calendar.HookRegistration, Address: "https://b.example.com/",
		Triggers: calendar.Triggers{Content: atAll, Properties: atAll}, Contents: true})
	l.must(err)
	id := res.Registration.ID
	l.now = l.now.Add(time.Second)
	l.put(l.as("anna"), "a", "")
	l.put(l.as("anna"), "secret", "CLASS:PRIVATE\r\nDESCRIPTION:hidden\r\n")
	l.put(l.as("anna"), "a", "LOCATION:here\r\n")
	l.must(l.DeleteObject(l.ctx(), l.as("anna"), calendar.DeleteRequest{Ref: calendar.Ref{Calendar: "anna", Name: "secret"}}))
	name := "x"
	_, err = l.UpdateCalendar(l.ctx(), l.as("anna"), calendar.UpdateCalendarRequest{ID: "anna", DisplayName: &name})
	l.must(err)
	l.must(l.TestHook(l.ctx(), l.as("bert"), calendar.TestHookRequest{Owner: "anna", ID: id}))
	l.deal()
	var got []string
	for {
		m, job, ok := l.take(id)
		if !ok {
			break
		}
		text := m.News.What + " " + m.News.UID
		if m.Object != nil {
			text += fmt.Sprintf(" contents hidden=%t location=%t", strings.Contains(string(m.Object.Data), "hidden"), strings.Contains(string(m.Object.Data), "here"))
		}
		got = append(got, text)
		l.settle(job, id, calendar.Outcome{})
	}
	want := "caleventcreate a contents hidden=false location=true, caleventcreate secret, caleventmodify a contents hidden=false location=true, caleventdelete secret, calendarmodify , test "
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("told\n%s\nwant\n%s", text, want)
	}
	l.put(l.as("anna"), "p", "CLASS:PRIVATE\r\nDESCRIPTION:hidden\r\n")
	l.deal()
	m, job, ok := l.take(id)
	if !ok || m.Object == nil || strings.Contains(string(m.Object.Data), "hidden") {
		t.Errorf("a private event is told of as %+v", m.Object)
	}
	l.settle(job, id, calendar.Outcome{Problem: "it is away", Again: true})
	l.settle(job, id, calendar.Outcome{Problem: "it is away", Off: true})
	shown, err := l.Registrations(l.ctx(), l.as("bert"), calendar.RegistrationsRequest{Owner: "anna"})
	if err != nil || len(shown) != 1 || !shown[0].Off || shown[0].Failures != 2 || shown[0].Problem != "it is away" || shown[0].Since.IsZero() {
		t.Errorf("what keeps failing: %+v %v", shown, err)
	}
	l.put(l.as("anna"), "q", "")
	l.deal()
	if _, _, ok := l.take(id); ok || l.kinds() != "" {
		t.Errorf("what is off is told; jobs %s", l.kinds())
	}
}

func TestRegistrationLimits(t *testing.T) {
	l := newListeners(t, service.RegistrationOptions{HookLimit: 2, Check: func(_ calendar.RegistrationKind, address string) error {
		if strings.Contains(address, "127.0.0.1") {
			return fmt.Errorf("this address is not public")
		}
		return nil
	}})
	try := func(address string) error {
		_, err := l.Register(l.ctx(), l.as("anna"), calendar.RegisterRequest{Owner: "anna", Kind: calendar.HookRegistration, Address: address, Triggers: calendar.Triggers{Content: atAll}})
		return err
	}
	l.must(try("https://1.example.com/"))
	l.must(try("https://2.example.com/"))
	l.must(try("https://2.example.com/")) // is the same
	if err := try("https://3.example.com/"); calendar.KindOf(err) != calendar.TooMany {
		t.Errorf("a third: %v", err)
	}
	if err := try("https://127.0.0.1/"); calendar.ReasonOf(err) != calendar.InvalidSubscription || !strings.Contains(calendar.MessageOf(err), "not public") {
		t.Errorf("a private address: %v", err)
	}
}

// BenchmarkPutListeners shows what registrations cost who writes: where there are
// none no more than before.
func BenchmarkPutListeners(b *testing.B) {
	for _, n := range []int{-1, 0, 1, 1000} {
		name := fmt.Sprint(n, " push registrations")
		if n < 0 {
			name = "off"
		}
		b.Run(name, func(b *testing.B) {
			people := calendartest.NewPeople("anna")
			_, st := openService(b)
			svc := service.New(st, people, service.Options{Registrations: service.RegistrationOptions{NoPush: n < 0, NoHooks: n < 0, PushLimit: 1000}})
			who := people.Actor("anna")
			provision(b, svc, who)
			for i := range max(n, 0) {
				if _, err := svc.Register(b.Context(), who, calendar.RegisterRequest{Owner: "anna", Calendar: "anna", Kind: calendar.PushRegistration,
					Address: fmt.Sprintf("https://%d.example.com/", i), Triggers: calendar.Triggers{Content: atAll}}); err != nil {
					b.Fatal(err)
				}
			}
			for i := 0; b.Loop(); i++ {
				_, err := svc.PutObject(b.Context(), who, calendar.PutRequest{Ref: calendar.Ref{Calendar: "anna", Name: "a"}, Data: event("a", "20260110T100000Z", fmt.Sprintf("LOCATION:%d\r\n", i))})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// An owner's webhooks are tested so often in a time, whoever asks for it and which ever
// it is; others' go on.
func TestHookTestsAreCounted(t *testing.T) {
	l := newListeners(t, service.RegistrationOptions{})
	ask := func(who, id string) error {
		return l.TestHook(l.ctx(), l.as(who), calendar.TestHookRequest{Owner: calendar.Owner(who), ID: id})
	}
	hook := func(who, address string) string {
		t.Helper()
		res, err := l.Register(l.ctx(), l.as(who), calendar.RegisterRequest{Owner: calendar.Owner(who), Calendar: calendar.ID(who), Kind: calendar.HookRegistration, Address: address,
			Triggers: calendar.Triggers{Content: atAll, Properties: atAll}})
		l.must(err)
		return res.Registration.ID
	}
	one, two, bert := hook("anna", "https://a.example.com/1"), hook("anna", "https://a.example.com/2"), hook("bert", "https://b.example.com/")
	for i := range 10 {
		l.must(ask("anna", []string{one, two}[i%2]))
		l.now = l.now.Add(time.Second)
		if err := ask("anna", "none"); calendar.KindOf(err) != calendar.NotFound { // and does not count
			t.Fatal(err)
		}
	}
	err := ask("anna", one)
	if s, ok := calendar.RetryAfter(err); calendar.KindOf(err) != calendar.MustWait || !ok || s != 590 {
		t.Errorf("the eleventh: %v, again after %d", err, s)
	}
	l.must(ask("bert", bert))
	l.now = l.now.Add(591 * time.Second)
	l.must(ask("anna", two)) // the first is over, and the second
	l.must(ask("anna", two))
	if err := ask("anna", two); calendar.KindOf(err) != calendar.MustWait {
		t.Error(err)
	}
	l.now = l.now.Add(time.Hour)
	l.must(ask("anna", one))
}

// Whose webhook is switched off is mailed about that once, at the addresses that he
// wants notices at; nobody is where no mail is sent, or it only failed.
func TestHookOffIsMailed(t *testing.T) {
	l := newListeners(t, service.RegistrationOptions{})
	mailing := service.New(l.store, l.people, service.Options{Outbox: l, Now: func() time.Time { return l.now }, Notices: service.NoticeOptions{Hooks: true}})
	l.must(l.SetPrefs(l.ctx(), l.as("anna"), calendar.SetPrefsRequest{Owner: "anna", Set: map[string]string{"ceNotifyEnable": "1", "ceNotifyEmail": "anna@home.example"}}))
	id := l.register("anna", calendar.HookRegistration, "anna", atAll, atAll)
	mails := func() (list []calendar.Mailing) {
		for _, j := range l.jobs("anna") {
			if j.Kind == calendar.JobMail {
				m, err := calendar.ParseMailing(j)
				l.must(err)
				list = append(list, m)
			}
		}
		return list
	}
	fail := func(s *service.Service, off bool) {
		t.Helper()
		l.must(l.TestHook(l.ctx(), l.as("anna"), calendar.TestHookRequest{Owner: "anna", ID: id}))
		_, job, ok := l.take(id)
		if !ok {
			t.Fatal("there is nothing to send")
		}
		l.must(s.SettleTelling(l.ctx(), job.JobID, id, calendar.Outcome{Problem: "it says 500", Off: off}))
	}
	fail(mailing, false)
	fail(l.Service, true)
	if got := mails(); len(got) > 0 {
		t.Errorf("mailed: %+v", got)
	}
	fail(mailing, true)
	got := mails()
	if len(got) != 1 {
		t.Fatalf("mailed: %+v", got)
	}
	if m := got[0]; m.Kind != calendar.MailHook || m.To != "anna@home.example" || m.UID != id || m.Why != "it says 500" || m.Summary == "" || strings.Contains(m.Summary, "/") || !m.Since.Equal(l.now) {
		t.Errorf("mailed: %+v", m)
	}
	list, err := l.Registrations(l.ctx(), l.as("anna"), calendar.RegistrationsRequest{Owner: "anna"})
	if err != nil || len(list) != 1 || !list[0].Off {
		t.Errorf("%+v, %v", list, err)
	}
}
