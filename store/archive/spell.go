package archive

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"
)

// What every write is spelled by, by hand: encoding/json takes ten times as long, which each
// write would wait for. The rest is left to it. A test fills every field and reads it again.

// speller appends JSON.
type speller struct {
	b   []byte
	err error
}

// name begins a field.
func (s *speller) name(name string) {
	if n := len(s.b); s.b[n-1] != '{' {
		s.b = append(s.b, ',')
	}
	s.b = append(append(append(s.b, '"'), name...), '"', ':')
}

func (s *speller) int(name string, n int64) {
	if n != 0 {
		s.name(name)
		s.b = strconv.AppendInt(s.b, n, 10)
	}
}

func (s *speller) bool(name string, is bool) {
	if is {
		s.name(name)
		s.b = append(s.b, "true"...)
	}
}

func (s *speller) text(name, text string) {
	if text != "" {
		s.name(name)
		s.quoted(text)
	}
}

func (s *speller) time(name string, t time.Time) {
	if !t.IsZero() {
		s.name(name)
		s.b = append(t.AppendFormat(append(s.b, '"'), time.RFC3339Nano), '"')
	}
}

// other is a field that encoding/json spells.
func (s *speller) other(name string, v any) {
	s.name(name)
	out := bytes.NewBuffer(s.b)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		s.err = err
		return
	}
	s.b = bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

func (s *speller) quoted(text string) {
	if !utf8.ValidString(text) { // as encoding/json has it
		text = string(bytes.ToValidUTF8([]byte(text), []byte("\ufffd")))
	}
	s.b = append(s.b, '"')
	from := 0
	for i := range len(text) {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		s.b = append(s.b, text[from:i]...)
		switch c {
		case '"', '\\':
			s.b = append(s.b, '\\', c)
		case '\n':
			s.b = append(s.b, '\\', 'n')
		case '\r':
			s.b = append(s.b, '\\', 'r')
		case '\t':
			s.b = append(s.b, '\\', 't')
		default:
			const digits = "0123456789abcdef"
			s.b = append(s.b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
		from = i + 1
	}
	s.b = append(append(s.b, text[from:]...), '"')
}

func (s *speller) txn(t *txn) {
	s.b = append(s.b, '{')
	s.name("t")
	s.b = append(t.Time.AppendFormat(append(s.b, '"'), time.RFC3339Nano), '"')
	s.name("owner")
	s.quoted(string(t.Owner))
	s.name("change")
	s.b = strconv.AppendInt(s.b, t.Change, 10)
	s.int("took", int64(t.Took))
	s.time("made", t.Made)
	s.bool("image", t.Image)
	s.bool("more", t.More)
	if len(t.Ops) > 0 {
		s.name("ops")
		s.b = append(s.b, '[')
		for i := range t.Ops {
			if i > 0 {
				s.b = append(s.b, ',')
			}
			s.op(&t.Ops[i])
		}
		s.b = append(s.b, ']')
	}
	s.b = append(s.b, '}')
}

func (s *speller) op(o *op) {
	s.b = append(s.b, '{')
	s.name("op")
	s.quoted(string(o.Kind))
	s.int("cal", o.Cal)
	s.text("name", o.Name)
	s.text("id", o.ID)
	s.int("change", o.Change)
	s.int("seq", int64(o.Seq))
	s.int("keep", int64(o.Keep))
	s.time("from", o.From)
	s.time("when", o.When)
	s.text("by", o.By)
	s.text("value", o.Value)
	if o.Home != nil {
		s.other("home", o.Home)
	}
	if o.Calendar != nil {
		s.other("calendar", o.Calendar)
	}
	if o.Object != nil {
		s.name("object")
		s.object(o.Object)
	}
	if len(o.Index) > 0 {
		s.name("index")
		s.index(o.Index)
	}
	if o.Prop != nil {
		s.other("prop", o.Prop)
	}
	if o.File != nil {
		s.other("file", o.File)
	}
	if o.Job != nil {
		s.other("job", o.Job)
	}
	if o.Trace != nil {
		s.other("trace", o.Trace)
	}
	if o.Registration != nil {
		s.other("registration", o.Registration)
	}
	if o.Version != nil {
		s.name("version")
		s.version(o.Version)
	}
	s.b = append(s.b, '}')
}

func (s *speller) index(list []occurrence) {
	s.b = append(s.b, '[')
	for i := range list {
		if i > 0 {
			s.b = append(s.b, ',')
		}
		s.b = strconv.AppendInt(append(s.b, '['), list[i][0], 10)
		s.b = strconv.AppendInt(append(s.b, ','), list[i][1], 10)
		s.b = append(strconv.AppendInt(append(s.b, ','), list[i][2], 10), ']')
	}
	s.b = append(s.b, ']')
}

func (s *speller) object(r *objectRow) {
	s.b = append(s.b, '{')
	s.name("cal")
	s.b = strconv.AppendInt(s.b, r.Cal, 10)
	s.name("name")
	s.quoted(r.Name)
	s.text("uid", r.UID)
	s.text("component", r.Component)
	s.name("change")
	s.b = strconv.AppendInt(s.b, r.Change, 10)
	s.int("scheduletag", r.ScheduleTag)
	s.time("created", r.Created)
	s.time("modified", r.Modified)
	s.text("type", r.ContentType)
	s.int("class", int64(r.Private))
	s.bool("attached", r.Attached)
	s.int("lacks", int64(r.Lacks))
	if r.OccHash != 0 {
		s.name("occhash")
		s.b = append(strconv.AppendUint(append(s.b, '"'), r.OccHash, 10), '"')
	}
	s.text("by", r.By)
	s.int("since", r.Since)
	s.text("origin", r.Origin)
	s.text("text", r.Text)
	if len(r.Data) > 0 {
		s.other("data", r.Data)
	}
	s.b = append(s.b, '}')
}

func (s *speller) version(r *versionRow) {
	s.b = append(s.b, '{')
	s.name("change")
	s.b = strconv.AppendInt(s.b, r.Change, 10)
	s.int("seq", r.Seq)
	s.name("when")
	s.b = append(r.When.AppendFormat(append(s.b, '"'), time.RFC3339Nano), '"')
	s.name("end")
	s.b = strconv.AppendInt(s.b, int64(r.End), 10)
	s.text("by", r.By)
	s.text("how", r.How)
	s.text("calendar", r.Calendar)
	s.text("to", r.To)
	if len(r.Props) > 0 {
		s.other("props", r.Props)
	}
	if r.Object != nil {
		s.name("object")
		s.object(r.Object)
	}
	s.b = append(s.b, '}')
}
