package dwp

import (
	"factotum/protocol/dwp/internal/wire"
	"factotum/server/calendar"
	"factotum/server/ical"
)

// toMoment writes a date or date-time; one of the zero DateTime has no value.
func toMoment(d ical.DateTime) *wire.Moment {
	if d.IsZero() {
		return &wire.Moment{}
	}
	return &wire.Moment{Value: []byte(d.String()), Tzid: toText(d.TZID)}
}

// fromMoment reads one. What cannot be read is the zero DateTime, as is what
// is absent.
func fromMoment(m *wire.Moment) ical.DateTime {
	v := string(m.GetValue())
	if v == "" {
		return ical.DateTime{}
	}
	d, err := ical.ParseDateTime(v, string(m.GetTzid()), false)
	if err != nil {
		return ical.DateTime{}
	}
	return d
}

func toMomentOr(d *ical.DateTime) *wire.Moment {
	if d == nil {
		return nil
	}
	return toMoment(*d)
}

func fromMomentOr(m *wire.Moment) *ical.DateTime {
	if m == nil {
		return nil
	}
	d := fromMoment(m)
	return &d
}

func toMoments(list *[]ical.DateTime) *wire.Moments {
	if list == nil {
		return nil
	}
	return &wire.Moments{Moments: each(*list, func(d *ical.DateTime) *wire.Moment { return toMoment(*d) })}
}

func fromMoments(m *wire.Moments) *[]ical.DateTime {
	if m == nil {
		return nil
	}
	list := append([]ical.DateTime{}, eachOf(m.GetMoments(), fromMoment)...)
	return &list
}

func toRules(list *[]string) *wire.Texts {
	if list == nil {
		return nil
	}
	return &wire.Texts{Texts: toTexts(*list)}
}

func fromRules(m *wire.Texts) *[]string {
	if m == nil {
		return nil
	}
	list := fromList[string](m)
	return &list
}

func toSpan(d *ical.Duration) []byte {
	if d == nil {
		return nil
	}
	return []byte(d.String())
}

func fromSpan(b []byte) *ical.Duration {
	d, err := ical.ParseDuration(string(b))
	if b == nil || err != nil {
		return nil
	}
	return &d
}

func toProperty(p *ical.Property) *wire.Property {
	return &wire.Property{Name: toText(p.Name), Value: toText(p.Value), Params: each(p.Params, func(q *ical.Param) *wire.Parameter {
		return &wire.Parameter{Name: toText(q.Name), Values: toTexts(q.Values)}
	})}
}

func fromProperty(m *wire.Property) ical.Property {
	return ical.Property{Name: string(m.GetName()), Value: string(m.GetValue()), Params: eachOf(m.GetParams(), func(q *wire.Parameter) ical.Param {
		return ical.Param{Name: string(q.GetName()), Values: fromTexts[string](q.GetValues())}
	})}
}

func toPropEdit(x *calendar.PropEdit) *wire.PropEdit {
	return &wire.PropEdit{Name: toText(x.Name), Append: x.Append, Props: each(x.Props, toProperty), Remove: toTexts(x.Remove)}
}

func fromPropEdit(m *wire.PropEdit) calendar.PropEdit {
	return calendar.PropEdit{Name: string(m.GetName()), Append: m.GetAppend(), Props: eachOf(m.GetProps(), fromProperty), Remove: fromTexts[string](m.GetRemove())}
}

func toAlarmEdit(x *calendar.AlarmEdit) *wire.AlarmEdit {
	return &wire.AlarmEdit{
		Action: toText(x.Action), Remove: x.Remove, At: toMomentOr(x.At), Before: toSpan(x.Before),
		Description: toOptional(x.Description), Attendees: toList(x.Attendees), Append: x.Append,
	}
}

func fromAlarmEdit(m *wire.AlarmEdit) calendar.AlarmEdit {
	return calendar.AlarmEdit{
		Action: string(m.GetAction()), Remove: m.GetRemove(), At: fromMomentOr(m.GetAt()), Before: fromSpan(m.Before),
		Description: fromOptional(m.Description), Attendees: fromList[string](m.GetAttendees()), Append: m.GetAppend(),
	}
}

func toPatch(p *calendar.Patch) *wire.Patch {
	return &wire.Patch{
		Tzid: toText(p.TZID), AllDay: p.AllDay, Start: toMomentOr(p.Start), End: toMomentOr(p.End), Due: toMomentOr(p.Due),
		Duration: toSpan(p.Duration), Rrules: toRules(p.RRules), Exrules: toRules(p.ExRules), Rdates: toMoments(p.RDates), Exdates: toMoments(p.ExDates),
		Props: each(p.Props, toPropEdit), Alarms: each(p.Alarms, toAlarmEdit),
	}
}

func fromPatch(m *wire.Patch) calendar.Patch {
	if m == nil {
		return calendar.Patch{}
	}
	return calendar.Patch{
		TZID: string(m.GetTzid()), AllDay: m.AllDay, Start: fromMomentOr(m.GetStart()), End: fromMomentOr(m.GetEnd()), Due: fromMomentOr(m.GetDue()),
		Duration: fromSpan(m.Duration), RRules: fromRules(m.GetRrules()), ExRules: fromRules(m.GetExrules()),
		RDates: fromMoments(m.GetRdates()), ExDates: fromMoments(m.GetExdates()),
		Props: eachOf(m.GetProps(), fromPropEdit), Alarms: eachOf(m.GetAlarms(), fromAlarmEdit),
	}
}

func toEditItem(it *calendar.EditItem) *wire.EditItem {
	return &wire.EditItem{
		Uid: toText(it.UID), Rid: toMoment(it.RID), Scope: uint32(it.Scope), Mode: uint32(it.Mode), Role: uint32(it.Role), Patch: toPatch(&it.Patch),
		Attach: each(it.Attach, func(a *calendar.NewAttachment) *wire.NewAttachment {
			return &wire.NewAttachment{ClientId: toText(a.ClientID), Name: toText(a.Name), Type: toText(a.Type), Data: a.Data}
		}),
		Detach: toTexts(it.Detach),
	}
}

func fromEditItem(m *wire.EditItem) calendar.EditItem {
	return calendar.EditItem{
		UID: string(m.GetUid()), RID: fromMoment(m.GetRid()), Scope: calendar.EditScope(m.GetScope()), Mode: calendar.EditMode(m.GetMode()),
		Role: calendar.EditRole(m.GetRole()), Patch: fromPatch(m.GetPatch()),
		Attach: eachOf(m.GetAttach(), func(a *wire.NewAttachment) calendar.NewAttachment {
			return calendar.NewAttachment{ClientID: string(a.GetClientId()), Name: string(a.GetName()), Type: string(a.GetType()), Data: a.GetData()}
		}),
		Detach: fromTexts[string](m.GetDetach()),
	}
}

func toEdit(who calendar.Actor, r *calendar.EditRequest) *wire.EditRequest {
	return &wire.EditRequest{
		Actor: toActor(who), Calendar: toText(r.Calendar), Component: toText(r.Component), Items: each(r.Items, toEditItem),
		Within: toWindow(r.Within), Return: r.Return, Bound: int64(r.Bound),
	}
}

// fromEdit reads a request. An item whose scope, mode or role this program
// does not know is refused: to guess could delete a series.
func fromEdit(m *wire.EditRequest) (calendar.EditRequest, error) {
	for _, it := range m.GetItems() {
		if it.GetScope() > uint32(calendar.ThisAndPrior) || it.GetMode() > uint32(calendar.EditDelete) || it.GetRole() > uint32(calendar.OwnCopy) {
			return calendar.EditRequest{}, &calendar.Error{Kind: calendar.Unsupported, Op: "edit object", Msg: "the front end asks for what this back end does not know"}
		}
		p := it.GetPatch()
		for _, d := range []*wire.Moment{it.GetRid(), p.GetStart(), p.GetEnd(), p.GetDue()} {
			if len(d.GetValue()) > 0 && fromMoment(d).IsZero() {
				return calendar.EditRequest{}, &calendar.Error{Kind: calendar.Invalid, Op: "edit object", Msg: "what should be a date is none"}
			}
		}
	}
	return calendar.EditRequest{
		Calendar: calendar.ID(m.GetCalendar()), Component: string(m.GetComponent()), Items: eachOf(m.GetItems(), fromEditItem),
		Within: fromWindow(m.GetWithin()), Return: m.GetReturn(), Bound: int(m.GetBound()),
	}, nil
}

func toEditAnswer(r *calendar.EditResult) *wire.EditAnswer {
	var cal *wire.Calendar
	if r.Calendar.ID != "" {
		cal = toCalendar(&r.Calendar)
	}
	return &wire.EditAnswer{Calendar: cal, Items: each(r.Items, func(it *calendar.EditItemResult) *wire.EditItemAnswer {
		return &wire.EditItemAnswer{
			Uid: toText(it.UID), Rid: toMoment(it.RID), Object: toObject(it.Object), Created: it.Created, Removed: it.Removed,
			Detached: int64(it.Detached), Failure: toFailure(it.Err),
		}
	})}
}

func fromEditAnswer(m *wire.EditAnswer) calendar.EditResult {
	return calendar.EditResult{Calendar: fromCalendar(m.GetCalendar()), Items: eachOf(m.GetItems(), func(it *wire.EditItemAnswer) calendar.EditItemResult {
		return calendar.EditItemResult{
			UID: string(it.GetUid()), RID: fromMoment(it.GetRid()), Object: fromObject(it.GetObject()), Created: it.GetCreated(),
			Removed: it.GetRemoved(), Detached: int(it.GetDetached()), Err: fromFailure(it.GetFailure()),
		}
	})}
}
