package dwp

import (
	"factotum/protocol/dwp/internal/wire"
	"factotum/server/calendar"
)

func toUpdate(who calendar.Actor, r *calendar.UpdateCalendarRequest) *wire.UpdateCalendarRequest {
	m := &wire.UpdateCalendarRequest{
		Actor: toActor(who), Id: toText(r.ID), IfMatch: toTexts(r.IfMatch),
		DisplayName: toOptional(r.DisplayName), Description: toOptional(r.Description),
		Color: toOptional(r.Color), Order: toOptional(r.Order),
		Tzid: toOptional(r.TZID), Timezone: toOptional(r.Timezone),
		Transparent: r.Transparent, NoDoubles: r.NoDoubles, Disabled: r.Disabled,
		Categories: toOptional(r.Categories), Charset: toOptional(r.Charset), Language: toOptional(r.Language),
		Props: each(r.Props, toChange),
	}
	if r.Components != nil {
		m.Components = &wire.Texts{Texts: toTexts(*r.Components)}
	}
	if r.CoOwners != nil {
		m.CoOwners = &wire.Texts{Texts: toTexts(*r.CoOwners)}
	}
	if r.ACL != nil {
		m.Acl = &wire.ACL{Entries: each(*r.ACL, toACE)}
	}
	return m
}

func fromUpdate(m *wire.UpdateCalendarRequest) calendar.UpdateCalendarRequest {
	r := calendar.UpdateCalendarRequest{
		ID: calendar.ID(m.GetId()), IfMatch: fromTexts[string](m.GetIfMatch()),
		DisplayName: fromOptional(m.DisplayName), Description: fromOptional(m.Description),
		Color: fromOptional(m.Color), Order: fromOptional(m.Order),
		TZID: fromOptional(m.Tzid), Timezone: fromOptional(m.Timezone),
		Transparent: m.Transparent, NoDoubles: m.NoDoubles, Disabled: m.Disabled,
		Categories: fromOptional(m.Categories), Charset: fromOptional(m.Charset), Language: fromOptional(m.Language),
		Props: eachOf(m.GetProps(), fromChange),
	}
	if t := m.GetComponents(); t != nil {
		list := fromList[string](t)
		r.Components = &list
	}
	if t := m.GetCoOwners(); t != nil {
		list := fromList[calendar.UserID](t)
		r.CoOwners = &list
	}
	if t := m.GetAcl(); t != nil {
		list := fromACL(t)
		r.ACL = &list
	}
	return r
}

func toCopy(who calendar.Actor, r *calendar.CopyRequest) *wire.CopyRequest {
	return &wire.CopyRequest{
		Actor: toActor(who), From: toRef(r.From), To: toRef(r.To),
		Move: r.Move, Overwrite: r.Overwrite, Shallow: r.Shallow,
		Precond: toPrecond(r.Precond), IfDest: toPrecond(r.IfDest),
	}
}

func fromCopy(m *wire.CopyRequest) calendar.CopyRequest {
	return calendar.CopyRequest{
		From: fromRef(m.GetFrom()), To: fromRef(m.GetTo()),
		Move: m.GetMove(), Overwrite: m.GetOverwrite(), Shallow: m.GetShallow(),
		Precond: fromPrecond(m.GetPrecond()), IfDest: fromPrecond(m.GetIfDest()),
	}
}

func toCopyAnswer(r *calendar.CopyResult) *wire.CopyAnswer {
	return &wire.CopyAnswer{Replaced: r.Replaced, Object: toObject(&r.Object)}
}

func fromCopyAnswer(m *wire.CopyAnswer) calendar.CopyResult {
	r := calendar.CopyResult{Replaced: m.GetReplaced()}
	readObject(&r.Object, m.GetObject(), nil)
	return r
}

func toPut(who calendar.Actor, r *calendar.PutRequest) *wire.PutRequest {
	return &wire.PutRequest{
		Actor: toActor(who), Ref: toRef(r.Ref), Data: r.Data, ContentType: toText(r.ContentType),
		Precond: toPrecond(r.Precond), ByUid: r.ByUID, Token: toText(r.Token),
	}
}

func fromPut(m *wire.PutRequest) calendar.PutRequest {
	return calendar.PutRequest{
		Ref: fromRef(m.GetRef()), Data: m.GetData(), ContentType: string(m.GetContentType()),
		Precond: fromPrecond(m.GetPrecond()), ByUID: m.GetByUid(), Token: string(m.GetToken()),
	}
}

func toData(d *calendar.DataRequest) *wire.DataRequest {
	return &wire.DataRequest{
		None: d.None, Expand: toWindow(d.Expand), LimitRecur: toWindow(d.LimitRecur), LimitBusy: toWindow(d.LimitBusy),
		Comp: toSelect(d.Comp), Timezone: toText(d.Timezone),
	}
}

func fromData(m *wire.DataRequest) (d calendar.DataRequest, err error) {
	d = calendar.DataRequest{
		None: m.GetNone(), Expand: fromWindow(m.GetExpand()),
		LimitRecur: fromWindow(m.GetLimitRecur()), LimitBusy: fromWindow(m.GetLimitBusy()),
		Timezone: string(m.GetTimezone()),
	}
	if m.GetComp() != nil {
		d.Comp = new(calendar.CompSelect)
		err = readSelect(d.Comp, m.GetComp(), maxNesting)
	}
	return d, err
}

func toSelect(c *calendar.CompSelect) *wire.CompSelect {
	if c == nil {
		return nil
	}
	return &wire.CompSelect{
		Name: toText(c.Name), AllProps: c.AllProps, AllComps: c.AllComps,
		Props: each(c.Props, func(p *calendar.PropSelect) *wire.PropSelect {
			return &wire.PropSelect{Name: toText(p.Name), NoValue: p.NoValue}
		}),
		Comps: each(c.Comps, toSelect),
	}
}

// readSelect and readFilter go no deeper than the levels given: RFC 5545
// nests three.
func readSelect(c *calendar.CompSelect, m *wire.CompSelect, levels int) error {
	if levels == 0 {
		return errNesting
	}
	*c = calendar.CompSelect{
		Name: string(m.GetName()), AllProps: m.GetAllProps(), AllComps: m.GetAllComps(),
		Props: eachOf(m.GetProps(), func(p *wire.PropSelect) calendar.PropSelect {
			return calendar.PropSelect{Name: string(p.GetName()), NoValue: p.GetNoValue()}
		}),
	}
	if n := len(m.GetComps()); n > 0 {
		c.Comps = make([]calendar.CompSelect, n)
	}
	for i, sub := range m.GetComps() {
		if err := readSelect(&c.Comps[i], sub, levels-1); err != nil {
			return err
		}
	}
	return nil
}

var errNesting = &calendar.Error{Kind: calendar.Invalid, Reason: calendar.ValidFilter, Op: "read request", Msg: "too many levels of components"}

func toFilter(f *calendar.CompFilter) *wire.CompFilter {
	if f == nil {
		return nil
	}
	return &wire.CompFilter{
		Name: toText(f.Name), IsNotDefined: f.IsNotDefined, TimeRange: toWindow(f.TimeRange), AnyOf: f.AnyOf,
		Props: each(f.Props, func(p *calendar.PropFilter) *wire.PropFilter {
			return &wire.PropFilter{
				Name: toText(p.Name), IsNotDefined: p.IsNotDefined, TimeRange: toWindow(p.TimeRange),
				Text: toMatch(p.Text), AnyOf: p.AnyOf,
				Params: each(p.Params, func(a *calendar.ParamFilter) *wire.ParamFilter {
					return &wire.ParamFilter{Name: toText(a.Name), IsNotDefined: a.IsNotDefined, Text: toMatch(a.Text)}
				}),
			}
		}),
		Comps: each(f.Comps, toFilter),
	}
}

func readFilter(f *calendar.CompFilter, m *wire.CompFilter, levels int) error {
	if levels == 0 {
		return errNesting
	}
	*f = calendar.CompFilter{
		Name: string(m.GetName()), IsNotDefined: m.GetIsNotDefined(), TimeRange: fromWindow(m.GetTimeRange()), AnyOf: m.GetAnyOf(),
		Props: eachOf(m.GetProps(), func(p *wire.PropFilter) calendar.PropFilter {
			return calendar.PropFilter{
				Name: string(p.GetName()), IsNotDefined: p.GetIsNotDefined(), TimeRange: fromWindow(p.GetTimeRange()),
				Text: fromMatch(p.GetText()), AnyOf: p.GetAnyOf(),
				Params: eachOf(p.GetParams(), func(a *wire.ParamFilter) calendar.ParamFilter {
					return calendar.ParamFilter{Name: string(a.GetName()), IsNotDefined: a.GetIsNotDefined(), Text: fromMatch(a.GetText())}
				}),
			}
		}),
	}
	if n := len(m.GetComps()); n > 0 {
		f.Comps = make([]calendar.CompFilter, n)
	}
	for i, sub := range m.GetComps() {
		if err := readFilter(&f.Comps[i], sub, levels-1); err != nil {
			return err
		}
	}
	return nil
}

func toMatch(t *calendar.TextMatch) *wire.TextMatch {
	if t == nil {
		return nil
	}
	return &wire.TextMatch{Text: toText(t.Text), Collation: toText(t.Collation), Negate: t.Negate}
}

func fromMatch(m *wire.TextMatch) *calendar.TextMatch {
	if m == nil {
		return nil
	}
	return &calendar.TextMatch{Text: string(m.GetText()), Collation: string(m.GetCollation()), Negate: m.GetNegate()}
}

func toQuery(who calendar.Actor, r *calendar.QueryRequest) *wire.QueryRequest {
	return &wire.QueryRequest{
		Actor: toActor(who), Calendar: toText(r.Calendar), Filter: toFilter(r.Filter),
		Data: toData(&r.Data), Limit: int64(r.Limit),
	}
}

func fromQuery(m *wire.QueryRequest) (r calendar.QueryRequest, err error) {
	r = calendar.QueryRequest{Calendar: calendar.ID(m.GetCalendar()), Limit: int(m.GetLimit())}
	if m.GetFilter() != nil {
		r.Filter = new(calendar.CompFilter)
		if err := readFilter(r.Filter, m.GetFilter(), maxNesting); err != nil {
			return r, err
		}
	}
	r.Data, err = fromData(m.GetData())
	return r, err
}

func toSync(who calendar.Actor, r *calendar.SyncRequest) *wire.SyncRequest {
	return &wire.SyncRequest{
		Actor: toActor(who), Calendar: toText(r.Calendar), Token: toText(r.Token),
		Limit: int64(r.Limit), Data: r.Data, Deleted: r.Deleted, Gone: toWindow(r.Gone),
	}
}

func fromSync(m *wire.SyncRequest) calendar.SyncRequest {
	return calendar.SyncRequest{
		Calendar: calendar.ID(m.GetCalendar()), Token: string(m.GetToken()),
		Limit: int(m.GetLimit()), Data: m.GetData(), Deleted: m.GetDeleted(), Gone: fromWindow(m.GetGone()),
	}
}

func toSearch(who calendar.Actor, r *calendar.SearchCalendarsRequest) *wire.SearchCalendarsRequest {
	return &wire.SearchCalendarsRequest{
		Actor: toActor(who), Text: toText(r.Text), How: uint32(r.How), Id: r.ID, Name: r.Name, Owner: r.Owner,
		Owners: toTexts(r.Owners), Limit: int64(r.Limit),
	}
}

func fromSearch(m *wire.SearchCalendarsRequest) calendar.SearchCalendarsRequest {
	return calendar.SearchCalendarsRequest{
		Text: string(m.GetText()), How: calendar.TextMatching(m.GetHow()), ID: m.GetId(), Name: m.GetName(), Owner: m.GetOwner(),
		Owners: fromTexts[calendar.Owner](m.GetOwners()), Limit: int(m.GetLimit()),
	}
}

func toFreeBusy(who calendar.Actor, r *calendar.FreeBusyRequest) *wire.FreeBusyRequest {
	return &wire.FreeBusyRequest{
		Actor: toActor(who), Targets: each(r.Targets, toTarget), Window: toWindow(&r.Window), Ignore: toText(r.Ignore),
	}
}

func fromFreeBusy(m *wire.FreeBusyRequest) calendar.FreeBusyRequest {
	r := calendar.FreeBusyRequest{Targets: eachOf(m.GetTargets(), fromTarget), Ignore: string(m.GetIgnore())}
	if w := fromWindow(m.GetWindow()); w != nil {
		r.Window = *w
	}
	return r
}

func toTarget(t *calendar.FreeBusyTarget) *wire.FreeBusyTarget {
	return &wire.FreeBusyTarget{Calendar: toText(t.Calendar), Home: t.Home}
}

func fromTarget(m *wire.FreeBusyTarget) calendar.FreeBusyTarget {
	return calendar.FreeBusyTarget{Calendar: calendar.ID(m.GetCalendar()), Home: m.GetHome()}
}

func toBusy(r *calendar.FreeBusyResult) *wire.FreeBusyItem {
	return &wire.FreeBusyItem{
		Target: toTarget(&r.Target), Failure: toFailure(r.Err),
		Busy: each(r.Busy, func(b *calendar.Busy) *wire.Busy {
			return &wire.Busy{Start: toTime(b.Start), End: toTime(b.End), Type: toText(b.Type)}
		}),
	}
}

func fromBusy(m *wire.FreeBusyItem) calendar.FreeBusyResult {
	return calendar.FreeBusyResult{
		Target: fromTarget(m.GetTarget()), Err: fromFailure(m.GetFailure()),
		Busy: eachOf(m.GetBusy(), func(b *wire.Busy) calendar.Busy {
			return calendar.Busy{Start: fromTime(b.GetStart()), End: fromTime(b.GetEnd()), Type: string(b.GetType())}
		}),
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
