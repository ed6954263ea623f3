package queue

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"factotum/notify/relay"
)

// Cause is one of the four classic causes of a queue that builds up. admin.md §22.
type Cause string

const (
	Capacity      Cause = "capacity"      // we cannot keep up
	Elsewhere     Cause = "destination"   // the servers that mail goes to
	Ours          Cause = "ours"          // this software
	Configuration Cause = "configuration" // what is set, and what it leads to
)

// Causes are all of them.
var Causes = []Cause{Capacity, Elsewhere, Ours, Configuration}

// State tells apart what needs action from the normal face of trouble elsewhere.
type State string

const (
	Stuck  State = "stuck"  // attempts are under way and do not end, while the machine has nothing to do
	Queued State = "queued" // attempts come to their end, fail, and are made again later
)

// Finding is one cause, with what speaks for it.
type Finding struct {
	Cause    Cause    `json:"cause"`
	State    State    `json:"state,omitempty"`
	Act      bool     `json:"act"` // somebody has to do something; else time does
	Says     string   `json:"says"`
	Evidence []string `json:"evidence,omitempty"`
	Do       []string `json:"do,omitempty"`
}

// Diagnosis is what Diagnose finds; without findings the queue is no problem by
// itself.
type Diagnosis struct {
	Problem  bool      `json:"problem"` // a finding needs action
	Says     string    `json:"says"`
	Findings []Finding `json:"findings"`
}

// Needs reports whether somebody has to do something because of a cause.
func (d *Diagnosis) Needs(c Cause) bool {
	return slices.ContainsFunc(d.Findings, func(f Finding) bool { return f.Cause == c && f.Act })
}

// Limits of what is called slow, busy and long.
const (
	slowCompose = time.Second
	busyLoad    = 0.8
	longDrain   = 5 * time.Minute
	manyShown   = 5
)

// Diagnose tells why mail waits.
func Diagnose(f Facts) Diagnosis {
	all := f.Sum()
	e := examination{Facts: f, all: all, long: cmp.Or(f.Timeout, time.Minute) / 2}
	if f.Hangs || all.Mails > all.Held {
		if e.service() {
			e.relay()
			e.quota()
			e.directory()
			e.ours()
			e.destinations()
			e.capacity()
		}
	}
	d := Diagnosis{Findings: append([]Finding{}, e.found...)}
	for i := range e.found {
		d.Problem = d.Problem || e.found[i].Act
	}
	waiting := count(all.Mails-all.Held, "mail waits", "mails wait")
	if all.Mails > all.Held {
		waiting += ", the oldest for " + span(all.Oldest)
	}
	if all.Held > 0 {
		waiting += fmt.Sprintf("; %d held by an administrator", all.Held)
	}
	switch {
	case f.Hangs:
		d.Says = "The queue needs somebody: what waits is not known."
	case all.Mails == 0:
		d.Says = "No mail waits."
	case d.Problem:
		d.Says = "The queue needs somebody: " + waiting + "."
	case len(d.Findings) > 0:
		d.Says = "The queue is not a problem by itself: " + waiting + ". Mail goes out when others are well again."
	default:
		d.Says = "The queue is not a problem by itself: " + waiting + ", and nothing is in the way of what is due."
	}
	return d
}

// examination is a Diagnose under way.
type examination struct {
	Facts
	all    Destination
	found  []Finding
	blamed []string      // servers that a finding is about
	long   time.Duration // an attempt that takes no end
}

func (e *examination) find(f Finding) { e.found = append(e.found, f) }

// service asks whether anybody serves the queue at all.
func (e *examination) service() bool {
	waiting := []string{count(e.all.Mails, "mail waits", "mails wait")}
	switch {
	case e.Hangs:
		e.find(Finding{Cause: Ours, Act: true, Says: "The worker is dead: csstored runs, and does not answer.", Evidence: []string{e.load()},
			Do: []string{"Look whether it is stopped (state T in ps), waits for a disk, or has no processor; store.log has its last words.", "Restart it: stop-cal store, start-cal store. Nothing is lost by that."}})
	case !e.Enabled:
		e.find(Finding{Cause: Configuration, Act: true, Says: "Nobody serves the queue: service.notify.enable is no.", Evidence: waiting,
			Do: []string{"Set service.notify.enable to yes and restart, or give the mail up: csqueue --all return."}})
	case e.Relay == "" && !e.Direct:
		e.find(Finding{Cause: Configuration, Act: true, Says: "Nobody serves the queue: caldb.smtphost is empty.", Evidence: waiting,
			Do: []string{"Set caldb.smtphost to the server that takes the mail, or factotum.mail.direct, and restart, or give the mail up: csqueue --all return."}})
	case e.ReadOnly:
		e.find(Finding{Cause: Configuration, Act: true, Says: "Nobody serves the queue: the store is read-only, and nothing is sent meanwhile.", Evidence: waiting,
			Do: []string{"End the maintenance: set caldb.berkeleydb.readonly to no and restart."}})
	case !e.Up:
		e.find(Finding{Cause: Ours, Act: true, Says: "Nobody serves the queue: csstored does not run.", Evidence: waiting,
			Do: []string{`Start it: start-cal store, or everything with start-cal. If it does not stay up, store.log says why.`}})
	case !e.Works:
		e.find(Finding{Cause: Ours, Act: true, Says: "csstored answers, and does no jobs.", Evidence: waiting,
			Do: []string{"Look into store.log for what went wrong at its start, and restart it: stop-cal store, start-cal store."}})
	default:
		return true
	}
	return false
}

// relay asks whether the servers that ics.conf names are well, and named as they
// should be.
func (e *examination) relay() {
	const retry = "When it is mended: csqueue --all retry."
	for _, name := range append([]string{e.Relay}, e.Routes...) {
		host, trouble, n, says := e.serverTrouble(name)
		what, param := "relay", "caldb.smtphost"
		if name != e.Relay {
			what, param = "route", "factotum.mail.routes"
		}
		evidence := []string{fmt.Sprintf("%s of %d", count(n, "mail has failed for it", "mails have failed for it"), e.all.Mails), says}
		if host != nil {
			evidence = append(evidence, fmt.Sprintf("%d failures one after another", host.Failures))
			if !host.Until.IsZero() {
				evidence = append(evidence, "it is left alone until "+host.Until.UTC().Format(time.RFC3339))
			}
		}
		f := Finding{Cause: Configuration, State: Queued, Act: true, Evidence: evidence}
		switch {
		case trouble == NoHost:
			f.Says = fmt.Sprintf("Bad %s: there is no host of the name in %s.", what, name)
			f.Do = []string{fmt.Sprintf("Correct %s, or the DNS that this host asks.", param), retry}
		case trouble == LogIn && name == e.Relay:
			f.Says = fmt.Sprintf("Bad relay: %s refuses our log-in.", name)
			f.Do = []string{"Correct factotum.mail.user and factotum.mail.password, or have the server let this host send.", retry}
		case trouble == LogIn:
			f.Says = fmt.Sprintf("Bad route: %s wants a log-in, and has none.", name)
			f.Do = []string{"Have the server let this host send, or take it out of factotum.mail.routes.", retry}
		case trouble == NoTLS:
			f.Says = fmt.Sprintf("Bad %s: no protected connection to %s.", what, name)
			f.Do = []string{fmt.Sprintf("Renew the server's certificate, name the server as the certificate does in %s, or change factotum.mail.security.", param), retry}
		case trouble == Unreachable && name == e.Relay:
			f.Cause, f.Says = Elsewhere, fmt.Sprintf("All mail goes by %s, which cannot be reached.", name)
			if len(e.Routes) > 0 {
				f.Says = fmt.Sprintf("All mail but that of factotum.mail.routes goes by %s, which cannot be reached.", name)
			}
			f.Do = []string{"Look whether the server runs and lets this host connect; caldb.smtphost and caldb.smtpport name it.",
				"Nothing is lost meanwhile: mail goes out when it is back, until the last age of factotum.mail.notices.", retry}
		default:
			continue
		}
		e.find(f)
		e.blamed = append(e.blamed, name)
	}
}

// serverTrouble is what a server itself fails with: by what the queue has seen of it,
// else by what mails say.
func (e *examination) serverTrouble(name string) (host *Host, t Trouble, n int, says string) {
	s := e.Servers[name]
	if s == nil {
		s = &Server{}
	}
	for _, t := range []Trouble{NoHost, LogIn, NoTLS, Unreachable, Skipping} {
		n += s.Trouble[t]
	}
	for i := range e.Hosts {
		if h := &e.Hosts[i]; h.Name == name {
			f := relay.Failure{Step: h.Step, Text: h.Cause}
			return h, troubleAt(&f), n, fmt.Sprintf("%s: %s: %s", h.Name, h.Step, h.Cause)
		}
	}
	if n == 0 || name == e.Relay && 2*n < e.all.Mails { // destinations behind it say so, not it
		return nil, "", 0, ""
	}
	for _, t := range []Trouble{NoHost, LogIn, NoTLS, Unreachable} {
		if s.Trouble[t] > 0 {
			return nil, t, n, s.Says[t]
		}
	}
	return nil, Unreachable, n, s.Says[Skipping]
}

// quota asks for mailboxes that are full.
func (e *examination) quota() {
	if n := e.all.Trouble[OverQuota]; n > 0 && 5*n >= e.all.Failing {
		e.find(Finding{Cause: Configuration, State: Queued, Act: false, Says: "Mailboxes are full, and what is for them waits as it does when a network is away.",
			Evidence: append([]string{fmt.Sprintf("%d of %d", n, e.all.Failing) + " that failed were over quota"}, e.where(OverQuota)...),
			Do: []string{"Where the mailboxes are ours, give them more room or have them emptied; else wait.",
				"What nobody will read can be given up: csqueue --to ADDRESS return."}})
	}
}

// directory asks whether mails are made too slowly, and whether that comes of the
// directory, in which people are looked up for them.
func (e *examination) directory() {
	n := e.all.Trouble[Unmade]
	if n == 0 && !e.slowlyMade() {
		return
	}
	evidence := []string{fmt.Sprintf("it takes %s to make a mail, of which people are looked up for %s, and %s to send it", span(e.Composing), span(e.Looking), span(e.Sending))}
	says := "The directory is slow: people are looked up for each mail."
	switch {
	case n > 0:
		says = "Mails cannot be made: most often the directory does not answer."
		evidence = append(evidence, count(n, "mail could not be made", "mails could not be made"), e.all.Says[Unmade])
	case 2*e.Looking < e.Composing:
		e.find(Finding{Cause: Ours, Act: true, Says: "Mails are made slowly, and the directory is not why.", Evidence: append(evidence, e.load()),
			Do: []string{"Look at the disk, or the database, and at what else runs on this machine: the journal is read for each mail."}})
		return
	}
	e.find(Finding{Cause: Configuration, Act: true, Says: says, Evidence: evidence,
		Do: []string{"Look at the directory: calserver status has whether it answers. Missing indexes (mail, uid) are the usual reason.", "store.log has what went wrong."}})
}

// slowlyMade tells whether mail that is due waits longer to be made than to be sent.
func (e *examination) slowlyMade() bool {
	return e.Composing >= slowCompose && e.Composing >= e.Sending && e.all.Ready+e.all.Active > 0
}

// ours asks for mail that should be sent, and that our own software does not.
func (e *examination) ours() {
	if len(e.Lost) > 0 {
		e.find(Finding{Cause: Ours, Act: true, Says: "Mails are due, and csstored does not know them: orphans.", Evidence: append([]string{count(len(e.Lost), "mail", "mails")}, few(e.Lost)...),
			Do: []string{"Restart csstored, which reads the table anew: stop-cal store, start-cal store.", "Tell us: this must not happen; another program may have written to the store."}})
	}
	if e.Overdue > overdue && e.all.Active == 0 && e.Active == 0 {
		evidence := []string{fmt.Sprintf("%s due, for %s at most, and none is being sent", count(e.all.Ready, "mail is", "mails are"), span(e.Overdue))}
		says := "The worker is dead: nothing that is due begins."
		if e.Doubts > 0 {
			says = "Nothing begins, since the store does not tell what was committed."
			evidence = append(evidence, count(e.Doubts, "user waits for it", "users wait for it"))
		}
		e.find(Finding{Cause: Ours, Act: true, Says: says, Evidence: evidence, Do: []string{"store.log says what is in its way. Restart csstored: stop-cal store, start-cal store."}})
	}
	if len(e.Parked) > 0 {
		e.find(Finding{Cause: Ours, Act: true, Says: "Mails were given up that nobody was told of, and what is behind them waits.", Evidence: append([]string{count(len(e.Parked), "mail", "mails")}, few(e.Parked)...),
			Do: []string{"csqueue show ID says why. csqueue retry ID, or csqueue purge ID."}})
	}
}

// destinations asks for trouble with places, stuck or queued.
func (e *examination) destinations() {
	if e.stuck() {
		evidence := []string{fmt.Sprintf("%d of %d connections are in use, the first for %s", e.Active, e.Connections, span(e.Longest)), e.load()}
		for _, d := range e.worst(func(d *Destination) int { return d.Active }) {
			evidence = append(evidence, fmt.Sprintf("%s: %d being sent, %d more are due", d.Domain, d.Active, d.Ready))
		}
		e.find(Finding{Cause: Elsewhere, State: Stuck, Act: true, Says: "Stuck: attempts do not end, while this machine has little to do.", Evidence: evidence,
			Do: []string{"Look at the server that takes the mail: it answers slowly, or not at all.", "Hold what is for a slow destination, so that the rest goes: csqueue --domain NAME hold."}})
	}
	troubles := []Trouble{Deferred}
	n := e.all.Trouble[Deferred] + e.all.Trouble[OverQuota]
	for name, s := range e.Servers { // those of the destinations, or of routes to them
		if name == e.Relay || slices.Contains(e.blamed, name) {
			continue
		}
		for _, t := range []Trouble{NoHost, LogIn, NoTLS, Unreachable, Skipping} {
			if s.Trouble[t] > 0 && !slices.Contains(troubles, t) {
				troubles = append(troubles, t)
			}
			n += s.Trouble[t]
		}
	}
	if n == 0 || slices.Contains(e.blamed, e.Relay) || slices.ContainsFunc(e.found, func(f Finding) bool { return f.State == Queued && !f.Act }) {
		return
	}
	evidence := []string{fmt.Sprintf("%d of %d mails have failed, %d of them %d times or more", e.all.Failing, e.all.Mails, e.all.Long, longHistory)}
	e.find(Finding{Cause: Elsewhere, State: Queued, Says: "Queued: destinations ask to come again, or cannot be reached, and mail for them is tried at its times.", Evidence: append(evidence, e.where(troubles...)...),
		Do: []string{"Nothing, as a rule: it goes out when they are well, and its senders are told at the ages of factotum.mail.notices.", "When you know that one is well again: csqueue --domain NAME retry."}})
}

// stuck tells whether attempts wait for servers, while mail waits for them: a busy
// machine explains some of that, but not a whole timeout.
func (e *examination) stuck() bool {
	return e.full() && !e.slowlyMade() && (e.Longest >= e.long && e.Load < busyLoad || e.Longest >= 2*e.long)
}

// full tells whether mail waits for room: of all, or of a destination's share.
func (e *examination) full() bool {
	return e.all.Ready > 0 && (e.Active >= e.Connections || slices.ContainsFunc(e.Destinations, func(d *Destination) bool { return d.Ready > 0 && d.Active >= e.Each }))
}

// capacity asks whether more is due than can be sent.
func (e *examination) capacity() {
	if !e.full() || e.stuck() || len(e.found) > 0 && e.found[0].Cause == Configuration && e.found[0].Act {
		return
	}
	places := 0 // that can be in use, with those for the slow
	for _, d := range e.Destinations {
		places += min(d.Ready+d.Active, e.Each)
	}
	if most := e.Connections; e.Composing+e.Sending > slow {
		places = min(places, most+slowShare*most)
	} else {
		places = min(places, most)
	}
	drain := time.Duration(e.all.Ready) * (e.Composing + e.Sending) / time.Duration(max(places, 1))
	if drain < longDrain && e.Overdue < longDrain && !(e.Load >= busyLoad && e.Overdue > overdue) {
		return
	}
	do := []string{"More connections, if the server takes them: factotum.mail.connections, factotum.mail.perdestination."}
	if e.Load >= busyLoad {
		do = []string{"This machine has no more to give: see what else runs on it, give it more processors, or put users on another back end."}
	}
	e.find(Finding{Cause: Capacity, Act: true, Says: "We cannot keep up: more is due than is sent.", Do: do, Evidence: []string{
		fmt.Sprintf("%s due, the first for %s, which take some %s more", count(e.all.Ready, "mail is", "mails are"), span(e.Overdue), span(drain)),
		fmt.Sprintf("%d of %d connections are in use, %s for a mail", e.Active, e.Connections, span(e.Composing+e.Sending)), e.load()}})
}

func (e *examination) load() string {
	if e.Load < 0 {
		return "the load of this machine is not known"
	}
	if e.Load > 1 {
		return fmt.Sprintf("the processors are busy, with %.1f times as much to do as they can", e.Load)
	}
	return fmt.Sprintf("the processors are %d %% busy", int(100*e.Load))
}

// where tells of the destinations that have most of some troubles, and what they say.
func (e *examination) where(troubles ...Trouble) (list []string) {
	sum := func(d *Destination) (n int) {
		for _, t := range troubles {
			n += d.Trouble[t]
		}
		return n
	}
	for _, d := range e.worst(sum) {
		most := slices.MaxFunc(troubles, func(a, b Trouble) int { return d.Trouble[a] - d.Trouble[b] })
		list = append(list, fmt.Sprintf("%s: %s, the oldest for %s: %s", d.Domain, count(sum(d), "mail", "mails"), span(d.Oldest), d.Says[most]))
	}
	return list
}

// worst are a few of the destinations that have something, with most of it first.
func (e *examination) worst(have func(*Destination) int) []*Destination {
	list := slices.DeleteFunc(slices.Clone(e.Destinations), func(d *Destination) bool { return have(d) == 0 })
	slices.SortStableFunc(list, func(a, b *Destination) int { return have(b) - have(a) })
	return list[:min(len(list), manyShown)]
}

func few(ids []string) []string {
	if len(ids) > manyShown {
		return append(slices.Clone(ids[:manyShown]), "…")
	}
	return ids
}

func count(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprint(n) + " " + many
}

func span(d time.Duration) string {
	if d >= time.Minute {
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	if d >= 10*time.Second {
		return d.Round(time.Second).String()
	}
	return d.Round(time.Millisecond).String()
}
