package letter

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"sync"

	"factotum/notify/locale"
	"factotum/server/ical"
	"factotum/server/zone"
)

// MaxMail is the largest mail in octets.
const MaxMail = 96 << 20

var errNothing = errors.New("a mail is about a component, and there is none")

// renderer makes one mail.
type renderer struct {
	in       *Input
	m        locale.Manner
	c        *ical.Component
	method   string
	attendee Attendee
	zones    *zone.Zones
	zone     zone.Zone
	zoneName string

	start, end moment

	known  [128]bool
	values [128]string

	out  []byte // the part that is made
	sent []byte // those that are made, encoded
	done []leaf
	mark string // what all boundaries begin with

	twin     *part // that is the message as it is, if one is made
	twinLeaf leaf
}

// leaf is a part without parts, encoded.
type leaf struct {
	charset, transfer string
	data              []byte // of renderer.sent
}

// renderers are kept for their buffers.
var renderers = sync.Pool{New: func() any { return new(renderer) }}

// mostKept is the largest buffer that is kept.
const mostKept = 1 << 20

// Render merges what a mail is about into the template. Where the input has no
// Manner, it is written in English.
func (t *Template) Render(in *Input) (Mail, error) {
	r := renderers.Get().(*renderer)
	defer r.giveBack()
	if err := r.begin(in); err != nil {
		return Mail{}, err
	}
	if err := r.leaves(t.root); err != nil {
		return Mail{}, fmt.Errorf("%s: %w", t.File, err)
	}
	r.chooseMark()
	m := Mail{Subject: r.subject(t.subject)}
	m.Header = r.header(append(make([]byte, 0, 160), "MIME-Version: 1.0\r\n"...), t.root, 0)
	n := 512
	for i := range r.done {
		n += len(r.done[i].data) + 256
	}
	m.Body, _ = r.body(make([]byte, 0, n), t.root, 0)
	return m, nil
}

// Values are what codes print, by their letters: for messages that are no mails.
// Each is clean, in the reader's words, and of one line but for those of many.
func Values(in *Input, letters string) ([]string, error) {
	r := renderers.Get().(*renderer)
	defer r.giveBack()
	if err := r.begin(in); err != nil {
		return nil, err
	}
	list := make([]string, len(letters))
	for i := range letters {
		list[i] = r.value(&op{kind: opCode, code: letters[i]}, false)
	}
	return list, nil
}

// begin takes in what a mail is about.
func (r *renderer) begin(in *Input) error {
	r.in, r.m, r.c, r.method, r.zones, r.zone = in, in.Manner, in.component(), word(in.method()), zone.Of(in.Message), in.Zone
	if r.c == nil {
		return errNothing
	}
	if r.m.Locale == nil {
		r.m, _ = locale.Find("en")
	}
	if r.zone == nil {
		r.zone = zone.UTC
	}
	r.zoneName = oneLine(strings.ReplaceAll(r.zone.Name(), "_", " "))
	r.attendee = in.attendee(r.c, r.method)
	r.span()
	return nil
}

// giveBack keeps the buffers for the next mail.
func (r *renderer) giveBack() {
	if cap(r.out)+cap(r.sent) < mostKept {
		*r = renderer{out: r.out[:0], sent: r.sent[:0], done: r.done[:0]}
		renderers.Put(r)
	}
}

// word is a METHOD or its like, "" if it is none.
func word(s string) string {
	for i := range len(s) {
		if c := s[i]; !('A' <= c && c <= 'Z' || c == '-') {
			return ""
		}
	}
	return s
}

// subject makes the one line of it. Where codes have no value, brackets that hold
// nothing and what stands between nothing go too.
func (r *renderer) subject(ops []op) string {
	var b []byte
	lacks := false
	for i := range ops {
		if ops[i].kind == opCode {
			v := oneLine(r.value(&ops[i], false))
			lacks = lacks || v == ""
			b = append(b, v...)
		} else {
			b = append(b, ops[i].text...)
		}
	}
	s := string(b)
	if lacks {
		s = strings.TrimRight(empties.Replace(s), " ,;:\u00a0")
	}
	s = oneLine(s)
	if len(s) > maxSubject {
		s = strings.TrimRight(strings.ToValidUTF8(s[:maxSubject], ""), " ") + "…"
	}
	return s
}

var empties = strings.NewReplacer(" (; )", "", " (\u00a0; )", "", " ()", "", "; )", ")", "\u00a0; )", ")", "(; ", "(", "(\u00a0; ", "(")

// leaves makes and encodes the parts that have none.
func (r *renderer) leaves(p *part) error {
	r.out = r.out[:0]
	switch p.media {
	case inParts:
		for _, k := range p.parts {
			if err := r.leaves(k); err != nil {
				return err
			}
		}
		return nil
	case inCalendar:
		if t := r.twin; t != nil && t.same(p) { // once to be read, and once as a file
			r.done = append(r.done, r.twinLeaf)
			return nil
		}
		r.calendar(p.lines)
	default:
		r.print(p.body, p.media == inHTML)
	}
	if len(r.out) > MaxMail {
		return fmt.Errorf("line %d: the part has %d octets, a mail at most %d", p.line, len(r.out), MaxMail)
	}
	l := leaf{}
	from := len(r.sent)
	l.charset, l.transfer, r.sent = encode(r.sent, p, r.out)
	if len(r.sent) > MaxMail {
		return fmt.Errorf("the mail has %d octets, at most %d are allowed", len(r.sent), MaxMail)
	}
	l.data = r.sent[from:] // stays as it is, also when sent grows into another array
	r.done = append(r.done, l)
	if p.isWhole() {
		r.twin, r.twinLeaf = p, l
	}
	return nil
}

// isWhole reports whether a part is the message as it is.
func (p *part) isWhole() bool { return len(p.lines) == 1 && p.lines[0].whole == 'I' }

// same reports whether two parts that are the message are sent in the same way.
func (p *part) same(o *part) bool {
	return o.isWhole() && p.charset == o.charset && p.transfer == o.transfer
}

// print makes the text of a part for people.
func (r *renderer) print(ops []op, escape bool) {
	for i := 0; i < len(ops); i++ {
		o := &ops[i]
		switch o.kind {
		case opText:
			r.out = append(r.out, o.text...)
		case opMaybe:
			if !r.any(ops[i+1 : i+1+o.skip]) {
				i += o.skip
			}
		case opCode:
			v, many := r.value(o, false), codeOf[o.code].Many
			if escape {
				r.out = appendHTML(r.out, v, many)
			} else {
				r.out = appendPlain(r.out, v, many)
			}
		}
	}
}

// any reports whether a code among ops has a value.
func (r *renderer) any(ops []op) bool {
	for i := range ops {
		if ops[i].kind == opCode && r.value(&ops[i], false) != "" {
			return true
		}
	}
	return false
}

// chooseMark finds what stands in no part that is sent as it is: quoted-printable
// and base64 never have "=_".
func (r *renderer) chooseMark() {
	h := fnv.New64a()
	if uid := r.prop("UID"); uid != nil {
		h.Write([]byte(uid.Value))
	}
	for n := 0; ; n++ {
		h.Write([]byte{byte(n)})
		r.mark = "=_" + strconv.FormatUint(h.Sum64(), 36)
		clear := true
		for i := range r.done {
			clear = clear && (r.done[i].transfer != "7bit" || !bytes.Contains(r.done[i].data, []byte(r.mark)))
		}
		if clear {
			return
		}
	}
}

func (r *renderer) boundary(p *part) string { return r.mark + "_" + strconv.Itoa(p.number) }

// header prints the fields of a part; at is its first leaf.
func (r *renderer) header(dst []byte, p *part, at int) []byte {
	l := leaf{}
	if p.media != inParts {
		l = r.done[at]
	}
	line := len(dst)
	dst = append(append(dst, "Content-Type: "...), p.typ...)
	param := func(name, value string) {
		if len(dst)-line+len(name)+len(value)+5 > 76 {
			dst = append(dst, ";\r\n"...)
			line = len(dst)
		} else {
			dst = append(dst, ';')
		}
		dst = appendQuoted(append(append(append(dst, ' '), name...), '='), value)
	}
	for _, f := range p.params {
		param(f.name, r.mime(f.value, &l))
	}
	if p.media == inParts {
		param("boundary", r.boundary(p))
		dst = append(dst, "\r\n"...)
	} else {
		param("charset", l.charset)
		dst = append(append(append(dst, "\r\nContent-Transfer-Encoding: "...), l.transfer...), "\r\n"...)
	}
	for _, f := range p.fields {
		dst = AppendHeader(dst, f.name, r.mime(f.value, &l), false)
	}
	return dst
}

// mime prints the value of a field of a MIME header.
func (r *renderer) mime(s string, l *leaf) string {
	if strings.IndexByte(s, '\x01') < 0 {
		return s
	}
	var b []byte
	for i := 0; i < len(s); i++ {
		if s[i] != '\x01' || i+1 == len(s) {
			b = append(b, s[i])
			continue
		}
		i++
		switch s[i] {
		case 's':
			b = append(b, l.charset...)
		case 'x':
			b = append(b, l.transfer...)
		case 'm':
			b = append(b, r.methodName()...)
		case 'c':
			b = append(b, word(r.c.Name)...)
		}
	}
	return string(b)
}

// methodName is the METHOD that a MIME header names: that of the message's text,
// for both must be the same. RFC 6047 §2.4.
func (r *renderer) methodName() string {
	m := ""
	if r.in.Message != nil {
		m = word(r.in.Message.Word("METHOD"))
	}
	switch {
	case m != "":
		return m
	case r.method != "":
		return r.method
	}
	return "PUBLISH"
}

func appendQuoted(dst []byte, v string) []byte {
	if isToken(v) {
		return append(dst, v...)
	}
	return append(append(append(dst, '"'), v...), '"')
}

// body prints what stands below the header of a part, and tells how many leaves
// it has.
func (r *renderer) body(dst []byte, p *part, at int) ([]byte, int) {
	if p.media != inParts {
		return append(dst, r.done[at].data...), at + 1
	}
	boundary := r.boundary(p)
	if dst = append(dst, p.preamble...); p.preamble != "" && !strings.HasSuffix(p.preamble, "\r\n") {
		dst = append(dst, "\r\n"...)
	}
	for _, k := range p.parts {
		dst = append(append(append(dst, "--"...), boundary...), "\r\n"...)
		dst = r.header(dst, k, at)
		dst = append(dst, "\r\n"...)
		dst, at = r.body(dst, k, at)
		if k.media != inParts && r.done[at-1].transfer != "base64" {
			dst = append(dst, "\r\n"...) // it is the boundary's: the text keeps its own
		}
	}
	return append(append(append(dst, "--"...), boundary...), "--\r\n"...), at
}
