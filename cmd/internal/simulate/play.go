package simulate

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
)

// player is an account that is played: what its devices remember.
type player struct {
	Account
	auth string

	mu    sync.Mutex
	ctag  string
	token string
	mine  []string // events that it made, by name
}

// stage is where players meet.
type stage struct {
	base    string // of the server, without the last /
	http    *http.Client
	players []*player
	profile Profile
	run     string // begins the names of what is made

	mu       sync.Mutex
	number   int
	invited  []invitation // not answered yet
	requests int64
}

type invitation struct {
	who *player
	uid string
}

// refused is an answer that nobody wants.
type refused struct {
	method string
	status int
}

func (e *refused) Error() string { return fmt.Sprintf("%s was answered %d", e.method, e.status) }

// do sends a request of a player.
func (s *stage) do(ctx context.Context, p *player, method, path, body string, headers ...string) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, strings.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Authorization", p.auth)
	req.Header.Set("User-Agent", "Factotum-simulate")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	s.mu.Lock()
	s.requests++
	s.mu.Unlock()
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = &refused{method, resp.StatusCode}
	}
	return b, resp.Header, err
}

// The players' homes are where this server has them.
func (p *player) home() string     { return "/dav/calendars/" + p.User + "/" }
func (p *player) calendar() string { return p.home() + "calendar/" }

var xmlType = []string{"Content-Type", "text/xml; charset=utf-8"}

func depth(d string) []string { return append([]string{"Depth", d}, xmlType...) }

const (
	askPrincipal = `<D:propfind xmlns:D="DAV:"><D:prop><D:current-user-principal/><D:resourcetype/></D:prop></D:propfind>`
	askHome      = `<D:propfind xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:S="http://calendarserver.org/ns/"><D:prop><C:calendar-home-set/><C:calendar-user-address-set/><C:schedule-inbox-URL/><C:schedule-outbox-URL/><S:notification-URL/><D:displayname/></D:prop></D:propfind>`
	askCalendars = `<D:propfind xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:S="http://calendarserver.org/ns/" xmlns:A="http://apple.com/ns/ical/"><D:prop><D:resourcetype/><D:displayname/><S:getctag/><D:sync-token/><A:calendar-color/><A:calendar-order/><D:current-user-privilege-set/><C:supported-calendar-component-set/></D:prop></D:propfind>`
	askChanged   = `<D:propfind xmlns:D="DAV:" xmlns:S="http://calendarserver.org/ns/"><D:prop><S:getctag/><D:sync-token/><D:resourcetype/></D:prop></D:propfind>`
)

// discover is what a device does when it is set up.
func (s *stage) discover(ctx context.Context, p *player) error {
	for _, q := range [][3]string{{"/dav/", askPrincipal, "0"}, {"/dav/principals/" + p.User + "/", askHome, "0"}, {p.home(), askCalendars, "1"}} {
		if _, _, err := s.do(ctx, p, "PROPFIND", q[0], q[1], depth(q[2])...); err != nil {
			return err
		}
	}
	return nil
}

var (
	tagOf   = regexp.MustCompile(`(?s)<[^>]*href>([^<]*)</[^>]*href>.*?getctag[^>]*>([^<]*)<`)
	tokenOf = regexp.MustCompile(`sync-token[^>]*>([^<]*)<`)
	hrefOf  = regexp.MustCompile(`<[^>]*href>([^<]*\.ics)<`)
)

// poll asks whether anything changed, and fetches it.
func (s *stage) poll(ctx context.Context, p *player) error {
	b, _, err := s.do(ctx, p, "PROPFIND", p.home(), askChanged, depth("1")...)
	if err != nil {
		return err
	}
	tag := ""
	for _, m := range tagOf.FindAllSubmatch(b, -1) {
		if strings.HasSuffix(string(m[1]), p.calendar()) {
			tag = string(m[2])
		}
	}
	p.mu.Lock()
	changed, token := tag != p.ctag, p.token
	p.mu.Unlock()
	if !changed {
		return nil
	}
	b, _, err = s.do(ctx, p, "REPORT", p.calendar(), `<D:sync-collection xmlns:D="DAV:"><D:sync-token>`+token+`</D:sync-token><D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>`, xmlType...)
	if err != nil {
		return err
	}
	if m := tokenOf.FindSubmatch(b); m != nil {
		token = string(m[1])
	}
	var hrefs bytes.Buffer
	for i, m := range hrefOf.FindAllSubmatch(b, -1) {
		if i == 50 {
			break
		}
		fmt.Fprintf(&hrefs, "<D:href>%s</D:href>", m[1])
	}
	if hrefs.Len() > 0 {
		_, _, err = s.do(ctx, p, "REPORT", p.calendar(), `<C:calendar-multiget xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/><C:calendar-data/></D:prop>`+hrefs.String()+`</C:calendar-multiget>`, xmlType...)
	}
	if err == nil {
		p.mu.Lock()
		p.ctag, p.token = tag, token
		p.mu.Unlock()
	}
	return err
}

// month asks for the events of one.
func (s *stage) month(ctx context.Context, p *player) error {
	from := time.Now().UTC().AddDate(0, 0, -15)
	_, _, err := s.do(ctx, p, "REPORT", p.calendar(), `<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/><C:calendar-data/></D:prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"><C:time-range start="`+
		stamp(from)+`" end="`+stamp(from.AddDate(0, 1, 0))+`"/></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>`, depth("1")...)
	return err
}

func stamp(t time.Time) string { return t.UTC().Format("20060102T150405Z") }

// event is a new event of half an hour within the next weeks.
func (s *stage) event(uid string, more ...string) string {
	at := time.Now().UTC().Truncate(time.Hour).Add(time.Duration(rand.IntN(24*28)) * time.Hour)
	return strings.Join(append([]string{"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Factotum//Simulate//EN", "BEGIN:VEVENT", "UID:" + uid, "DTSTAMP:" + stamp(time.Now()),
		"DTSTART:" + stamp(at), "DTEND:" + stamp(at.Add(30*time.Minute)), "SUMMARY:Simulated " + uid, "DESCRIPTION:" + strings.Repeat("What it is about. ", 10)}, append(more, "END:VEVENT", "END:VCALENDAR", "")...), "\r\n")
}

func (s *stage) uid() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	return fmt.Sprintf("%s-%d", s.run, s.number)
}

var calendarType = []string{"Content-Type", "text/calendar; charset=utf-8"}

func (s *stage) create(ctx context.Context, p *player) error {
	uid := s.uid()
	_, _, err := s.do(ctx, p, "PUT", p.calendar()+uid+".ics", s.event(uid), append(calendarType, "If-None-Match", "*")...)
	if err == nil {
		p.mu.Lock()
		p.mine = append(p.mine, uid+".ics")
		p.mu.Unlock()
	}
	return err
}

// take takes an event of the player's own from his list; "" if it has none.
func (p *player) take() (name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.mine); n > 0 {
		i := rand.IntN(n)
		name, p.mine[i] = p.mine[i], p.mine[n-1]
		p.mine = p.mine[:n-1]
	}
	return name
}

func (s *stage) update(ctx context.Context, p *player) error {
	name := p.take()
	if name == "" {
		return s.create(ctx, p)
	}
	b, h, err := s.do(ctx, p, "GET", p.calendar()+name, "")
	if err != nil {
		return err
	}
	text := strings.Replace(string(b), "SUMMARY:Simulated", "SUMMARY:Changed, simulated", 1)
	_, _, err = s.do(ctx, p, "PUT", p.calendar()+name, text, append(calendarType, "If-Match", h.Get("ETag"))...)
	if err == nil {
		p.mu.Lock()
		p.mine = append(p.mine, name)
		p.mu.Unlock()
	}
	return err
}

func (s *stage) remove(ctx context.Context, p *player) error {
	name := p.take()
	if name == "" {
		return s.create(ctx, p)
	}
	_, _, err := s.do(ctx, p, "DELETE", p.calendar()+name, "")
	return err
}

// others are players to invite.
func (s *stage) others(p *player) (list []*player) {
	n := len(s.players)
	for at := rand.IntN(n); len(list) < min(s.profile.Invitees, n-1); at++ {
		if o := s.players[at%n]; o != p {
			list = append(list, o)
		}
	}
	return list
}

func (s *stage) invite(ctx context.Context, p *player) error {
	uid := s.uid()
	lines := []string{"ORGANIZER:mailto:" + p.Mail, "ATTENDEE;PARTSTAT=ACCEPTED:mailto:" + p.Mail}
	with := s.others(p)
	for _, o := range with {
		lines = append(lines, "ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:"+o.Mail)
	}
	_, _, err := s.do(ctx, p, "PUT", p.calendar()+uid+".ics", s.event(uid, lines...), append(calendarType, "If-None-Match", "*")...)
	if err == nil {
		s.mu.Lock()
		for _, o := range with {
			if len(s.invited) < 100_000 {
				s.invited = append(s.invited, invitation{o, uid})
			}
		}
		s.mu.Unlock()
	}
	return err
}

var dataOf = regexp.MustCompile(`(?s)<[^>]*href>([^<]*\.ics)<.*?calendar-data[^>]*>(.*?)</`)

// reply answers an invitation that somebody got a while ago: it is looked for, and
// written back with the answer. Where it is not there yet it is left for later.
func (s *stage) reply(ctx context.Context, p *player) error {
	s.mu.Lock()
	if len(s.invited) == 0 {
		s.mu.Unlock()
		return s.poll(ctx, p)
	}
	in := s.invited[0]
	s.invited = s.invited[1:]
	s.mu.Unlock()
	b, _, err := s.do(ctx, in.who, "REPORT", in.who.calendar(), `<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/><C:calendar-data/></D:prop><C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"><C:prop-filter name="UID"><C:text-match collation="i;octet">`+
		in.uid+`</C:text-match></C:prop-filter></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>`, depth("1")...)
	m := dataOf.FindSubmatch(b)
	if err != nil || m == nil {
		return err
	}
	text := strings.ReplaceAll(string(m[2]), "&#13;", "\r")
	text = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&quot;", `"`, "&amp;", "&").Replace(text)
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n ", "")
	mail := "mailto:" + in.who.Mail
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "ATTENDEE") && strings.HasSuffix(strings.TrimSpace(line), mail) {
			text = strings.Replace(text, line, "ATTENDEE;PARTSTAT=ACCEPTED:"+mail+"\n", 1)
		}
	}
	_, _, err = s.do(ctx, in.who, "PUT", string(m[1]), text, calendarType...)
	return err
}

func (s *stage) freebusy(ctx context.Context, p *player) error {
	from := time.Now().UTC().Truncate(time.Hour)
	lines := []string{"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Factotum//Simulate//EN", "METHOD:REQUEST", "BEGIN:VFREEBUSY", "UID:" + s.uid(), "DTSTAMP:" + stamp(from),
		"DTSTART:" + stamp(from), "DTEND:" + stamp(from.AddDate(0, 0, 7)), "ORGANIZER:mailto:" + p.Mail}
	for _, o := range s.others(p) {
		lines = append(lines, "ATTENDEE:mailto:"+o.Mail)
	}
	_, _, err := s.do(ctx, p, "POST", p.home()+"outbox/", strings.Join(append(lines, "END:VFREEBUSY", "END:VCALENDAR", ""), "\r\n"), calendarType...)
	return err
}

func newPlayer(a Account) *player {
	return &player{Account: a, auth: "Basic " + base64.StdEncoding.EncodeToString([]byte(a.User+":"+a.Password))}
}
