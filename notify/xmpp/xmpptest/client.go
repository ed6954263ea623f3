package xmpptest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"mellium.im/sasl"
	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// Message is one that somebody's client got.
type Message struct {
	From   string    `xml:"from,attr"`
	ID     string    `xml:"id,attr"`
	Type   string    `xml:"type,attr"`
	Lang   string    `xml:"http://www.w3.org/XML/1998/namespace lang,attr"`
	Body   string    `xml:"body"`
	HTML   HTML      `xml:"http://jabber.org/protocol/xhtml-im html"`
	ICal   string    `xml:"http://jabber.org/protocol/gw/ical ical"`
	Hint   *struct{} `xml:"urn:xmpp:hints no-store"`
	Delay  *struct{} `xml:"urn:xmpp:delay delay"` // it was kept by the server
	Carbon *struct{} `xml:"urn:xmpp:carbons:2 received"`
}

// HTML is the same as XHTML-IM.
type HTML struct {
	Body struct {
		P []P `xml:"p"`
	} `xml:"http://www.w3.org/1999/xhtml body"`
}

// P is a paragraph of XHTML-IM.
type P struct {
	Strong string     `xml:"strong"`
	Text   string     `xml:",chardata"`
	Breaks []struct{} `xml:"br"`
	Others []struct {
		XMLName xml.Name
	} `xml:",any"`
}

// Client is a person's client that is there.
type Client struct {
	x      *xmpp.Session
	conn   net.Conn
	mu     sync.Mutex
	got    []Message
	asked  []string // who wants to see whether he is there
	grants bool
	done   chan struct{}
}

// Login connects somebody, who is there until Leave or the end of the test. Who
// grants lets everybody see it who asks.
func (p *Prosody) Login(t testing.TB, name string, grants bool) *Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	pem, err := os.ReadFile(p.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	conn, err := net.Dial("tcp", p.Address)
	if err != nil {
		t.Fatal(err)
	}
	c := &Client{conn: conn, grants: grants, done: make(chan struct{})}
	me := jid.MustParse(name + "@" + Domain)
	c.x, err = xmpp.NewClientSession(ctx, me, conn, xmpp.StartTLS(&tls.Config{ServerName: Domain, RootCAs: roots}),
		xmpp.SASL("", Password(name), sasl.ScramSha1, sasl.Plain), xmpp.BindResource())
	if err != nil {
		t.Fatalf("log in as %s: %v\n%s", name, err, p.Log())
	}
	go func() { defer close(c.done); c.x.Serve(c) }()
	c.send(t, stanza.IQ{Type: stanza.GetIQ, ID: "roster"}.Wrap(xmlstream.Wrap(nil, xml.StartElement{Name: xml.Name{Space: "jabber:iq:roster", Local: "query"}})))
	c.send(t, stanza.Presence{}.Wrap(nil))
	c.Settle(t)
	t.Cleanup(func() { conn.Close(); <-c.done })
	return c
}

func (c *Client) send(t testing.TB, r xml.TokenReader) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := c.x.Send(ctx, r); err != nil {
		t.Fatal(err)
	}
}

// Settle waits until the server has done with all that the client sent.
func (c *Client) Settle(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	answer, err := c.x.SendIQElement(ctx, xmlstream.Wrap(nil, xml.StartElement{Name: xml.Name{Space: "urn:xmpp:ping", Local: "ping"}}),
		stanza.IQ{Type: stanza.GetIQ, To: jid.MustParse(Domain)})
	if err != nil {
		t.Fatal(err)
	}
	answer.Close()
}

// Leave ends the connection: he is not there any more.
func (c *Client) Leave(t testing.TB) {
	t.Helper()
	c.send(t, stanza.Presence{Type: stanza.UnavailablePresence}.Wrap(nil))
	c.Settle(t)
	c.x.Close()
	c.conn.Close()
	<-c.done
}

// AddContact asks to see whether somebody is there, which makes him a contact.
func (c *Client) AddContact(t testing.TB, to string) {
	t.Helper()
	c.send(t, stanza.Presence{Type: stanza.SubscribePresence, To: jid.MustParse(to)}.Wrap(nil))
}

// Grant lets somebody see whether he is there.
func (c *Client) Grant(t testing.TB, to string) {
	t.Helper()
	c.send(t, stanza.Presence{Type: stanza.SubscribedPresence, To: jid.MustParse(to)}.Wrap(nil))
	c.Settle(t)
}

// HandleXMPP implements xmpp.Handler.
func (c *Client) HandleXMPP(t xmlstream.TokenReadEncoder, start *xml.StartElement) error {
	switch start.Name.Local {
	case "message":
		var m Message
		if err := xml.NewTokenDecoder(xmlstream.MultiReader(xmlstream.Token(*start), t)).Decode(&m); err != nil {
			return err
		}
		c.mu.Lock()
		c.got = append(c.got, m)
		c.mu.Unlock()
	case "presence":
		p, err := stanza.NewPresence(*start)
		if err != nil || p.Type != stanza.SubscribePresence {
			return nil
		}
		c.mu.Lock()
		c.asked = append(c.asked, p.From.Bare().String())
		c.mu.Unlock()
		if c.grants {
			_, err = xmlstream.Copy(t, stanza.Presence{Type: stanza.SubscribedPresence, To: p.From.Bare()}.Wrap(nil))
			return err
		}
	}
	return nil
}

// Messages are those that came.
func (c *Client) Messages() []Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Message(nil), c.got...)
}

// Asked are those who asked to see whether he is there.
func (c *Client) Asked() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.asked...)
}

// Await waits for some messages.
func (c *Client) Await(t testing.TB, n int) []Message {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if m := c.Messages(); len(m) >= n {
			return m
		}
	}
	t.Fatalf("%d messages came, want %d: %+v", len(c.Messages()), n, c.Messages())
	return nil
}
