package dwp

import (
	"time"

	"factotum/protocol/dwp/internal/wire"
	"factotum/server/acl"
	"factotum/server/calendar"
)

// Functions to* make messages, from* read them. Messages come from another
// host: every part may be absent. Those of structs are in convert_gen.go, here
// and in convert_edit.go is what they are made of and what is special.

// yearOne is -time.Time{}.UnixMicro(): times are counted from year 1, so that
// 0 is the zero time.
const yearOne = 62135596800 * 1_000_000

func toTime(t time.Time) int64 { return t.UnixMicro() + yearOne }

func fromTime(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us - yearOne).UTC()
}

func toText[S ~string](s S) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}

func toTexts[S ~string](in []S) [][]byte {
	if in == nil {
		return nil
	}
	out := make([][]byte, len(in))
	for i, s := range in {
		out[i] = []byte(s)
	}
	return out
}

func fromTexts[S ~string](in [][]byte) []S {
	if in == nil {
		return nil
	}
	out := make([]S, len(in))
	for i, b := range in {
		out[i] = S(b)
	}
	return out
}

// toList and fromList keep nil apart from the empty list.
func toList[S ~string](in []S) *wire.Texts {
	if in == nil {
		return nil
	}
	return &wire.Texts{Texts: toTexts(in)}
}

func fromList[S ~string](m *wire.Texts) []S {
	if m == nil {
		return nil
	}
	return append([]S{}, fromTexts[S](m.GetTexts())...)
}

// toListOr and fromListOr keep a list that is absent apart from one that is nil.
func toListOr[S ~string](in *[]S) *wire.Texts {
	if in == nil {
		return nil
	}
	return &wire.Texts{Texts: toTexts(*in)}
}

func fromListOr[S ~string](m *wire.Texts) *[]S {
	return present(m, fromList[S])
}

// toOptional keeps nil apart from the empty text.
func toOptional(s *string) []byte {
	if s == nil {
		return nil
	}
	return append([]byte{}, *s...)
}

func fromOptional(b []byte) *string {
	if b == nil {
		return nil
	}
	s := string(b)
	return &s
}

// each converts a slice and keeps nil.
func each[A, B any](in []A, f func(*A) B) []B {
	if in == nil {
		return nil
	}
	out := make([]B, len(in))
	for i := range in {
		out[i] = f(&in[i])
	}
	return out
}

// eachOf is each for slices of messages.
func eachOf[A, B any](in []*A, f func(*A) B) []B {
	if in == nil {
		return nil
	}
	out := make([]B, len(in))
	for i := range in {
		out[i] = f(in[i])
	}
	return out
}

// toPrecond makes no message of what demands nothing.
func toPrecond(p *calendar.Precond) *wire.Precond {
	if p.IfMatch == nil && p.IfNoneMatch == nil && p.IfScheduleTag == "" && p.IfUnmodified.IsZero() {
		return nil
	}
	return &wire.Precond{
		IfMatch: toTexts(p.IfMatch), IfNoneMatch: toTexts(p.IfNoneMatch),
		IfScheduleTag: toText(p.IfScheduleTag), IfUnmodified: toTime(p.IfUnmodified),
	}
}

// present is from for what may be absent.
func present[A, B any](m *A, from func(*A) B) *B {
	if m == nil {
		return nil
	}
	v := from(m)
	return &v
}

func toACE(e *acl.ACE) *wire.ACE {
	return &wire.ACE{
		Who: uint32(e.Who.Kind), Name: toText(e.Who.Name), What: uint32(e.What),
		How: uint32(e.How), Grant: e.Grant,
	}
}

// fromACE gives an entry of a kind or part that this program does not know no
// requester at all, rather than one that the truncated number would mean.
func fromACE(m *wire.ACE) acl.ACE {
	who, what := m.GetWho(), m.GetWhat()
	if who > 0xff || what > 0xff {
		who, what = 0, 0
	}
	return acl.ACE{
		Who:  acl.Who{Kind: acl.Kind(who), Name: string(m.GetName())},
		What: acl.What(what), How: acl.Rights(m.GetHow()), Grant: m.GetGrant(),
	}
}

func toACL(l acl.List) *wire.ACL {
	if l == nil {
		return nil
	}
	return &wire.ACL{Entries: each(l, toACE)}
}

func fromACL(m *wire.ACL) acl.List {
	if m == nil {
		return nil
	}
	return append(acl.List{}, eachOf(m.GetEntries(), fromACE)...)
}

func toACLOr(l *acl.List) *wire.ACL {
	if l == nil {
		return nil
	}
	return &wire.ACL{Entries: each(*l, toACE)}
}

func fromACLOr(m *wire.ACL) *acl.List { return present(m, fromACL) }

// olderCalendar makes every collection that is no calendar a plain one for who
// does not know kinds.
func olderCalendar(m *wire.Calendar, c *calendar.Calendar) {
	m.Plain = c.Kind != calendar.CalendarCollection
}

func fromOlderCalendar(c *calendar.Calendar, m *wire.Calendar) {
	switch {
	case m.Plain && m.Kind == 0:
		c.Kind = calendar.PlainCollection
	case m.Kind > 0xff: // not known, rather than what the truncated number would mean
		c.Kind = calendar.NoCollection
	}
}

func toObject(o *calendar.Object) *wire.Object {
	if o == nil {
		return nil
	}
	return &wire.Object{
		Calendar: toText(o.Calendar), Name: toText(o.Name), Uid: toText(o.UID), Component: toText(o.Component),
		Change: o.Change, ScheduleTag: o.ScheduleTag, Created: toTime(o.Created), Modified: toTime(o.Modified),
		Size: int64(o.Size), ContentType: toText(o.ContentType), Masked: o.Masked, Data: o.Data, Props: each(o.Props, toDeadProp),
		Refused: toFailure(o.Refused),
	}
}

func fromObject(m *wire.Object) calendar.Object {
	return calendar.Object{
		Calendar: calendar.ID(m.GetCalendar()), Name: string(m.GetName()), UID: string(m.GetUid()), Component: string(m.GetComponent()),
		Change: m.GetChange(), ScheduleTag: m.GetScheduleTag(), Created: fromTime(m.GetCreated()), Modified: fromTime(m.GetModified()),
		Size: int(m.GetSize()), ContentType: string(m.GetContentType()), Masked: m.GetMasked(), Data: m.GetData(), Props: eachOf(m.GetProps(), fromDeadProp),
		Refused: fromFailure(m.GetRefused()),
	}
}

func toPrefs(set map[string]string) []*wire.Pref {
	out := make([]*wire.Pref, 0, len(set))
	for k, v := range set {
		out = append(out, &wire.Pref{Key: toText(k), Value: toText(v)})
	}
	return out
}

func fromPrefs(in []*wire.Pref) map[string]string {
	out := make(map[string]string, len(in))
	for _, p := range in {
		out[string(p.GetKey())] = string(p.GetValue())
	}
	return out
}
