package dwp

import (
	"time"

	"factotum/protocol/dwp/internal/wire"
	"factotum/server/acl"
	"factotum/server/calendar"
)

// Functions to* make messages, from* read them. Messages come from another
// host: every part may be absent, which the generated getters allow.

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

func toActor(a calendar.Actor) *wire.Actor {
	return &wire.Actor{
		User: toText(a.User), Domain: toText(a.Domain), Groups: toTexts(a.Groups),
		Mail: toText(a.Mail), Admin: a.Admin,
	}
}

func fromActor(m *wire.Actor) calendar.Actor {
	return calendar.Actor{
		User: string(m.GetUser()), Domain: string(m.GetDomain()), Groups: fromTexts[string](m.GetGroups()),
		Mail: string(m.GetMail()), Admin: m.GetAdmin(),
	}
}

func toRef(r calendar.Ref) *wire.Ref {
	return &wire.Ref{Calendar: toText(r.Calendar), Name: toText(r.Name)}
}

func fromRef(m *wire.Ref) calendar.Ref {
	return calendar.Ref{Calendar: calendar.ID(m.GetCalendar()), Name: string(m.GetName())}
}

func toWindow(w *calendar.Window) *wire.Window {
	if w == nil {
		return nil
	}
	return &wire.Window{From: toTime(w.From), To: toTime(w.To)}
}

func fromWindow(m *wire.Window) *calendar.Window {
	if m == nil {
		return nil
	}
	return &calendar.Window{From: fromTime(m.GetFrom()), To: fromTime(m.GetTo())}
}

func toPrecond(p calendar.Precond) *wire.Precond {
	if p.IfMatch == nil && p.IfNoneMatch == nil && p.IfScheduleTag == "" && p.IfUnmodified.IsZero() {
		return nil
	}
	return &wire.Precond{
		IfMatch: toTexts(p.IfMatch), IfNoneMatch: toTexts(p.IfNoneMatch),
		IfScheduleTag: toText(p.IfScheduleTag), IfUnmodified: toTime(p.IfUnmodified),
	}
}

func fromPrecond(m *wire.Precond) calendar.Precond {
	return calendar.Precond{
		IfMatch: fromTexts[string](m.GetIfMatch()), IfNoneMatch: fromTexts[string](m.GetIfNoneMatch()),
		IfScheduleTag: string(m.GetIfScheduleTag()), IfUnmodified: fromTime(m.GetIfUnmodified()),
	}
}

func toProp(p *calendar.DeadProp) *wire.DeadProp {
	return &wire.DeadProp{Space: toText(p.Space), Local: toText(p.Local), Value: toText(p.Value)}
}

func fromProp(m *wire.DeadProp) calendar.DeadProp {
	return calendar.DeadProp{Space: string(m.GetSpace()), Local: string(m.GetLocal()), Value: string(m.GetValue())}
}

func toChange(c *calendar.PropChange) *wire.PropChange {
	return &wire.PropChange{Prop: toProp(&c.Prop), Remove: c.Remove}
}

func fromChange(m *wire.PropChange) calendar.PropChange {
	return calendar.PropChange{Prop: fromProp(m.GetProp()), Remove: m.GetRemove()}
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

func toRights(r calendar.Rights) *wire.Rights {
	return &wire.Rights{Components: uint32(r.Components), Properties: uint32(r.Properties), Owner: r.Owner}
}

func fromRights(m *wire.Rights) calendar.Rights {
	return calendar.Rights{
		Components: acl.Rights(m.GetComponents()), Properties: acl.Rights(m.GetProperties()), Owner: m.GetOwner(),
	}
}

func toCalendar(c *calendar.Calendar) *wire.Calendar {
	return &wire.Calendar{
		Id: toText(c.ID), Incarnation: c.Incarnation, Change: c.Change, Plain: c.Plain,
		DisplayName: toText(c.DisplayName), Description: toText(c.Description),
		Color: toText(c.Color), Order: toText(c.Order), Tzid: toText(c.TZID), Timezone: toText(c.Timezone),
		Components: toList(c.Components), CoOwners: toList(c.CoOwners), Acl: toACL(c.ACL),
		Transparent: c.Transparent, NoDoubles: c.NoDoubles, Disabled: c.Disabled,
		Categories: toText(c.Categories), Charset: toText(c.Charset), Language: toText(c.Language),
		Created: toTime(c.Created), Modified: toTime(c.Modified), Count: int64(c.Count),
		Props: each(c.Props, toProp), Rights: toRights(c.Rights),
	}
}

func fromCalendar(m *wire.Calendar) calendar.Calendar {
	return calendar.Calendar{
		ID: calendar.ID(m.GetId()), Incarnation: m.GetIncarnation(), Change: m.GetChange(), Plain: m.GetPlain(),
		DisplayName: string(m.GetDisplayName()), Description: string(m.GetDescription()),
		Color: string(m.GetColor()), Order: string(m.GetOrder()),
		TZID: string(m.GetTzid()), Timezone: string(m.GetTimezone()),
		Components: fromList[string](m.GetComponents()), CoOwners: fromList[calendar.UserID](m.GetCoOwners()),
		ACL:         fromACL(m.GetAcl()),
		Transparent: m.GetTransparent(), NoDoubles: m.GetNoDoubles(), Disabled: m.GetDisabled(),
		Categories: string(m.GetCategories()), Charset: string(m.GetCharset()), Language: string(m.GetLanguage()),
		Created: fromTime(m.GetCreated()), Modified: fromTime(m.GetModified()), Count: int(m.GetCount()),
		Props: eachOf(m.GetProps(), fromProp), Rights: fromRights(m.GetRights()),
	}
}

// fillObject sets every field of m, which may have carried another object.
func fillObject(m *wire.Object, o *calendar.Object) {
	m.Calendar, m.Name = toText(o.Calendar), toText(o.Name)
	m.Uid, m.Component = toText(o.UID), toText(o.Component)
	m.Change, m.ScheduleTag = o.Change, o.ScheduleTag
	m.Created, m.Modified = toTime(o.Created), toTime(o.Modified)
	m.Size, m.ContentType, m.Masked = int64(o.Size), toText(o.ContentType), o.Masked
	m.Data, m.Props = o.Data, each(o.Props, toProp)
}

func toObject(o *calendar.Object) *wire.Object {
	if o == nil {
		return nil
	}
	m := new(wire.Object)
	fillObject(m, o)
	return m
}

// readObject fills o. What like has in common with it (calendar, component,
// media type) is shared instead of made anew; like may be nil.
func readObject(o *calendar.Object, m *wire.Object, like *calendar.Object) {
	if like == nil {
		like = o
	}
	*o = calendar.Object{
		Calendar: sameText(like.Calendar, m.GetCalendar()), Name: string(m.GetName()),
		UID: string(m.GetUid()), Component: sameText(like.Component, m.GetComponent()),
		Change: m.GetChange(), ScheduleTag: m.GetScheduleTag(),
		Created: fromTime(m.GetCreated()), Modified: fromTime(m.GetModified()),
		Size: int(m.GetSize()), ContentType: sameText(like.ContentType, m.GetContentType()), Masked: m.GetMasked(),
		Data: m.GetData(), Props: eachOf(m.GetProps(), fromProp),
	}
}

func sameText[S ~string](like S, b []byte) S {
	if string(b) == string(like) {
		return like
	}
	return S(b)
}

func fromObject(m *wire.Object) *calendar.Object {
	if m == nil {
		return nil
	}
	o := new(calendar.Object)
	readObject(o, m, nil)
	return o
}

func toTombstone(t *calendar.Tombstone) *wire.Tombstone {
	if t == nil {
		return nil
	}
	return &wire.Tombstone{
		Calendar: toText(t.Calendar), Name: toText(t.Name), Uid: toText(t.UID), Component: toText(t.Component),
		Change: t.Change, Deleted: toTime(t.Deleted), Data: t.Data,
	}
}

func fromTombstone(m *wire.Tombstone) *calendar.Tombstone {
	if m == nil {
		return nil
	}
	return &calendar.Tombstone{
		Calendar: calendar.ID(m.GetCalendar()), Name: string(m.GetName()), UID: string(m.GetUid()),
		Component: string(m.GetComponent()), Change: m.GetChange(), Deleted: fromTime(m.GetDeleted()), Data: m.GetData(),
	}
}
