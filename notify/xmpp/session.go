package xmpp

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"mellium.im/sasl"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// session is one connection.
type session struct {
	link *Link
	x    *xmpp.Session
	ctx  context.Context // of the connection; its cause is why it ended
	end  context.CancelCauseFunc
	work sync.WaitGroup

	contacts contacts
	replies  chan xml.TokenReader

	mu     sync.Mutex
	probes map[string][]chan there // of a component, by bare JID
	sent   map[string]bool         // messages on their way, by id: true if they came back
}

// waitForProbe is how long the server may take to tell of somebody's presence.
const waitForProbe = 2 * time.Second

// connect logs in. What follows runs until the session ends.
func (l *Link) connect(ctx context.Context) (*session, error) {
	begin, cancel := context.WithTimeout(ctx, l.opt.Patience)
	defer cancel()
	conn, err := l.dial(begin)
	if err != nil {
		return nil, err
	}
	s := &session{link: l, replies: make(chan xml.TokenReader, 256), probes: map[string][]chan there{}, sent: map[string]bool{},
		contacts: contacts{since: time.Now(), of: map[string]*contact{}}}
	if s.x, err = l.negotiate(begin, conn); err != nil {
		conn.Close()
		return nil, err
	}
	s.ctx, s.end = context.WithCancelCause(context.WithoutCancel(ctx))
	s.work.Go(s.read)
	s.work.Go(s.reply)
	context.AfterFunc(s.ctx, func() { // a farewell, unless the connection is stuck
		late := time.AfterFunc(time.Second, func() { conn.Close() })
		s.x.Close()
		late.Stop()
		conn.Close()
	})
	if err := s.begin(begin); err != nil {
		s.end(err)
		s.close()
		return nil, err
	}
	return s, nil
}

// negotiate opens the stream, with TLS and the password.
func (l *Link) negotiate(ctx context.Context, conn net.Conn) (*xmpp.Session, error) {
	if l.component {
		x, err := component.NewSession(ctx, l.self, []byte(l.opt.Password), conn)
		if err != nil {
			return nil, fmt.Errorf("log in as the component %s: %w", l.self, err)
		}
		return x, nil
	}
	features := []xmpp.StreamFeature{xmpp.SASL("", l.opt.Password, sasl.ScramSha256, sasl.ScramSha1, sasl.Plain), xmpp.BindResource()}
	state := xmpp.Secure
	if l.opt.Security != TLS && l.opt.Security != NoTLS {
		features, state = append([]xmpp.StreamFeature{xmpp.StartTLS(l.tls())}, features...), 0
	}
	x, err := xmpp.NewSession(ctx, l.self.Domain(), l.self, conn, state, xmpp.NewNegotiator(func(*xmpp.Session, *xmpp.StreamConfig) xmpp.StreamConfig {
		return xmpp.StreamConfig{Features: features}
	}))
	if err != nil {
		return nil, fmt.Errorf("log in as %s: %w", l.self, err)
	}
	return x, nil
}

// begin makes a client known to its contacts. RFC 6121 §2.1.3, §4.2.
func (s *session) begin(ctx context.Context) error {
	if !s.link.component {
		if err := s.roster(ctx); err != nil {
			return fmt.Errorf("read the roster: %w", err)
		}
		if err := s.write(ctx, stanza.Presence{}.Wrap(nil)); err != nil {
			return err
		}
	}
	return s.ping(ctx) // what follows from that has come
}

func (s *session) roster(ctx context.Context) error {
	answer, err := s.x.SendIQElement(ctx, element("query", nsRoster), stanza.IQ{Type: stanza.GetIQ})
	if err != nil {
		return err
	}
	defer answer.Close()
	d := xml.NewTokenDecoder(answer)
	for {
		tok, err := d.Token()
		if start, ok := tok.(xml.StartElement); ok {
			switch start.Name.Local {
			case "item":
				var it item
				if err := d.DecodeElement(&it, &start); err != nil {
					return err
				}
				s.contacts.note(it)
			case "error":
				return errors.New("the server refuses it")
			}
		}
		if err == io.EOF || tok == nil {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// close waits until all of the session has ended.
func (s *session) close() { s.work.Wait() }

// read takes in what comes.
func (s *session) read() {
	err := s.x.Serve(s)
	if err == nil {
		err = errors.New("the server ended the connection")
	}
	s.end(err)
}

// reply sends what the reader has to say, which must not wait itself.
func (s *session) reply() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case r := <-s.replies:
			if s.write(s.ctx, r) != nil {
				return
			}
		}
	}
}

// say has something sent soon; a flood is not answered.
func (s *session) say(r xml.TokenReader) {
	select {
	case s.replies <- r:
	default:
	}
}

// write sends a stanza. What fails may have sent half of it, and ends the session.
func (s *session) write(ctx context.Context, r xml.TokenReader) error {
	ctx, cancel := context.WithTimeout(ctx, s.link.opt.Patience)
	defer cancel()
	if err := s.ctx.Err(); err != nil {
		return ErrDown
	}
	if err := s.x.Send(ctx, r); err != nil {
		s.end(err)
		return fmt.Errorf("send to the XMPP server: %w", err)
	}
	return nil
}

// from is the sender that a component has to name.
func (s *session) from() jid.JID {
	if s.link.component {
		return s.link.self
	}
	return jid.JID{}
}

// ping has the server tell that it has done with all before: stanzas are processed in
// order (RFC 6120 §10.1). A client asks its server (XEP-0199), a component itself,
// which goes by way of the server.
func (s *session) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.link.opt.Patience)
	defer cancel()
	stop := context.AfterFunc(s.ctx, cancel)
	defer stop()
	answer, err := s.x.SendIQElement(ctx, element("ping", nsPing), stanza.IQ{Type: stanza.GetIQ, To: s.link.self.Domain(), From: s.from()})
	if s.ctx.Err() != nil {
		err = ErrDown
	}
	if answer != nil {
		answer.Close()
	}
	return err
}

// send brings a message to the server, and reports whether it came back.
func (s *session) send(ctx context.Context, to jid.JID, m *Message, headline bool) (returned bool, err error) {
	st := stanza.Message{ID: clip(clean(m.ID), 200), To: to, From: s.from(), Type: stanza.ChatMessage, Lang: m.Lang}
	if headline {
		st.Type = stanza.HeadlineMessage
	}
	s.mu.Lock()
	s.sent[st.ID] = false
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		returned = s.sent[st.ID]
		delete(s.sent, st.ID)
		s.mu.Unlock()
	}()
	if err := s.write(ctx, m.stanza(st)); err != nil {
		return false, err
	}
	return false, s.ping(ctx)
}

// presence tells whether somebody is there.
func (s *session) presence(ctx context.Context, who jid.JID) (there, error) {
	if !s.link.component {
		at, _ := s.contacts.where(who, time.Now())
		return at, nil
	}
	name := who.String()
	heard := make(chan there, 8)
	s.mu.Lock()
	s.probes[name] = append(s.probes[name], heard)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		list := s.probes[name]
		for i := range list {
			if list[i] == heard {
				list = append(list[:i:i], list[i+1:]...)
				break
			}
		}
		if s.probes[name] = list; len(list) == 0 {
			delete(s.probes, name)
		}
	}()
	if err := s.write(ctx, stanza.Presence{Type: stanza.ProbePresence, To: who, From: s.from()}.Wrap(nil)); err != nil {
		return unknown, err
	}
	select {
	case at := <-heard:
		return at, nil
	case <-time.After(waitForProbe):
		return unknown, nil
	case <-s.ctx.Done():
		return unknown, ErrDown
	case <-ctx.Done():
		return unknown, ctx.Err()
	}
}

// ask asks somebody to let the agent see whether he is there. RFC 6121 §3.1.
func (s *session) ask(who jid.JID) {
	if !s.link.component {
		if at, pending := s.contacts.where(who, time.Now()); at != unknown || pending {
			return
		}
	}
	if s.link.ask(who.String()) {
		s.say(stanza.Presence{Type: stanza.SubscribePresence, To: who, From: s.from()}.Wrap(nil))
	}
}

// HandleXMPP takes in a stanza.
func (s *session) HandleXMPP(t xmlstream.TokenReadEncoder, start *xml.StartElement) error {
	switch attr := attributes(start); start.Name.Local {
	case "message":
		if attr["type"] == "error" {
			s.mu.Lock()
			if _, ours := s.sent[attr["id"]]; ours {
				s.sent[attr["id"]] = true
			}
			s.mu.Unlock()
		}
	case "presence":
		if from, err := jid.Parse(attr["from"]); err == nil {
			return s.heard(t, start, from, attr["type"])
		}
	case "iq":
		return s.asked(t, start, attr)
	}
	return nil
}

// decode reads a stanza of which the first token was taken.
func decode(rest xml.TokenReader, start *xml.StartElement, v any) error {
	return xml.NewTokenDecoder(xmlstream.MultiReader(xmlstream.Token(*start), rest)).Decode(v)
}

func attributes(start *xml.StartElement) map[string]string {
	m := map[string]string{}
	for _, a := range start.Attr {
		if a.Name.Space == "" {
			m[a.Name.Local] = a.Value
		}
	}
	return m
}

// heard takes in a presence. RFC 6121 §3, §4.
func (s *session) heard(t xml.TokenReader, start *xml.StartElement, from jid.JID, typ string) error {
	switch typ {
	case "", "unavailable", "error", "unsubscribed":
		var p struct {
			Priority int `xml:"priority"`
		}
		if typ == "" {
			if err := decode(t, start, &p); err != nil {
				p.Priority = 0 // no number
			}
		}
		if s.link.component {
			s.answer(from, typ, p.Priority)
		} else if typ != "unsubscribed" { // the roster tells of that
			s.contacts.hear(from, typ, p.Priority)
		}
	case "subscribe":
		if !s.link.welcome(from) {
			return nil
		}
		to := from.Bare()
		s.say(stanza.Presence{Type: stanza.SubscribedPresence, To: to, From: s.from()}.Wrap(nil))
		if s.link.component {
			s.say(stanza.Presence{To: to, From: s.from()}.Wrap(nil))
		}
		s.ask(to)
	case "probe":
		s.say(stanza.Presence{To: from, From: s.from()}.Wrap(nil))
	}
	return nil
}

// answer gives who waits for somebody's presence what it is.
func (s *session) answer(from jid.JID, typ string, priority int) {
	at, name := offline, from.Bare().String()
	switch {
	case typ == "" && priority >= 0:
		at = online
	case typ == "": // another of his devices may say more
		return
	case typ == "unsubscribed", s.link.lately(name): // some servers acknowledge a request with unavailable
		at = unknown
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.probes[name] {
		select {
		case c <- at:
		default:
		}
	}
}

// asked answers an IQ: a change of the roster (RFC 6121 §2.1.6), which only our own
// server may tell of. A component is asked by its own ping, and by clients that look
// for what it can do, which is nothing (RFC 6120 §8.2.3); a client's library says so
// by itself.
func (s *session) asked(t xmlstream.TokenReadEncoder, start *xml.StartElement, attr map[string]string) error {
	iq, err := stanza.NewIQ(*start)
	if err != nil || iq.Type != stanza.GetIQ && iq.Type != stanza.SetIQ {
		return nil
	}
	if s.link.component {
		to := iq.From
		if to.Equal(jid.JID{}) { // the library takes out our own address
			to = s.link.self
		}
		refusal := stanza.Error{Type: stanza.Cancel, Condition: stanza.ServiceUnavailable}
		s.say(stanza.IQ{ID: iq.ID, Type: stanza.ErrorIQ, To: to, From: s.from()}.Wrap(refusal.TokenReader()))
		return nil
	}
	if from := attr["from"]; iq.Type != stanza.SetIQ || from != "" && from != s.link.self.Bare().String() {
		return nil
	}
	var push struct {
		Query struct {
			Items []item `xml:"item"`
		} `xml:"jabber:iq:roster query"`
	}
	if err := decode(t, start, &push); err != nil || len(push.Query.Items) == 0 {
		return nil
	}
	for _, it := range push.Query.Items {
		s.contacts.note(it)
	}
	_, err = xmlstream.Copy(t, iq.Result(nil))
	return err
}
