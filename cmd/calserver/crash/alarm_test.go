package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"factotum/cmd/internal/freeport"
	"factotum/cmd/internal/hosttest"
	"factotum/notify/broker"
	"factotum/notify/bus"
	"factotum/notify/relay/smtptest"
	"factotum/server/calendar"
	"factotum/store/storetest/pgtest"
)

// reminder is an event with an alarm, as its ledger has it.
type reminder struct {
	uid     string
	mailed  bool // ACTION:EMAIL; else it is shown
	name    string
	due     time.Time
	doubt   bool // whether it is there, or when it is due: nobody answered
	deleted bool
}

func (r *reminder) text() string {
	start := r.due.Add(15 * time.Minute).UTC()
	rule := ""
	if len(r.uid)%3 == 0 { // its second instance is the one
		start, rule = start.AddDate(0, 0, -7), "RRULE:FREQ=WEEKLY;COUNT=2\r\n"
	}
	action := "DISPLAY"
	if r.mailed {
		action = "EMAIL"
	}
	return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//factotum//crash//EN\r\nBEGIN:VEVENT\r\nUID:" + r.uid + "\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:" +
		start.Format("20060102T150405Z") + "\r\nDURATION:PT1H\r\nSUMMARY:" + r.uid + "\r\n" + rule + "BEGIN:VALARM\r\nACTION:" + action +
		"\r\nTRIGGER:-PT15M\r\nSUMMARY:x\r\nDESCRIPTION:y\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
}

// reminders are the ledger of one user's alarms, and the client that sets them.
type reminders struct {
	*client
	rng  *rand.Rand
	all  []*reminder
	stop chan struct{}
	done sync.WaitGroup
}

// run sets alarms that are due in one to seven seconds, moves one in five, and deletes
// one in ten, before they are due.
func (l *reminders) run() {
	for n := 0; ; n++ {
		select {
		case <-l.stop:
			return
		case <-time.After(25 * time.Millisecond):
		}
		r := &reminder{uid: fmt.Sprintf("%s-%d", l.user, n), mailed: n%2 == 0}
		r.name = r.uid + ".ics"
		l.all = append(l.all, r)
		l.set(r)
		if old := l.all[l.rng.IntN(len(l.all))]; n%10 < 3 && !old.doubt && time.Until(old.due) > 2*time.Second {
			if n%10 == 0 {
				l.drop(old)
			} else {
				l.set(old)
			}
		}
	}
}

// set stores it with another time. What nobody answered, or only when it was due by
// then, is in doubt.
func (l *reminders) set(r *reminder) {
	if r.deleted {
		return
	}
	r.due = time.Now().Truncate(time.Second).Add(time.Duration(2+l.rng.IntN(6)) * time.Second)
	a, err := l.put(r.name, r.text())
	r.doubt = err != nil || !a.ok() || time.Until(r.due) < 0
}

func (l *reminders) drop(r *reminder) {
	a, err := l.do("DELETE", l.collection()+r.name, "")
	r.deleted, r.doubt = true, err != nil || !a.ok() || time.Until(r.due) < 0
}

// listener counts what is published of alarms, by topic and UID.
type listener struct {
	bus  *bus.Bus
	mu   sync.Mutex
	ids  map[string]map[string]int // by "topic uid" the ids that came, and how often
	stop func()
}

// listen makes a durable consumer of what begins with enp:///ics/, and takes what there
// is for it until stop is called; listen again goes on where it was.
func (l *listener) listen(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.bus.Consume(ctx, "ledger", calendar.EventRef{Topic: "enp:///ics/*"}, func(_ context.Context, p calendar.Publication) error {
			ref, err := calendar.ParseEventRef(p.Ref)
			uid, _ := ref.Param("uid")
			l.mu.Lock()
			defer l.mu.Unlock()
			key := ref.Topic + " " + uid
			if l.ids[key] == nil {
				l.ids[key] = map[string]int{}
			}
			l.ids[key][p.ID]++
			return err
		})
	}()
	l.stop = func() { cancel(); <-done }
	eventually(t, "the consumer to be made", func() error {
		kept, err := l.bus.Kept(ctx)
		if err == nil && kept.Consumers == 0 {
			err = errors.New("there is none")
		}
		return err
	})
}

func newListener(t testing.TB, opt bus.Options) *listener {
	t.Helper()
	b, err := bus.Connect(opt)
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{bus: b, ids: map[string]map[string]int{}}
	t.Cleanup(func() { l.bus.Close(context.Background()) })
	l.listen(t)
	return l
}

const (
	ensPassword = "a secret of this test"
	shownTopic  = "enp:///ics/customalarm"
	mailedTopic = "enp:///ics/alarm"
)

// remindLines are the lines of ics.conf of a server that sends alarms.
func remindLines(t testing.TB, sink *smtptest.Sink) []string {
	t.Helper()
	_, port, err := net.SplitHostPort(sink.Addr)
	if err != nil {
		t.Fatal(err)
	}
	return []string{`caldb.smtphost = "127.0.0.1"`, `caldb.smtpport = "` + port + `"`, `factotum.mail.backoff = "pt1s"`,
		`caldb.serveralarms.url = "` + shownTopic + `"`, `caldb.serveralarms.contenttype = "text/xml"`, `caldb.serveralarms.retryinterval = "1"`}
}

// patient is how late an alarm may be, or how long after the server is back: a machine
// that is busy with other tests has its pauses. What is usual the test says.
const patient = hosttest.Patience

// verifyReminders waits for all that the ledgers demand, and looks that nothing else came: each
// alarm that was acknowledged has one mail, by its Message-ID, and publications of one
// name. A mail may come again where the server died before it had noted its delivery.
// back are the moments at which a server was ready again, kills how often one died.
func verifyReminders(t *testing.T, sink *smtptest.Sink, heard *listener, ledgers []*reminders, back []time.Time, kills int) {
	t.Helper()
	mails := func() map[string][]smtptest.Mail {
		got := map[string][]smtptest.Mail{}
		for _, m := range sink.Mails() {
			uid := strings.Fields(strings.TrimPrefix(m.Header("Subject"), "Reminder: ") + " ?")[0]
			got[uid] = append(got[uid], m)
		}
		return got
	}
	published := func(topic, uid string) map[string]int {
		heard.mu.Lock()
		defer heard.mu.Unlock()
		return heard.ids[topic+" "+uid]
	}
	eventually(t, "all alarms", func() error {
		got := mails()
		for _, l := range ledgers {
			for _, r := range l.all {
				switch {
				case r.deleted || r.doubt:
				case r.mailed && len(got[r.uid]) == 0:
					return fmt.Errorf("%s, due at %v, was not mailed", r.uid, r.due)
				case len(published(shownTopic, r.uid)) == 0, r.mailed && len(published(mailedTopic, r.uid)) == 0:
					return fmt.Errorf("%s, due at %v, was not published", r.uid, r.due)
				}
			}
		}
		return nil
	})
	time.Sleep(time.Second) // for what is too much
	got := mails()
	again, sure, worst := 0, 0, time.Duration(0)
	for _, l := range ledgers {
		for _, r := range l.all {
			ids := map[string]bool{}
			for _, m := range got[r.uid] {
				ids[m.Header("Message-Id")] = true
			}
			again += max(len(got[r.uid])-1, 0)
			shown, mailed := len(published(shownTopic, r.uid)), len(published(mailedTopic, r.uid))
			if r.doubt { // it may be there with the time before and that after
				if len(ids) > 2 || shown > 2 || mailed > 2 {
					t.Errorf("%s: %d mails, %d and %d publications", r.uid, len(ids), shown, mailed)
				}
				continue
			}
			want, wantMail := 1, 0
			if r.mailed {
				wantMail = 1
			}
			if r.deleted {
				want, wantMail = 0, 0
			}
			if len(ids) != wantMail || shown != want || mailed != wantMail {
				t.Errorf("%s, due at %v (deleted: %v): %d mails, %d and %d publications", r.uid, r.due, r.deleted, len(ids), shown, mailed)
			}
			sure += want
			for _, m := range got[r.uid][:min(1, len(got[r.uid]))] {
				late := m.When.Sub(r.due)
				for _, at := range back { // counted from when somebody could send it
					if at.After(r.due) && at.Before(m.When) {
						late = min(late, m.When.Sub(at))
					}
				}
				if m.When.Before(r.due) || late > patient {
					t.Errorf("%s, due at %v, was mailed at %v", r.uid, r.due, m.When)
				}
				worst = max(worst, late)
			}
		}
	}
	if most := kills * 20; again > most {
		t.Errorf("%d mails came again, want %d at most", again, most)
	}
	if sure < 20 {
		t.Errorf("only %d alarms", sure)
	}
	t.Logf("%d kills, %d alarms, at most %v late or after the server was back; %d mails came again", kills, sure, worst, again)
}

// settingReminders starts who sets alarms, for each of three users.
func settingReminders(t testing.TB, address string) (ledgers []*reminders, stop func()) {
	t.Helper()
	for n := range 3 {
		l := &reminders{client: newClient(address, userName(n)), rng: rand.New(rand.NewPCG(1, uint64(n))), stop: make(chan struct{})}
		l.http.Timeout = 5 * time.Second
		ledgers = append(ledgers, l)
		eventually(t, "the first login", func() error {
			a, err := l.do("PROPFIND", "/dav/calendars/"+l.user+"/", "", "Depth", "1")
			return judged("PROPFIND", a, err)
		})
		l.done.Go(l.run)
	}
	return ledgers, func() {
		for _, l := range ledgers {
			close(l.stop)
			l.done.Wait()
		}
	}
}

// TestKillAlarms kills the server, enpd within it, while alarms are due: each is mailed
// once and published, to a durable consumer that is away now and then, and none is
// lost, comes twice, or comes late once the server is there.
func TestKillAlarms(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, lines []string, _ func(string) string) {
		t.Parallel()
		sink := smtptest.Start(t, smtptest.Rules{})
		address, port := freeAddress(t), strconv.Itoa(freeport.Take(t, "127.0.0.1"))
		_, conf := install(t, "localhost", append(append(append(setting("service.http", address), remindLines(t, sink)...),
			`service.ens.port = "`+port+`"`, `factotum.ens.secret = "`+ensPassword+`"`), lines...)...)
		p := program(t, "serve", conf, func() error { return httpReady(address) })
		p.start(t)
		defer p.kill(t)
		heard := newListener(t, bus.Options{URL: "nats://127.0.0.1:" + port, User: broker.User, Password: ensPassword})
		ledgers, stop := settingReminders(t, address)
		var back []time.Time
		times := kills(5)
		for n := range times {
			time.Sleep(time.Duration(500+rand.IntN(1500)) * time.Millisecond)
			if n%3 == 1 {
				heard.stop()
			}
			p.kill(t)
			if n%5 == 4 { // again, while it recovers
				p.launch(t)
				time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
				p.kill(t)
			}
			p.start(t)
			back = append(back, time.Now())
			if n%3 == 1 {
				time.Sleep(500 * time.Millisecond)
				heard.listen(t)
			}
		}
		stop()
		verifyReminders(t, sink, heard, ledgers, back, times+times/5)
		if t.Failed() {
			t.Logf("calserver:\n%s", p.out.tail())
		}
		eventually(t, "the jobs to be done", func() error {
			if list := run(t, "csdb", "-C", conf, "jobs"); !strings.Contains(list, "\n0 jobs") && !strings.HasPrefix(list, "0 jobs") {
				return fmt.Errorf("%.500s", list)
			}
			return nil
		})
		p.stop(t)
		run(t, "csdb", "-C", conf, "check")
	})
}

// TestAlarmsFailOver has two hosts at one database of PostgreSQL and one broker that is
// neither's: one dies while alarms are due, the other goes on.
func TestAlarmsFailOver(t *testing.T) {
	t.Parallel()
	sink := smtptest.Start(t, smtptest.Rules{})
	nats, err := broker.Start(broker.Options{Name: "outside", Host: "127.0.0.1", Dir: filepath.Join(t.TempDir(), "nats"), Secret: ensPassword})
	if err != nil {
		t.Fatal(err)
	}
	defer nats.Stop()
	url := "nats://" + nats.Addr().String()
	dsn := pgtest.Start(t)
	var hosts []*process
	var addresses []string
	for range 2 {
		address := freeAddress(t)
		_, conf := install(t, "localhost", append(append(setting("service.http", address), remindLines(t, sink)...), `factotum.store.type = "postgres"`,
			`factotum.store.dsn = "`+dsn+`"`, `factotum.ens.nats = "`+strings.Replace(url, "//", "//"+broker.User+":"+strings.ReplaceAll(ensPassword, " ", "%20")+"@", 1)+`"`)...)
		hosts, addresses = append(hosts, program(t, "serve", conf, func() error { return httpReady(address) })), append(addresses, address)
	}
	heard := newListener(t, bus.Options{URL: url, User: broker.User, Password: ensPassword})
	hosts[0].start(t)
	defer func() { hosts[0].kill(t); hosts[1].kill(t) }()
	b := newBalancer(t, addresses[0])
	ledgers, stop := settingReminders(t, b.address)
	var back []time.Time
	times := 2
	if os.Getenv("FACTOTUM_LONG") != "" {
		times = 20
	}
	for n := range times {
		time.Sleep(time.Duration(2000+rand.IntN(2000)) * time.Millisecond)
		hosts[n%2].kill(t)
		hosts[1-n%2].takeOver(t)
		back = append(back, time.Now())
		b.turn(addresses[1-n%2])
	}
	time.Sleep(2 * time.Second)
	stop()
	verifyReminders(t, sink, heard, ledgers, back, times)
	if t.Failed() {
		t.Logf("one host:\n%s\nthe other:\n%s", hosts[0].out.tail(), hosts[1].out.tail())
	}
}
