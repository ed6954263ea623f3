package queue

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"factotum/notify/relay"
	"factotum/server/calendar"
	"factotum/server/worker"
)

// Trouble is what stands in the way of a mail, by the words of its last attempt.
type Trouble string

const (
	Unserved    Trouble = "unserved"    // nobody sends mail
	Unmade      Trouble = "unmade"      // the mail could not be made
	Skipping    Trouble = "skipped"     // its server is left alone
	NoHost      Trouble = "no host"     // the server's name leads nowhere
	LogIn       Trouble = "log-in"      // the server refuses the log-in
	NoTLS       Trouble = "tls"         // no protected connection
	Unreachable Trouble = "unreachable" // no connection, or none that lasts
	OverQuota   Trouble = "over quota"  // the recipient's mailbox is full
	Deferred    Trouble = "deferred"    // the server asks to come again
)

const (
	unserved = "no mail is sent: "
	unmade   = "the mail cannot be made: "
	skipping = ": too many failures to this host during this run; skipping this host: "
)

// ErrUnserved begins what a job says whose mail nobody sends.
const ErrUnserved = unserved

// troubleOf tells the server and what stands in the way.
func troubleOf(err string) (host string, t Trouble) {
	switch {
	case err == "":
		return "", ""
	case strings.HasPrefix(err, unserved):
		return "", Unserved
	case strings.HasPrefix(err, unmade):
		return "", Unmade
	}
	if host, cause, ok := strings.Cut(err, skipping); ok {
		if cause == "no such host" {
			return host, NoHost
		}
		return host, Skipping
	}
	f, ok := relay.ParseFailure(err)
	if !ok {
		return "", Deferred
	}
	host, _, _ = strings.Cut(f.Host, " ") // a domain, without the one of its servers that failed
	return host, troubleAt(&f)
}

func troubleAt(f *relay.Failure) Trouble {
	switch {
	case f.Code == 0 && f.Text == "no such host":
		return NoHost
	case f.Step == relay.LoggingIn, f.Code == 530, f.Code == 535:
		return LogIn
	case f.Step == relay.Securing:
		return NoTLS
	case f.OverQuota():
		return OverQuota
	case f.Code == 0, f.Step == relay.Connecting, f.Step == relay.Greeting:
		return Unreachable
	}
	return Deferred
}

// Facts are what is known of the queue at a moment: what Diagnose judges.
type Facts struct {
	Now time.Time `json:"now"`

	Enabled     bool          `json:"enabled"`          // service.notify.enable
	Relay       string        `json:"relay,omitempty"`  // host:port that mail goes by which has no route of its own, "" for none
	Direct      bool          `json:"direct"`           // without it, mail goes to what MX records name
	Routes      []string      `json:"routes,omitempty"` // servers of single domains, host:port
	ReadOnly    bool          `json:"read_only"`        // the store is, and no job is done
	Up          bool          `json:"up"`               // csstored answers
	Hangs       bool          `json:"hangs"`            // csstored is there, and gives no answer
	Works       bool          `json:"works"`            // it does jobs
	Connections int           `json:"connections"`      // at most
	Timeout     time.Duration `json:"timeout_ns"`       // of a server's answer
	Each        int           `json:"each"`             // for one destination

	Load      float64       `json:"load"`         // of the processors, of which 1 is all; negative: not known
	Composing time.Duration `json:"composing_ns"` // lately, of one mail
	Looking   time.Duration `json:"looking_ns"`   // of that, in the directory
	Sending   time.Duration `json:"sending_ns"`
	Active    int           `json:"active"`
	Longest   time.Duration `json:"longest_ns"` // since the first of them began
	Overdue   time.Duration `json:"overdue_ns"` // since the first became due of those that wait for room
	Doubts    int           `json:"doubts"`     // users whose jobs do not begin: worker.Stats

	Lost         []string           `json:"lost,omitempty"`   // mails that are due and that nobody has in hand, by id
	Parked       []string           `json:"parked,omitempty"` // that were given up without an end, by id
	Destinations []*Destination     `json:"destinations,omitempty"`
	Hosts        []Host             `json:"hosts,omitempty"`
	Servers      map[string]*Server `json:"servers,omitempty"` // by host:port, or domain where MX records count
}

// Server sums up the mails whose last attempt failed at a server.
type Server struct {
	Trouble map[Trouble]int    `json:"trouble"`
	Says    map[Trouble]string `json:"says"` // the words of one of them
}

// Destination sums up the mails to one domain.
type Destination struct {
	Domain  string             `json:"domain"`
	Mails   int                `json:"mails"`
	Ready   int                `json:"ready"`  // due, and waiting for room
	Active  int                `json:"active"` // being sent
	Held    int                `json:"held"`
	Failing int                `json:"failing"`   // with one failed attempt at least
	Long    int                `json:"long"`      // with a long history of them
	Oldest  time.Duration      `json:"oldest_ns"` // of those that are not held
	Trouble map[Trouble]int    `json:"trouble,omitempty"`
	Says    map[Trouble]string `json:"says,omitempty"` // the words of one of them
}

const (
	longHistory = 4 // attempts
	// overdue is when a mail that is due should have begun.
	overdue = 2 * time.Minute
)

// Overdue is for how long a mail should have been on its way.
func Overdue(j *calendar.Job, now time.Time) time.Duration {
	if j.Due.Before(j.Created) { // it was due at once, whenever that was
		return now.Sub(j.Created)
	}
	return now.Sub(j.Due)
}

// Count adds a mail. Lost ones are those that are long due and that nobody knows.
func (f *Facts) Count(j *calendar.Job, place worker.Place) {
	domain := relay.Domain(calendar.MailAddress(j.Key))
	i, found := slices.BinarySearchFunc(f.Destinations, domain, func(d *Destination, name string) int { return cmp.Compare(d.Domain, name) })
	if !found {
		f.Destinations = slices.Insert(f.Destinations, i, &Destination{Domain: domain, Trouble: map[Trouble]int{}, Says: map[Trouble]string{}})
	}
	d := f.Destinations[i]
	d.Mails++
	if worker.Held(j) {
		d.Held++
		return
	}
	d.Oldest = max(d.Oldest, f.Now.Sub(j.Created))
	switch {
	case j.Parked:
		f.Parked = append(f.Parked, j.JobID.String())
		return
	case place == worker.Ready:
		d.Ready++
	case place == worker.Running:
		d.Active++
	case place == worker.Unknown && f.Up && Overdue(j, f.Now) > overdue:
		f.Lost = append(f.Lost, j.JobID.String())
	}
	if j.Attempts == 0 {
		return
	}
	d.Failing++
	if j.Attempts >= longHistory {
		d.Long++
	}
	host, t := troubleOf(j.Err)
	d.Trouble[t]++
	d.Says[t] = j.Err
	if host == "" {
		return
	}
	if f.Servers == nil {
		f.Servers = map[string]*Server{}
	}
	s := f.Servers[host]
	if s == nil {
		s = &Server{Trouble: map[Trouble]int{}, Says: map[Trouble]string{}}
		f.Servers[host] = s
	}
	s.Trouble[t]++
	s.Says[t] = j.Err
}

// Sum adds the destinations up.
func (f *Facts) Sum() (all Destination) {
	all.Trouble, all.Says = map[Trouble]int{}, map[Trouble]string{}
	for _, d := range f.Destinations {
		all.Mails += d.Mails
		all.Ready += d.Ready
		all.Active += d.Active
		all.Held += d.Held
		all.Failing += d.Failing
		all.Long += d.Long
		all.Oldest = max(all.Oldest, d.Oldest)
		for t, n := range d.Trouble {
			all.Trouble[t] += n
			all.Says[t] = d.Says[t]
		}
	}
	return all
}
