package main

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

// davClient is the tools' own view of a CalDAV server. Other clients read
// calendar data through an XML parser, which loses the CR of every line, and
// decode it; this one has it octet for octet.
type davClient struct {
	base           *url.URL
	user, password string
	http           *http.Client
}

// Limits on what a server may answer.
const (
	maxDAVBody  = 128 << 20
	maxDAVHops  = 5
	davDeadline = 2 * time.Minute
)

// newDAVClient makes a client for an http or https URL. Plain http sends the
// password in clear; it is for this machine only unless plain says otherwise.
func newDAVClient(address, user, password string, plain bool, trust *tls.Config) (*davClient, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the address %q: %w", address, err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("%q is not an http or https address", address)
	case u.Scheme == "http" && !plain && !isLoopback(u.Hostname()):
		return nil, fmt.Errorf("%s would get the password in clear: use https, or --plain if you mean it", u.Host)
	}
	u.User = nil
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = trust
	return &davClient{base: u, user: user, password: password, http: &http.Client{
		Transport: t, Timeout: davDeadline,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// Do sends a request of go-webdav's, with the password and over redirects.
func (c *davClient) Do(req *http.Request) (*http.Response, error) {
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
		if c.user != "" && c.trusts(again.URL) {
			again.SetBasicAuth(c.user, c.password)
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
		if to == "" || hop == maxDAVHops {
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
func (c *davClient) trusts(u *url.URL) bool {
	if u.Host == c.base.Host && (u.Scheme == c.base.Scheme || u.Scheme == "https") {
		return true
	}
	same := func(h string) string {
		if p := strings.Split(h, "."); len(p) > 2 {
			return strings.Join(p[len(p)-2:], ".")
		}
		return h
	}
	return u.Scheme == "https" && c.base.Scheme == "https" && net.ParseIP(u.Hostname()) == nil && same(u.Hostname()) == same(c.base.Hostname())
}

// davReply is a complete answer.
type davReply struct {
	url    *url.URL
	status int
	header http.Header
	body   []byte
}

// send makes a request; headers are names and values in turn.
func (c *davClient) send(ctx context.Context, method, ref, body string, headers ...string) (*davReply, error) {
	u, err := c.base.Parse(ref)
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
	req.Header.Set("User-Agent", "Factotum/"+versionString())
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
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxDAVBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s %s: %w", method, u.Redacted(), err)
	case len(data) > maxDAVBody:
		return nil, fmt.Errorf("%s %s: the answer is larger than %d octets", method, u.Redacted(), maxDAVBody)
	}
	return &davReply{resp.Request.URL, resp.StatusCode, resp.Header, data}, nil
}

// want turns an unexpected status into an error.
func (r *davReply) want(method string, codes ...int) error {
	for _, c := range codes {
		if r.status == c {
			return nil
		}
	}
	if r.status == http.StatusUnauthorized {
		return fmt.Errorf("%s %s: the user or password is wrong (401)", method, r.url.Path)
	}
	return fmt.Errorf("%s %s: %d %s", method, r.url.Path, r.status, http.StatusText(r.status))
}

// davResponse is one response of a multistatus.
type davResponse struct {
	href   string // as a path, or a URL on another host
	status int    // of the response as a whole, 0 if its properties have their own
	props  map[string]davProp
}

// davProp is a property with status 200; names are "space local".
type davProp struct {
	raw  []byte   // between its tags, as it came
	text string   // its character data
	kids []string // names of the elements in it
	href string   // of its first DAV:href
}

// multi makes a request that is answered by a multistatus. RFC 4918 §13.
func (c *davClient) multi(ctx context.Context, method, ref, depth, body string) (out []davResponse, token string, err error) {
	r, err := c.send(ctx, method, ref, `<?xml version="1.0" encoding="utf-8"?>`+body, "Depth", depth)
	if err == nil {
		err = r.want(method, http.StatusMultiStatus)
	}
	if err != nil {
		return nil, "", err
	}
	out, token, err = readMultistatus(r)
	if err != nil {
		return nil, "", fmt.Errorf("%s %s: read the answer: %w", method, r.url.Path, err)
	}
	return out, token, nil
}

const (
	nsDAV    = "DAV:"
	nsCalDAV = "urn:ietf:params:xml:ns:caldav"
	nsApple  = "http://apple.com/ns/ical/"
	nsServer = "http://calendarserver.org/ns/"
)

// readMultistatus reads the responses and the sync token.
func readMultistatus(r *davReply) (out []davResponse, token string, err error) {
	d := xml.NewDecoder(bytes.NewReader(r.body))
	var path []xml.Name
	var cur davResponse
	var found map[string]davProp // of the propstat
	var ok bool                  // its status is 200
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
				cur = davResponse{props: map[string]davProp{}}
			case len(path) == 3 && t.Name.Local == "propstat":
				found, ok = map[string]davProp{}, false
			case len(path) == 5 && path[3].Local == "prop":
				p, err := readProp(d, r.body)
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
				cur.href = r.local(text)
			case n == 3 && path[2].Local == "status":
				cur.status = statusOf(text)
			case n == 4 && path[3].Local == "status":
				ok = statusOf(text) == 200
			}
		}
	}
}

// readProp reads to the end of a property and remembers what stands there.
func readProp(d *xml.Decoder, body []byte) (p davProp, err error) {
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
func (r *davReply) local(href string) string {
	u, err := r.url.Parse(href)
	if err != nil {
		return href
	}
	if u.Host == r.url.Host {
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
func (p davProp) octets() []byte {
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

// property returns the text of a property, "" if there is none.
func (r *davResponse) property(space, local string) string {
	return r.props[space+" "+local].text
}

// has tells whether a property has an element of that name in it.
func (r *davResponse) has(space, local, kidSpace, kid string) bool {
	for _, k := range r.props[space+" "+local].kids {
		if k == kidSpace+" "+kid {
			return true
		}
	}
	return false
}

// xmlText escapes a value.
func xmlText(s string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(s))
	return b.String()
}
