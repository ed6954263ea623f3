package wcap

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"factotum/server/calendar"
	"factotum/server/session"
)

// call is one command on its way through the handler.
type call struct {
	*Handler
	ctx  context.Context
	r    *http.Request
	name string
	cmd  *command
	p    params
	body body
	out  output

	id     session.ID      // as given, by parameter or cookie
	sess   session.Session // zero when anonymous
	me     calendar.Person // zero when anonymous
	who    calendar.Actor
	people map[calendar.UserID]*calendar.Person // looked up for this call; nil value: nobody
	set    Settings                             // with what the user's domain decides
}

// serve answers the call.
func (c *call) serve(w http.ResponseWriter) {
	c.out = output{w: w, form: c.format}
	err := c.prepare(w)
	var big *http.MaxBytesError
	if errors.As(err, &big) { // as the front answers one that says so before
		http.Error(w, calendar.MessageOf(err), http.StatusRequestEntityTooLarge)
		return
	}
	if err == nil {
		err = c.cmd.run(c)
	}
	if err != nil {
		c.fail(err)
	}
	if err := c.out.close(); err != nil {
		c.log.DebugContext(c.ctx, "wcap answer not delivered", "req", calendar.RequestID(c.ctx), "op", c.name, "err", err)
	}
}

// prepare reads parameters, format and session.
func (c *call) prepare(w http.ResponseWriter) error {
	c.p = splitQuery(c.r.URL.RawQuery)
	fromQuery := len(c.p)
	bodyErr := c.readBody(w)
	c.setCharset(fromQuery)
	if want, ok := c.p.opt("fmt-out"); ok && want != "" {
		form, ok := formatNamed(strings.ToLower(want))
		if !ok {
			return NoSuchFormat // and the value is not shown: CVE-2009-1218
		}
		c.out.form = form
	}
	switch {
	case c.cmd == nil:
		return BadCommand
	case bodyErr != nil:
		return bodyErr
	case c.p.overfull():
		return &calendar.Error{Kind: calendar.TooMany, Op: c.name}
	}
	if err := c.authenticate(); err != nil {
		return err
	}
	return c.ofAsked(c.checkValues(c.p, c.cmd.values))
}

// ofAsked makes an error one of the calendars that a request names.
func (c *call) ofAsked(err error) error {
	ids := c.p.ids("calid")
	if err == nil || len(ids) == 0 || len(ids) > c.set.MaxCalids || c.name == "search_calprops" { // whose calid is a flag
		return err
	}
	var list []target
	seen := map[string]bool{}
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			list = append(list, target{asked: id})
		}
	}
	return &ofCalendars{list, err}
}

// fail answers an error with a block of its own; after the middle of an answer
// it can only cut the connection, so that nobody takes half for whole.
func (c *call) fail(err error) {
	n := c.errno(err)
	if c.out.inside && !c.out.discard() {
		panic(http.ErrAbortHandler)
	}
	if s, ok := calendar.RetryAfter(err); ok {
		c.out.w.Header().Set("Retry-After", strconv.FormatInt(s, 10))
	}
	var of *ofCalendars
	if errors.As(err, &of) {
		for i := range of.list {
			c.refuse(&of.list[i], n)
		}
		return
	}
	c.out.begin("PUBLISH")
	c.out.errno(n)
	c.out.end()
}

// ofCalendars is why calendars have no answer, or why one spoils a whole answer.
type ofCalendars struct {
	list []target // not empty
	err  error
}

func (e *ofCalendars) Error() string { return e.err.Error() }
func (e *ofCalendars) Unwrap() error { return e.err }

// because is the error of a target, which the answer is to name.
func (t *target) because(err error) error {
	if err == nil || t.asked == "" && t.id == "" {
		return err
	}
	return &ofCalendars{[]target{*t}, err}
}

// own is the errno of the command's own failure.
func (c *call) own() Errno {
	if c.cmd == nil {
		return BadCommand
	}
	return c.cmd.own
}

// errno translates an error and logs it: ours as an error, the client's for
// debugging.
func (c *call) errno(err error) Errno {
	n := errnoOf(err, c.own())
	var own Errno
	if errors.As(err, &own) {
		return n
	}
	kind := calendar.KindOf(err)
	if kind == calendar.Internal {
		c.log.ErrorContext(c.ctx, "wcap command", "req", calendar.RequestID(c.ctx), "agent", calendar.Agent(c.r.UserAgent()), "op", c.name, "user", c.who.User, "kind", kind, "err", err)
	} else {
		c.log.DebugContext(c.ctx, "wcap command refused", "req", calendar.RequestID(c.ctx), "agent", calendar.Agent(c.r.UserAgent()), "op", c.name, "user", c.who.User, "kind", kind, "err", err)
	}
	return n
}

// remote is the address of the client, the zero Addr if it has none.
func (c *call) remote() netip.Addr { return calendar.ClientAddr(c.r.RemoteAddr) }

// simple prints a block without components: what print writes, and errno 0.
func (c *call) simple(method string, print func(*output)) error {
	c.out.begin(method)
	print(&c.out)
	c.out.errno(OK)
	c.out.end()
	return nil
}
