package acceptance

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"factotum/cmd/internal/certificates"
	"factotum/cmd/internal/hosttest"
	"factotum/migrations"
	"factotum/notify/relay/smtptest"
	"factotum/protocol/dav"
	"factotum/store/storetest/pgtest"
)

// upgrading is a site whose hosts change their release while people work.
type upgrading struct {
	site  *movingSite
	*host // as clients see it
	sink  *smtptest.Sink
	lives int
}

// newUpgrading lays a site out, with anna on one back end and ben on the other, which has
// its calendars in PostgreSQL. All hosts begin with a program.
func newUpgrading(t *testing.T, program string) *upgrading {
	t.Helper()
	u := &upgrading{site: laySiteOfThree(t, func(_, conf string) string { return conf }), sink: smtptest.Start(t, smtptest.Rules{})}
	_, port, err := net.SplitHostPort(u.sink.Addr)
	if err != nil {
		t.Fatal(err)
	}
	people, err := os.ReadFile(u.site.people)
	if err != nil {
		t.Fatal(err)
	}
	text := string(people)
	for user, back := range map[string]string{"anna": movingBacks[0], "ben": movingBacks[1], "carl": movingBacks[0], "dora": movingBacks[1]} {
		text = strings.Replace(text, "\nuid: "+user+"\n", "\nuid: "+user+"\nicsDWPHost: "+back+"\n", 1)
	}
	hosttest.Write(t, u.site.people, text)
	for i, host := range append([]string{movingFront}, movingBacks...) {
		u.site.program[host] = program
		// The release before looks for this file in the data directory where it is not told.
		ca := filepath.Join(filepath.Dir(u.site.conf(host)), certificates.Authority+".pem")
		lines := fmt.Sprintf("caldb.smtphost = \"127.0.0.1\"\ncaldb.smtpport = %q\nfactotum.ens.cafile = %q\n", port, ca)
		if i == 2 {
			lines += fmt.Sprintf("factotum.store.type = \"postgres\"\nfactotum.store.dsn = %q\n", pgtest.Start(t))
		}
		f, err := os.OpenFile(u.site.conf(host), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(lines); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	for _, host := range append(slices.Clone(movingBacks), movingFront) {
		u.site.start(host)
	}
	u.host = &host{base: u.site.web, log: u.site.said[movingFront]}
	return u
}

// turn gives a host another program, as an administrator does: stop, install, start.
func (u *upgrading) turn(host, program string) {
	u.site.t.Helper()
	u.site.mu.Lock()
	cmd, said := u.site.running[host], u.site.said[host]
	u.site.mu.Unlock()
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		u.site.t.Errorf("%s does not end well: %v\n%s", host, err, said)
	}
	if strings.Contains(said.String(), "panic") || strings.Contains(said.String(), "level=CRITICAL") {
		u.site.t.Errorf("%s says:\n%s", host, said)
	}
	if program != "" {
		if out, err := u.site.tool("upgrade", "undo", "-C", u.site.conf(host)); err != nil {
			u.site.t.Fatalf("upgrade undo on %s: %v\n%s", host, err, out)
		}
	}
	u.site.program[host] = program
	u.site.start(host)
	for _, user := range []string{"anna", "ben"} {
		u.answers(home(user), user)
	}
}

// answers waits until somebody's home is there again: who asks in these seconds is told to
// ask again, and nothing else.
func (u *upgrading) answers(path, user string) {
	u.site.t.Helper()
	began := time.Now()
	for ; ; time.Sleep(50 * time.Millisecond) {
		r := u.do(u.site.t, user, "PROPFIND", path, propfind("D:resourcetype"), "Depth: 0")
		if r.status != 503 || r.header.Get("Retry-After") == "" || time.Since(began) > hosttest.Patience {
			r.is(207)
			break
		}
	}
	if d := time.Since(began); d > time.Second {
		u.site.t.Logf("%s was away for %s", path, d.Round(time.Millisecond))
	}
}

// refusesToMove: a back end of this release moves nobody to one of the release before, and
// says why.
func (u *upgrading) refusesToMove(t *testing.T, from string) {
	t.Helper()
	user, to := "carl", movingBacks[1]
	if from == to {
		user, to = "dora", movingBacks[0]
	}
	out, err := u.site.tool("csmove", "-C", u.site.conf(from), "-q", "-d", to, "-u", user, "move")
	if err == nil || !strings.Contains(out, to+" is of an earlier release, which takes no homes") && !strings.Contains(out, "a host of an earlier release asks here") {
		t.Errorf("csmove to an older back end: %v\n%s", err, out)
	}
	if at := u.site.where(user); at != from {
		t.Errorf("%s is at %s", user, at)
	}
}

// life is what people do all day, by both protocols, and between the two back ends.
func (u *upgrading) life(t *testing.T) {
	t.Helper()
	u.lives++
	tag := fmt.Sprintf("life%d", u.lives)
	ical := "Content-Type: text/calendar"
	u.visit(t, "anna", "ben")

	// A client makes, changes, moves and deletes events, and follows by sync-collection.
	token := u.do(t, "anna", "REPORT", cal("anna"), syncBody(""), "Depth: 0").syncToken()
	tags := map[string]string{}
	for _, name := range []string{"a", "b", "c"} {
		r := u.do(t, "anna", "PUT", cal("anna")+tag+name+".ics", event(tag+name, "20300901T100000Z", "Lunch "+tag), ical, "If-None-Match: *").is(201)
		tags[name] = r.header.Get("ETag")
	}
	u.do(t, "anna", "PUT", cal("anna")+tag+"a.ics", event(tag+"a", "20300901T110000Z", "Later "+tag), ical, "If-Match: "+tags["a"]).is(204)
	u.do(t, "anna", "PUT", cal("anna")+tag+"a.ics", event(tag+"a", "20300901T120000Z", "Stale"), ical, "If-Match: "+tags["a"]).is(412)
	u.do(t, "anna", "DELETE", cal("anna")+tag+"b.ics", "", "If-Match: "+tags["b"]).is(204)
	work := home("anna") + tag + "/"
	u.do(t, "anna", "MKCALENDAR", work, "").is(201)
	u.do(t, "anna", "PROPPATCH", work, `<D:propertyupdate`+xmlNames+`><D:set><D:prop><D:displayname>Work `+tag+`</D:displayname></D:prop></D:set></D:propertyupdate>`).is(207)
	u.do(t, "anna", "MOVE", cal("anna")+tag+"c.ics", "", "Destination: "+work+tag+"c.ics").is(201)
	r := u.do(t, "anna", "REPORT", cal("anna"), syncBody(token), "Depth: 0")
	if got := r.hrefs(); !slices.Contains(got, cal("anna")+tag+"a.ics") || slices.Contains(got, work+tag+"c.ics") {
		t.Errorf("sync-collection tells of %q", got)
	}
	u.do(t, "anna", "REPORT", cal("anna"), syncBody(r.syncToken()), "Depth: 0").is(207)
	if got := u.do(t, "anna", "GET", cal("anna")+tag+"a.ics", "").is(200).body; !strings.Contains(got, "Later "+tag) {
		t.Errorf("GET: %s", got)
	}
	if got := u.do(t, "anna", "REPORT", work, query("20300901T000000Z", "20300902T000000Z", ""), "Depth: 1").is(207).body; !strings.Contains(got, "Lunch "+tag) {
		t.Errorf("calendar-query: %s", got)
	}
	if got := u.do(t, "anna", "PROPFIND", work, propfind("D:displayname"), "Depth: 0").value(dav.D("displayname")); got != "Work "+tag {
		t.Errorf("displayname is %q", got)
	}
	// What was deleted is in the history, and comes back.
	if got := u.do(t, "anna", "GET", "/dav/history/?uid="+tag+"b", "").is(200).body; !strings.Contains(got, tag+"b") {
		t.Errorf("the history: %s", got)
	}
	u.do(t, "anna", "POST", "/dav/history/", `{"calid": "anna", "uid": "`+tag+`b", "deleted": true}`, "Content-Type: application/json").is(200)
	u.do(t, "anna", "GET", cal("anna")+tag+"b.ics", "").is(200)

	// The other one shares hers, reads it, and searches it, by both protocols.
	u.do(t, "anna", "ACL", work, `<D:acl`+xmlNames+`>`+grant("ben", "D:read")+`</D:acl>`).is(200)
	if got := u.do(t, "ben", "REPORT", work, query("", "", ""), "Depth: 1").is(207).body; !strings.Contains(got, "Lunch "+tag) {
		t.Errorf("what ben reads of anna's: %s", got)
	}
	u.do(t, "ben", "PUT", work+"x.ics", event("x", "20300901T100000Z", "x"), ical).is(403)
	if got := u.wcap(t, "ben", "/fetchcomponents_by_range.wcap?calid=anna:"+tag+"&dtstart=20300901T000000Z&dtend=20300902T000000Z"); !strings.Contains(got, "Lunch "+tag) {
		t.Errorf("fetchcomponents_by_range of anna's: %s", got)
	}
	u.wcap(t, "ben", "/subscribe_calendars.wcap?calid=anna:"+tag)
	if got := u.wcap(t, "ben", "/list_subscribed.wcap?"); !strings.Contains(got, "anna:"+tag) {
		t.Errorf("list_subscribed: %s", got)
	}
	u.wcap(t, "ben", "/set_userprefs.wcap?set_attrs=ceDefaultAlarmStart=P"+fmt.Sprint(u.lives)+"D")
	if got := u.wcap(t, "ben", "/get_userprefs.wcap?"); !strings.Contains(got, "P"+fmt.Sprint(u.lives)+"D") {
		t.Errorf("get_userprefs: %s", got)
	}
	u.wcap(t, "ben", "/storeevents.wcap?calid=ben&storetype=1&uid="+tag+"w&summary=Walk&dtstart=20300901T140000Z&dtend=20300901T150000Z")
	u.wcap(t, "ben", "/storeevents.wcap?calid=ben&storetype=2&uid="+tag+"w&summary=Run&dtstart=20300901T150000Z&dtend=20300901T160000Z")
	u.wcap(t, "ben", "/storeevents.wcap?calid=ben&storetype=1&uid="+tag+"v&summary=Gone&dtstart=20300901T140000Z&dtend=20300901T150000Z")
	u.wcap(t, "ben", "/deleteevents_by_id.wcap?calid=ben&uid="+tag+"v&rid=0&mod=4")
	if got := u.shown(t, "ben"); !strings.Contains(got, "UID:"+tag+"w") || !strings.Contains(got, "SUMMARY:Run") || strings.Contains(got, "UID:"+tag+"v") {
		t.Errorf("what ben stored by WCAP: %s", got)
	}
	if got := u.wcap(t, "anna", "/get_freebusy.wcap?calid=ben&dtstart=20300901T000000Z&dtend=20300902T000000Z"); !strings.Contains(got, "20300901T150000Z/") {
		t.Errorf("get_freebusy: %s", got)
	}

	// They invite each other; the answer comes back, and so does what is called off.
	u.do(t, "anna", "PUT", cal("anna")+tag+"m.ics", meetingWith(tag+"m", "ben@example.com"), ical).is(201)
	eventuallyShows(t, "ben's invitation", func() string { return u.shown(t, "ben") }, "UID:"+tag+"m\n")
	u.accept(t, "ben", tag+"m")
	eventuallyShows(t, "ben's answer", func() string { return unfolded(u.everything(t, "anna", cal("anna"))[tag+"m.ics"]) }, "PARTSTAT=ACCEPTED")
	u.do(t, "anna", "DELETE", cal("anna")+tag+"m.ics", "").is(204)
	eventuallyShows(t, "the end of it", func() string {
		for _, text := range u.everything(t, "ben", cal("ben")) {
			if strings.Contains(text, "UID:"+tag+"m\r\n") {
				return unfolded(text)
			}
		}
		return ""
	}, "STATUS:CANCELLED")
	u.wcap(t, "ben", "/storeevents.wcap?calid=ben&uid="+tag+"n&storetype=1&method=2&summary=Talk&dtstart=20301001T100000Z&dtend=20301001T110000Z&attendees=PARTSTAT=NEEDS-ACTION%5Emailto:anna@example.com")
	eventuallyShows(t, "anna's invitation", func() string { return u.shown(t, "anna") }, "UID:"+tag+"n\n")
	u.accept(t, "anna", tag+"n")
	eventuallyShows(t, "anna's answer", func() string { return u.wcap(t, "ben", "/fetchevents_by_id.wcap?calid=ben&uid="+tag+"n&rid=0") }, "PARTSTAT=ACCEPTED")

	// Both are reminded by mail.
	for _, user := range []string{"anna", "ben"} {
		for ahead := time.Second; ; ahead *= 3 { // it has to be stored before it is due
			soon := wholeSecond(time.Now().Add(ahead))
			if r := u.do(t, user, "PUT", cal(user)+tag+"r.ics", alarmed(tag+user, "EMAIL", soon), ical); r.status != 204 {
				r.is(201)
			}
			if time.Until(soon) > ahead/2 {
				break
			}
		}
	}
	eventuallyShows(t, "reminders", func() string {
		var all []string
		for _, m := range u.sink.Mails() {
			all = append(all, m.To+" "+m.Header("Subject"))
		}
		return strings.Join(all, "\n")
	}, "anna@example.com Reminder: Dentist "+tag+"anna", "ben@example.com Reminder: Dentist "+tag+"ben")
}

// syncToken is that of the answer to a sync-collection.
func (r *reply) syncToken() string {
	r.t.Helper()
	root, err := dav.Parse(r.is(207).body, dav.Limits{})
	if err != nil || root.Child(dav.D("sync-token")) == nil {
		r.t.Fatalf("%s has no sync-token: %v\n%s", r.what, err, r.body)
	}
	return root.Child(dav.D("sync-token")).TrimText()
}

// busy has two people write and synchronize until end is called, which looks that nothing
// that was acknowledged is lost; that a token is refused is an error at once.
func (u *upgrading) busy() (end func()) {
	ctx, stop := context.WithCancel(u.site.t.Context())
	var all sync.WaitGroup
	var users []*mover
	for _, user := range []string{"carl", "dora"} { // one on each back end
		m := &mover{t: u.site.t, site: u.site, user: user, acked: map[string]string{}, seen: map[string]string{}, client: u.site.client(user)}
		m.write(0)
		users = append(users, m)
		all.Go(func() {
			for i := 1; ctx.Err() == nil; i++ {
				m.write(i)
				pause(ctx, 20*time.Millisecond)
			}
		})
		all.Go(func() {
			for ctx.Err() == nil {
				m.sync(ctx)
				pause(ctx, 100*time.Millisecond)
			}
		})
	}
	return func() {
		stop()
		all.Wait()
		for _, m := range users {
			m.check()
		}
	}
}

// TestRollingUpgrade: the hosts of a site go one after another from the release before to
// this one, in either order, and back again, while people work: old and new front and
// back ends do all of ordinary life together, also between two back ends, and nothing
// that was acknowledged is lost.
func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	needNames(t)
	before := hosttest.Previous(t)
	for name, order := range map[string][]string{
		"back ends first":  {movingBacks[0], movingBacks[1], movingFront},
		"front ends first": {movingFront, movingBacks[1], movingBacks[0]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUpgrading(t, before)
			end := u.busy()
			u.life(t)
			for i, host := range order {
				u.turn(host, "")
				u.life(t)
				if news := slices.DeleteFunc(slices.Clone(movingBacks), func(b string) bool { return u.site.program[b] != "" }); len(news) == 1 {
					u.refusesToMove(t, news[0])
				}
				// Nobody moves while an older front end would not find him.
				if i == 1 && host != movingFront && order[0] != movingFront {
					out, err := u.site.tool("csmove", "-C", u.site.conf(movingBacks[0]), "-q", "-d", movingBacks[1], "-u", "carl", "move")
					if err == nil || !strings.Contains(out, "a host of an earlier release asks here (127.0.0.1") {
						t.Errorf("csmove with an older front end: %v\n%s", err, out)
					}
				}
			}
			// What only this release has: a home that is moved. Of that a mark stays.
			if out, err := u.site.tool("csmove", "-C", u.site.conf(movingBacks[0]), "-q", "-d", movingBacks[1], "-u", "carl", "move"); err != nil {
				t.Errorf("csmove: %v\n%s", err, out)
			}
			u.answers(home("carl"), "carl")
			slices.Reverse(order)
			for _, host := range order {
				u.turn(host, before)
			}
			u.life(t)
			end()
			for _, b := range movingBacks {
				if out, err := u.site.tool("csdb", "-C", u.site.conf(b), "check"); err != nil {
					t.Errorf("csdb check on %s: %v\n%s", b, err, out)
				}
			}
		})
	}
}

// TestUpgradeAndBack: what an older program has written a newer one reads and goes on with;
// its upgrade is undone, and the older one reads all of that and goes on; and forward
// again. Once with the release before, and once with the last program before the newest
// migration, so that there is one to be undone.
func TestUpgradeAndBack(t *testing.T) {
	list, err := migrations.Steps(migrations.SQLite)
	if err != nil {
		t.Fatal(err)
	}
	newest := list[len(list)-1]
	for name, c := range map[string]struct {
		program func(testing.TB) string
		to      int64
		lines   func(testing.TB) []string
	}{
		"the release before": {hosttest.Previous, migrations.Previous, func(testing.TB) []string { return nil }},
		"before the newest migration": {func(t testing.TB) string {
			return hosttest.Program(t, hosttest.Before(t, fmt.Sprintf("migrations/sqlite/%04d_%s.sql", newest.Version, newest.Name)))
		}, newest.Version - 1, func(testing.TB) []string { return nil }},
		"before the newest migration, on PostgreSQL": {func(t testing.TB) string {
			return hosttest.Program(t, hosttest.Before(t, fmt.Sprintf("migrations/sqlite/%04d_%s.sql", newest.Version, newest.Name)))
		}, newest.Version - 1, func(t testing.TB) []string {
			return []string{`factotum.store.type = "postgres"`, fmt.Sprintf("factotum.store.dsn = %q", pgtest.Start(t))}
		}},
	} {
		if name != "the release before" && os.Getenv("FACTOTUM_LONG") == "" {
			continue // each builds one more program; that migrations are undone, with rows, migrations and sqlstore look at
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			old := c.program(t)
			h := installed(t, append(c.lines(t), `caldb.berkeleydb.archive.path = "archive"`, `caldb.berkeleydb.hotbackup.path = "hot"`)...)
			u := &backAndForth{host: h, want: map[string]string{}, to: c.to}
			for _, program := range []string{old, "", old, ""} {
				u.turn(t, program)
			}
		})
	}
}

// backAndForth is a host whose program is another one again and again.
type backAndForth struct {
	*host
	want  map[string]string // what each object has to say
	token string            // of a client that synchronizes
	etag  string            // of the first object
	to    int64
	turns int
}

// turn brings the database to a program, looks for all that was there, and writes more.
func (u *backAndForth) turn(t *testing.T, program string) {
	t.Helper()
	if program == "" && u.turns > 0 {
		out, err := calserver(t, "upgrade", "check", "-C", u.conf, "--json", "--offline")
		var r struct {
			Schema   struct{ Have, Want int64 }
			Findings []struct {
				About, What string
				Act         bool
			}
		}
		if jsonErr := json.Unmarshal([]byte(out), &r); jsonErr != nil || r.Schema.Have != u.to || r.Schema.Want < u.to {
			t.Fatalf("upgrade check: %v, %v\n%s", err, jsonErr, out)
		}
		for _, f := range r.Findings {
			if f.Act {
				t.Errorf("upgrade check wants: %s: %s", f.About, f.What)
			}
		}
	}
	if program != "" && u.turns > 0 {
		for _, args := range [][]string{{"--dry-run"}, nil} {
			if out, err := calserver(t, append([]string{"upgrade", "undo", "-C", u.conf, "--to", fmt.Sprint(u.to)}, args...)...); err != nil {
				t.Fatalf("upgrade undo %q: %v\n%s", args, err, out)
			}
		}
	}
	u.program = program
	u.start(t)
	u.visit(t, "anna", "ben")
	for href, want := range u.want {
		if got := u.do(t, "anna", "GET", href, "").is(200).body; !strings.Contains(got, want) {
			t.Errorf("%s is %s, want %q", href, got, want)
		}
	}
	put := func(name, text, status string) string {
		r := u.do(t, "anna", "PUT", cal("anna")+name+".ics", text, "Content-Type: text/calendar")
		if fmt.Sprint(r.status) != status {
			t.Fatalf("PUT %s: %d\n%s", name, r.status, r.body)
		}
		return r.header.Get("ETag")
	}
	summary := fmt.Sprintf("SUMMARY:Turn %d", u.turns)
	if u.turns > 0 {
		// The client goes on from its token, and what it knows of is as it was.
		r := u.do(t, "anna", "REPORT", cal("anna"), syncBody(u.token), "Depth: 0")
		if hrefs := r.hrefs(); len(hrefs) != 0 {
			t.Errorf("the client is told of %q, and nobody has changed anything", hrefs)
		}
		if got := u.do(t, "anna", "GET", cal("anna")+"first.ics", "").header.Get("ETag"); got != u.etag {
			t.Errorf("the ETag is %s, and was %s", got, u.etag)
		}
		if got := u.do(t, "anna", "GET", "/dav/history/?uid=first", "").is(200).body; strings.Count(got, `"change"`) < u.turns-1 {
			t.Errorf("the history has lost something: %s", got)
		}
		u.etag = put("first", event("first", "20300901T100000Z", strings.TrimPrefix(summary, "SUMMARY:")), "204")
		u.do(t, "anna", "REPORT", cal("anna"), query("20300901T000000Z", "20300902T000000Z", ""), "Depth: 1").is(207)
	} else {
		u.etag = put("first", event("first", "20300901T100000Z", strings.TrimPrefix(summary, "SUMMARY:")), "201")
	}
	u.want[cal("anna")+"first.ics"] = summary
	name := fmt.Sprintf("turn%d", u.turns)
	put(name, event(name, "20300901T100000Z", "Own of "+name), "201")
	u.want[cal("anna")+name+".ics"] = "Own of " + name
	put("m"+name, meetingWith("m"+name, "ben@example.com"), "201")
	eventuallyShows(t, "ben's invitation", func() string { return u.shown(t, "ben") }, "UID:m"+name+"\n")
	u.accept(t, "ben", "m"+name)
	eventuallyShows(t, "ben's answer", func() string { return unfolded(u.everything(t, "anna", cal("anna"))["m"+name+".ics"]) }, "PARTSTAT=ACCEPTED")
	u.wcap(t, "ben", "/set_userprefs.wcap?set_attrs=ceDefaultAlarmStart=P"+fmt.Sprint(u.turns)+"D")
	if out, err := u.own(t, "csdb", "-C", u.conf, "check"); err != nil {
		t.Errorf("csdb check: %v\n%s", err, out)
	}
	if out, err := u.own(t, "csbackup", "-C", u.conf, "database", filepath.Join(u.dir, "copy-"+name)); err != nil {
		t.Errorf("csbackup: %v\n%s", err, out)
	}
	u.token = u.do(t, "anna", "REPORT", cal("anna"), syncBody(""), "Depth: 0").syncToken()
	u.stop(t)
	u.turns++
}

// own runs a tool of the host's own program.
func (h *host) own(t testing.TB, args ...string) (string, error) {
	t.Helper()
	out, err := hosttest.Command("", cmp.Or(h.program, hosttest.Executable(t)), args...).CombinedOutput()
	return string(out), err
}
