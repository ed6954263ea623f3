package wcap

import (
	"errors"
	"net/http"
	"strings"

	"factotum/server/calendar"
)

// target is a calendar that a request names.
type target struct {
	asked string      // as the client wrote it
	id    calendar.ID // canonical
	mail  string      // of a mailto: calid
	err   error       // why there is none
}

// maxLookups is how many people one request may ask the directory about.
const maxLookups = 500

// targets are the calendars of the parameter calid, each once; the user's
// default calendar if there is none. WCAP §3.1, §3.2.
func (c *call) targets() ([]target, error) {
	list := c.p.ids("calid")
	if len(list) == 0 {
		list = []string{c.defaultCalid()}
	}
	if len(list) > c.set.MaxCalids {
		return nil, &calendar.Error{Kind: calendar.TooMany, Op: c.name}
	}
	out := make([]target, 0, len(list))
	seen := make(map[string]bool, len(list))
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			out = append(out, c.target(s))
		}
	}
	return out, nil
}

// one is the only calendar of a command that takes one and needs it named.
func (c *call) one() (target, error) {
	list := c.p.ids("calid")
	if len(list) == 0 {
		return target{}, CalidMissing
	}
	t := c.target(list[0])
	return t, t.err
}

func (c *call) defaultCalid() string {
	if c.me.ID == "" {
		return c.set.AnonymousCalid
	}
	return c.me.ID
}

// target reads a calid.
func (c *call) target(asked string) target {
	t := target{asked: asked}
	if len(asked) > 7 && strings.EqualFold(asked[:7], "mailto:") {
		t.mail = asked[7:]
		p, err := c.byMail(t.mail)
		switch {
		case errors.Is(err, calendar.NotFound):
			t.err = NoSuchCalendar
		case err != nil:
			t.err = err
		default:
			t.id = calendar.ID(p.ID)
		}
		return t
	}
	id := calendar.ID(asked)
	if c.set.LowerCase {
		id = calendar.ID(strings.ToLower(asked))
	}
	if calendar.CheckOwner(id.Owner()) != nil || calendar.CheckName(id.Name()) != nil {
		t.err = NoSuchCalendar
		return t
	}
	t.id = calendar.NewID(id.Owner(), id.Name())
	return t
}

// calendar describes a target.
func (c *call) calendar(t *target) (calendar.Calendar, error) {
	if t.err != nil {
		return calendar.Calendar{}, t.err
	}
	cal, err := c.be.Calendar(c.ctx, c.who, t.id)
	if err != nil && c.respell(t, err) {
		cal, err = c.be.Calendar(c.ctx, c.who, t.id)
	}
	if err == nil {
		err = c.known(t, &cal)
	}
	return cal, err
}

// calendars describes targets, all at once. Their errors are in the list.
func (c *call) calendars(list []target, req calendar.CalendarsRequest) ([]calendar.CalendarResult, error) {
	found := make([]calendar.CalendarResult, len(list))
	asked := make([]int, 0, len(list))
	for i := range list {
		if list[i].err == nil {
			asked = append(asked, i)
		}
	}
	for again := false; len(asked) > 0; again = true {
		req.IDs = nil
		for _, i := range asked {
			req.IDs = append(req.IDs, list[i].id)
		}
		got, err := c.be.Calendars(c.ctx, c.who, req)
		if err != nil {
			return nil, err
		}
		var respelled []int
		for k, i := range asked {
			t := &list[i]
			found[i] = got[k]
			if err := got[k].Err; err != nil && !again && c.respell(t, err) {
				respelled = append(respelled, i)
			} else {
				t.err = c.knownOr(t, seen(&found[i].Calendar), err)
			}
		}
		asked = respelled
	}
	return found, nil
}

// respell looks up the owner of a calendar that is not there: a calid may write
// him in another way than the canonical one ("JDoe", "jdoe@default.domain"). It
// reports whether the target is another calendar now.
func (c *call) respell(t *target, err error) bool {
	if calendar.KindOf(err) != calendar.NoCalendar || calendar.ReasonOf(err) == calendar.Hidden {
		return false
	}
	p, err := c.person(string(t.id.Owner()))
	if err != nil || p.ID == string(t.id.Owner()) {
		return false
	}
	t.id = calendar.NewID(calendar.Owner(p.ID), t.id.Name())
	return true
}

// known notes which calendar a target is. A collection of files is none here.
func (c *call) known(t *target, cal *calendar.Calendar) error {
	if cal.Kind != calendar.CalendarCollection {
		return NoSuchCalendar
	}
	t.id = cal.ID
	return nil
}

// knownOr is known for a calendar that may be described although it does not
// answer.
func (c *call) knownOr(t *target, cal *calendar.Calendar, err error) error {
	if cal != nil {
		if plain := c.known(t, cal); plain != nil {
			return plain
		}
	}
	return err
}

// seen is a calendar, nil if it is none.
func seen(cal *calendar.Calendar) *calendar.Calendar {
	if cal.ID == "" {
		return nil
	}
	return cal
}

// person finds somebody by user id, once for each call.
func (c *call) person(id calendar.UserID) (calendar.Person, error) {
	if id == c.me.ID && id != "" {
		return c.me, nil
	}
	return c.lookUp(id, func() (calendar.Person, error) { return c.directory().Person(c.ctx, id) })
}

// byMail finds somebody by mail address, once for each call.
func (c *call) byMail(address string) (calendar.Person, error) {
	address = strings.ToLower(address)
	return c.lookUp("mailto:"+address, func() (calendar.Person, error) { return c.directory().ByMail(c.ctx, address) })
}

func (c *call) lookUp(key string, ask func() (calendar.Person, error)) (calendar.Person, error) {
	p, known := c.people[key]
	if !known {
		if len(c.people) >= maxLookups { // who is not looked for is not somebody whom there is not
			return calendar.Person{}, &calendar.Error{Kind: calendar.TooMany, Op: c.name, Msg: "too many people in one request"}
		}
		found, err := ask()
		if err != nil && !errors.Is(err, calendar.NotFound) {
			return calendar.Person{}, err
		}
		if err == nil {
			p = &found
		}
		if c.people == nil {
			c.people = map[calendar.UserID]*calendar.Person{}
		}
		c.people[key] = p
	}
	if p == nil {
		return calendar.Person{}, calendar.NotFound
	}
	return *p, nil
}

// each answers a block for each calendar asked for. print opens it with
// c.begin and fills it; the errno comes from its outcome. WCAP §2.6.4.
func (c *call) each(print func(*target) error) error {
	list, err := c.targets()
	if err != nil {
		return err
	}
	for i := range list {
		if err := c.ctx.Err(); err != nil && i > 0 {
			return err
		}
		c.block(&list[i], print)
	}
	return nil
}

// errAnswered says that a block has its errno already.
var errAnswered = errors.New("answered")

// block answers for one calendar.
func (c *call) block(t *target, print func(*target) error) {
	mark := c.out.mark()
	err := t.err
	if err == nil {
		err = print(t)
	}
	c.endBlock(t, mark, err)
}

// endBlock ends the block of a calendar that began at a mark: with an error it
// is that of the error alone.
func (c *call) endBlock(t *target, at mark, err error) {
	if errors.Is(err, errAnswered) {
		return
	}
	if err != nil {
		n := c.errno(err)
		if !c.out.rewind(at) {
			panic(http.ErrAbortHandler) // half of it is on its way
		}
		c.refuse(t, n)
		return
	}
	c.out.errno(OK)
	c.out.end()
}

// refuse prints the block of a calendar that cannot be answered for. Clients
// find out from it which one that is, some from RELATIVE-CALID and some from
// NAME. WCAP §9.15, §10 rule 8.
func (c *call) refuse(t *target, n Errno) {
	c.out.begin("PUBLISH")
	id := string(t.id)
	if id == "" {
		id = t.asked
	}
	if len(id) <= 1024 {
		c.email(t)
		c.out.text("X-NSCP-CALPROPS-RELATIVE-CALID", id)
		c.out.text("X-NSCP-CALPROPS-NAME", id) // clients know the calendar by it
	}
	c.out.errno(n)
	c.out.end()
}

func (c *call) email(t *target) {
	if t.mail != "" {
		c.out.text("X-SICS-EMAIL", t.mail)
	}
}
