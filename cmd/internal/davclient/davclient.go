// Package davclient is the tools' own view of another CalDAV server. Other
// clients read calendar data through an XML parser, which loses the CR of every
// line, and decode it; this one has it octet for octet.
package davclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Client is a user's of one server.
type Client struct {
	Base    *url.URL // where it was sent to, or where CalDAV was found there
	account Account
	http    *http.Client
}

// Account is who asks which server.
type Account struct {
	Address        string // an http or https URL
	User, Password string
	Plain          bool        // the password may go to another host without TLS
	Trust          *tls.Config // nil: the system's authorities
	Agent          string      // who we say we are
}

// Limits on what a server may answer.
const (
	maxBody  = 128 << 20
	maxHops  = 5
	deadline = 2 * time.Minute
)

// New makes a client. Plain http sends the password in clear; it is for this
// machine only unless the account says otherwise.
func New(a Account) (*Client, error) {
	u, err := url.Parse(a.Address)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the address %q: %w", a.Address, err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("%q is not an http or https address", a.Address)
	case u.Scheme == "http" && !a.Plain && !isLoopback(u.Hostname()):
		return nil, fmt.Errorf("%s would get the password in clear: use https, or --plain if you mean it", u.Host)
	}
	u.User = nil
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = a.Trust
	return &Client{Base: u, account: a, http: &http.Client{
		Transport: t, Timeout: deadline,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Anonymous is the client without its password.
func (c *Client) Anonymous() *Client {
	nobody := *c
	nobody.account.User = ""
	return &nobody
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// Do sends a request of go-webdav's, with the password and over redirects.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		req.Body.Close()
	}
	for hop := 0; ; hop++ {
		again := req.Clone(req.Context())
		again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		if len(body) == 0 {
			again.Body = nil
		}
		again.GetBody = nil
		if c.account.User != "" && c.trusts(again.URL) {
			again.SetBasicAuth(c.account.User, c.account.Password)
		}
		resp, err := c.http.Do(again)
		if err != nil {
			return nil, err
		}
		to := resp.Header.Get("Location")
		switch resp.StatusCode {
		case 301, 302, 307, 308:
		default:
			return resp, nil
		}
		if to == "" || hop == maxHops {
			return resp, nil
		}
		resp.Body.Close()
		next, err := req.URL.Parse(to)
		if err != nil {
			return nil, fmt.Errorf("follow the redirection of %s: %w", req.URL, err)
		}
		req = req.Clone(req.Context())
		req.URL, req.Host = next, ""
	}
}

// trusts tells whether a URL may have the password: the host that the user
// named, or one of the same domain by https, as large services shard.
func (c *Client) trusts(u *url.URL) bool {
	if u.Host == c.Base.Host && (u.Scheme == c.Base.Scheme || u.Scheme == "https") {
		return true
	}
	same := func(h string) string {
		if p := strings.Split(h, "."); len(p) > 2 {
			return strings.Join(p[len(p)-2:], ".")
		}
		return h
	}
	return u.Scheme == "https" && c.Base.Scheme == "https" && net.ParseIP(u.Hostname()) == nil && same(u.Hostname()) == same(c.Base.Hostname())
}

// Reply is a complete answer.
type Reply struct {
	URL    *url.URL
	Status int
	Header http.Header
	Body   []byte
}

// Send makes a request; headers are names and values in turn.
func (c *Client) Send(ctx context.Context, method, ref, body string, headers ...string) (*Reply, error) {
	u, err := c.Base.Parse(ref)
	if err != nil {
		return nil, fmt.Errorf("read the href %q: %w", ref, err)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(body, "<?xml") {
		req.Header.Set("Content-Type", "application/xml; charset=utf-8")
	}
	req.Header.Set("User-Agent", c.account.Agent)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		var op *url.Error
		if errors.As(err, &op) {
			err = op.Err // without the URL once more
		}
		return nil, fmt.Errorf("%s %s: %w", method, u.Redacted(), err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s %s: %w", method, u.Redacted(), err)
	case len(data) > maxBody:
		return nil, fmt.Errorf("%s %s: the answer is larger than %d octets", method, u.Redacted(), maxBody)
	}
	return &Reply{resp.Request.URL, resp.StatusCode, resp.Header, data}, nil
}

// Want turns an unexpected status into an error.
func (r *Reply) Want(method string, codes ...int) error {
	for _, c := range codes {
		if r.Status == c {
			return nil
		}
	}
	if r.Status == http.StatusUnauthorized {
		return fmt.Errorf("%s %s: the user or password is wrong (401)", method, r.URL.Path)
	}
	return fmt.Errorf("%s %s: %d %s", method, r.URL.Path, r.Status, http.StatusText(r.Status))
}

// Response is one response of a multistatus.
type Response struct {
	Href   string // as a path, or a URL on another host
	Status int    // of the response as a whole, 0 if its properties have their own

	props map[string]property
}

// property is one with status 200; names are "space local".
type property struct {
	raw  []byte   // between its tags, as it came
	text string   // its character data
	kids []string // names of the elements in it
	href string   // of its first DAV:href
}

// Multistatus reads the responses of a multistatus, and its sync-token if it has one.
func (r *Reply) Multistatus() ([]Response, string, error) { return readMultistatus(r) }

// Multi makes a request that is answered by a multistatus. RFC 4918 §13.
func (c *Client) Multi(ctx context.Context, method, ref, depth, body string) (out []Response, token string, err error) {
	r, err := c.Send(ctx, method, ref, `<?xml version="1.0" encoding="utf-8"?>`+body, "Depth", depth)
	if err == nil {
		err = r.Want(method, http.StatusMultiStatus)
	}
	if err != nil {
		return nil, "", err
	}
	out, token, err = readMultistatus(r)
	if err != nil {
		return nil, "", fmt.Errorf("%s %s: read the answer: %w", method, r.URL.Path, err)
	}
	return out, token, nil
}

const (
	NSDAV    = "DAV:"
	NSCalDAV = "urn:ietf:params:xml:ns:caldav"
	NSApple  = "http://apple.com/ns/ical/"
)

// readMultistatus reads the responses and the sync token.
func readMultistatus(r *Reply) (out []Response, token string, err error) {
	d := xml.NewDecoder(bytes.NewReader(r.Body))
	var path []xml.Name
	var cur Response
	var found map[string]property // of the propstat
	var ok bool                   // its status is 200
	for {
		t, err := d.Token()
		if err == io.EOF {
			return out, token, nil
		}
		if err != nil {
			return nil, "", err
		}
		switch t := t.(type) {
		case xml.StartElement:
			path = append(path, t.Name)
			if len(path) > 64 {
				return nil, "", errors.New("the XML nests too deep")
			}
			switch {
			case len(path) == 2 && t.Name.Local == "response":
				cur = Response{props: map[string]property{}}
			case len(path) == 3 && t.Name.Local == "propstat":
				found, ok = map[string]property{}, false
			case len(path) == 5 && path[3].Local == "prop":
				p, err := readProp(d, r.Body)
				if err != nil {
					return nil, "", err
				}
				found[t.Name.Space+" "+t.Name.Local] = p
				path = path[:len(path)-1]
			}
		case xml.EndElement:
			switch {
			case len(path) == 2 && t.Name.Local == "response":
				out = append(out, cur)
			case len(path) == 3 && t.Name.Local == "propstat" && ok:
				for k, v := range found {
					cur.props[k] = v
				}
			}
			path = path[:len(path)-1]
		case xml.CharData:
			text := strings.TrimSpace(string(t))
			switch n := len(path); {
			case text == "" || n < 2:
			case n == 2 && path[1].Local == "sync-token":
				token += text
			case n == 3 && path[2].Local == "href":
				cur.Href = r.local(text)
			case n == 3 && path[2].Local == "status":
				cur.Status = statusOf(text)
			case n == 4 && path[3].Local == "status":
				ok = statusOf(text) == 200
			}
		}
	}
}

// readProp reads to the end of a property and remembers what stands there.
func readProp(d *xml.Decoder, body []byte) (p property, err error) {
	start := d.InputOffset()
	var text strings.Builder
	var inHref bool
	for depth := 1; ; {
		before := d.InputOffset()
		t, err := d.Token()
		if err != nil {
			return p, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if depth++; depth > 64 {
				return p, errors.New("the XML nests too deep")
			}
			p.kids = append(p.kids, t.Name.Space+" "+t.Name.Local)
			if t.Name.Local == "comp" { // CALDAV:supported-calendar-component-set
				for _, a := range t.Attr {
					if a.Name.Local == "name" {
						p.kids = append(p.kids, "comp "+a.Value)
					}
				}
			}
			inHref = t.Name.Local == "href" && p.href == ""
		case xml.EndElement:
			inHref = false
			if depth--; depth == 0 {
				p.raw, p.text = body[start:max(start, before)], strings.TrimSpace(text.String())
				return p, nil
			}
		case xml.CharData:
			text.Write(t)
			if inHref {
				p.href += strings.TrimSpace(string(t))
			}
		}
	}
}

// local gives an href as a path where it is on the host that was asked.
func (r *Reply) local(href string) string {
	u, err := r.URL.Parse(href)
	if err != nil {
		return href
	}
	if u.Host == r.URL.Host {
		return u.EscapedPath()
	}
	return u.String()
}

func statusOf(line string) int {
	f := strings.Fields(line)
	if len(f) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(f[1])
	return n
}

// octets returns the character data of a property as the server wrote it: an
// XML parser would make LF of CRLF. XML 1.0 §§2.4, 2.7, 4.6.
func (p property) octets() []byte {
	raw := p.raw
	out := make([]byte, 0, len(raw))
	for len(raw) > 0 {
		switch {
		case bytes.HasPrefix(raw, []byte("<![CDATA[")):
			text, rest, _ := bytes.Cut(raw[len("<![CDATA["):], []byte("]]>"))
			out, raw = append(out, text...), rest
		case raw[0] == '<': // a comment
			_, raw, _ = bytes.Cut(raw, []byte(">"))
		case raw[0] == '&':
			name, rest, ok := bytes.Cut(raw[1:], []byte(";"))
			if !ok {
				return append(out, raw...)
			}
			out, raw = appendEntity(out, string(name)), rest
		default:
			n := bytes.IndexAny(raw, "<&")
			if n < 0 {
				n = len(raw)
			}
			out, raw = append(out, raw[:n]...), raw[n:]
		}
	}
	return out
}

func appendEntity(out []byte, name string) []byte {
	switch name {
	case "lt":
		return append(out, '<')
	case "gt":
		return append(out, '>')
	case "amp":
		return append(out, '&')
	case "quot":
		return append(out, '"')
	case "apos":
		return append(out, '\'')
	}
	num, ok := strings.CutPrefix(name, "#")
	base := 10
	if hex, is := strings.CutPrefix(num, "x"); is {
		num, base = hex, 16
	}
	n, err := strconv.ParseUint(num, base, 21)
	if !ok || err != nil {
		return append(append(append(out, '&'), name...), ';')
	}
	return append(out, string(rune(n))...)
}

// Text returns the text of a property, "" if there is none.
func (r *Response) Text(space, local string) string {
	return r.props[space+" "+local].text
}

// Has tells whether a property has an element of that name in it.
func (r *Response) Has(space, local, kidSpace, kid string) bool {
	for _, k := range r.props[space+" "+local].kids {
		if k == kidSpace+" "+kid {
			return true
		}
	}
	return false
}

// Escape escapes a value.
func Escape(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s))
	return b.String()
}
