package wcaptest

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"factotum/server/ical"
)

// node is a component, or a property with its parameters: what the three
// formats have in common, under the names of iCalendar.
type node struct {
	name  string
	attrs map[string]string
	text  string
	kids  []*node
}

// answer is an answer, read with its format.
type answer struct {
	t      testing.TB
	what   string
	format string
	header http.Header
	body   string
	blocks []*node
}

// longNames undoes the abbreviations of text/xml. WCAP §10.
var longNames = map[string]string{
	"EVENT": "VEVENT", "TODO": "VTODO", "ALARM": "VALARM", "TIMEZONE": "VTIMEZONE", "RECURID": "RECURRENCE-ID", "START": "DTSTART", "END": "DTEND",
	"LAST-MOD": "LAST-MODIFIED", "PERCENT": "PERCENT-COMPLETE", "DESC": "DESCRIPTION", "RELATED": "RELATED-TO", "RSTATUS": "REQUEST-STATUS", "FB": "FREEBUSY",
}

func longName(name string, inside bool) string {
	if name == "FREEBUSY" && inside {
		return "VFREEBUSY"
	}
	if n, ok := longNames[name]; ok {
		return n
	}
	return name
}

// readAnswer checks what every answer has (WCAP §13, "all") and reads it.
func readAnswer(t testing.TB, r *http.Request, res *http.Response) *answer {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := &answer{t: t, what: r.Method + " " + clip(r.RequestURI), header: res.Header, body: string(body)}
	if res.StatusCode != 200 {
		t.Fatalf("%s: status %d\n%s", a.what, res.StatusCode, clip(a.body))
	}
	if n := res.Header.Get("Content-Length"); n != "" && n != strconv.Itoa(len(body)) {
		t.Fatalf("%s: Content-Length %s of %d octets", a.what, n, len(body))
	}
	kind := res.Header.Get("Content-Type")
	var charset string
	a.format, charset, _ = strings.Cut(kind, "; charset=")
	if strings.HasPrefix(kind, "multipart/") || res.Header.Get("Content-Disposition") != "" {
		return a
	}
	if charset != "UTF-8" {
		t.Fatalf("%s: Content-Type %q", a.what, kind)
	}
	switch a.format {
	case "text/calendar":
		err = a.readCalendar()
	case "text/xml":
		err = a.readXML()
	case "text/json":
		err = a.readJSON()
	default:
		err = fmt.Errorf("format %q", a.format)
	}
	if err == nil && len(a.blocks) == 0 {
		err = errors.New("no block")
	}
	if err != nil {
		t.Fatalf("%s: %v in\n%s", a.what, err, clip(a.body))
	}
	return a
}

func clip(s string) string {
	if len(s) > 1500 {
		return s[:1500] + "…"
	}
	return s
}

func (a *answer) readCalendar() error {
	for c, err := range ical.ParseStream(strings.NewReader(a.body), ical.Limits{}) {
		if err != nil {
			return err
		}
		if c.Name != "VCALENDAR" || c.Value("VERSION") != "2.0" || c.Value("PRODID") != "-//Sun/Calendar Server//EN" {
			return fmt.Errorf("not an envelope: %s", c.Name)
		}
		a.blocks = append(a.blocks, calendarNode(c))
	}
	return nil
}

// verbatim are the properties whose value is no TEXT, of those that the tests look at.
var verbatim = map[string]bool{"RRULE": true, "EXRULE": true, "REQUEST-STATUS": true, "ORGANIZER": true, "ATTENDEE": true, "URL": true, "ATTACH": true, "GEO": true,
	"X-NSCP-CALPROPS-ACCESS-CONTROL-ENTRY": true}

func calendarNode(c *ical.Component) *node {
	n := &node{name: c.Name}
	for i := range c.Props {
		p := &c.Props[i]
		k := &node{name: p.Name, text: p.Value, attrs: map[string]string{}}
		for _, q := range p.Params {
			if q.Name != "VALUE" {
				k.attrs[q.Name] = strings.Join(q.Values, ",")
			}
		}
		values := []string{p.Value}
		switch {
		case p.Name == "RDATE", p.Name == "EXDATE", p.Name == "FREEBUSY", p.Name == "X-NSCP-TZCROSS":
			values = strings.Split(p.Value, ",")
		case p.Name == "RESOURCES":
			values = ical.SplitText(p.Value)
		case !verbatim[p.Name]:
			values[0] = ical.UnescapeText(p.Value)
		}
		for _, v := range values {
			one := *k
			one.text = v
			n.kids = append(n.kids, &one)
		}
	}
	for _, k := range c.Children {
		n.kids = append(n.kids, calendarNode(k))
	}
	return n
}

// readXML reads as a client with a DOM does: elements, trimmed text. WCAP §10.
func (a *answer) readXML() error {
	d := xml.NewDecoder(strings.NewReader(a.body))
	var stack []*node
	var text []*strings.Builder
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch x := tok.(type) {
		case xml.StartElement:
			n := &node{name: x.Name.Local, attrs: map[string]string{}}
			for _, q := range x.Attr {
				n.attrs[q.Name.Local] = q.Value
			}
			switch depth := len(stack); {
			case depth == 0 && n.name != "iCalendar", depth == 1 && n.name != "iCal":
				return fmt.Errorf("element %s at depth %d", n.name, depth)
			case depth == 1:
				if n.attrs["version"] != "2.0" || n.attrs["prodid"] != "-//Sun/Calendar Server//EN" {
					return fmt.Errorf("attributes %v of iCal", n.attrs)
				}
				n.name = "VCALENDAR"
				a.blocks = append(a.blocks, n)
			case depth > 1:
				n.name = longName(n.name, depth == 2)
				stack[depth-1].kids = append(stack[depth-1].kids, n)
			}
			stack, text = append(stack, n), append(text, &strings.Builder{})
		case xml.CharData:
			if len(text) > 0 {
				text[len(text)-1].Write(x)
			}
		case xml.EndElement:
			last := len(stack) - 1
			stack[last].text = strings.TrimSpace(text[last].String())
			stack, text = stack[:last], text[:last]
		case xml.Directive:
			return errors.New("a directive")
		}
	}
	return nil
}

type jsonNode struct {
	Name       string            `json:"name"`
	Attributes map[string]string `json:"attributes"`
	Text       string            `json:"text"`
	Elements   []jsonNode        `json:"elements"`
}

func (a *answer) readJSON() error {
	var doc struct {
		ICalendar struct {
			ICal []struct {
				Version  string
				Prodid   string
				Elements []jsonNode
			} `json:"iCal"`
		} `json:"iCalendar"`
	}
	if err := json.Unmarshal([]byte(a.body), &doc); err != nil {
		return err
	}
	var convert func(j *jsonNode, depth int) *node
	convert = func(j *jsonNode, depth int) *node {
		n := &node{name: longName(j.Name, depth == 0), attrs: j.Attributes, text: j.Text}
		for i := range j.Elements {
			n.kids = append(n.kids, convert(&j.Elements[i], depth+1))
		}
		return n
	}
	for _, c := range doc.ICalendar.ICal {
		if c.Version != "2.0" || c.Prodid != "-//Sun/Calendar Server//EN" {
			return errors.New("no version or prodid")
		}
		n := &node{name: "VCALENDAR"}
		for i := range c.Elements {
			n.kids = append(n.kids, convert(&c.Elements[i], 0))
		}
		a.blocks = append(a.blocks, n)
	}
	return nil
}

// find returns the nodes of a name, in order: "SUMMARY" anywhere,
// "VALARM.ACTION" inside of a VALARM.
func (n *node) find(path string) (out []*node) {
	first, rest, nested := strings.Cut(path, ".")
	for _, k := range n.kids {
		if strings.EqualFold(k.name, first) { // names of iCalendar have no case
			if nested {
				out = append(out, k.find(rest)...)
				continue
			}
			out = append(out, k)
		}
		out = append(out, k.find(path)...)
	}
	return out
}

func (a *answer) find(path string) (out []*node) {
	for _, b := range a.blocks {
		out = append(out, b.find(path)...)
	}
	return out
}

// values are the texts, or with "NAME;PARAM" the parameters, of all nodes of a name.
func (a *answer) values(path string) (out []string) {
	path, param, isParam := strings.Cut(path, ";")
	for _, n := range a.find(path) {
		if isParam {
			if v, ok := n.attrs[param]; ok {
				out = append(out, v)
			}
			continue
		}
		out = append(out, n.text)
	}
	return out
}

// value is the first of them, "" if there is none.
func (a *answer) value(path string) string {
	if v := a.values(path); len(v) > 0 {
		return v[0]
	}
	return ""
}

// errnos are those of the blocks, "-" where one has none.
func (a *answer) errnos() string {
	out := make([]string, len(a.blocks))
	for i, b := range a.blocks {
		out[i] = "-"
		for _, k := range b.kids {
			if k.name == "X-NSCP-WCAP-ERRNO" {
				out[i] = k.text
				break
			}
		}
	}
	return strings.Join(out, " ")
}

// errno checks them.
func (a *answer) errno(want string) *answer {
	a.t.Helper()
	if got := a.errnos(); got != want {
		a.t.Fatalf("%s: errno %s, want %s\n%s", a.what, got, want, clip(a.body))
	}
	return a
}

// is checks a value.
func (a *answer) is(path, want string) *answer {
	a.t.Helper()
	if got := strings.Join(a.values(path), " | "); got != want {
		a.t.Fatalf("%s: %s is %q, want %q\n%s", a.what, path, got, want, clip(a.body))
	}
	return a
}
