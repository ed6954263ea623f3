package dwp

import (
	"factotum/protocol/dwp/internal/wire"
	"factotum/server/calendar"
)

// Requests that are not taken as they come.

var errNesting = &calendar.Error{Kind: calendar.Invalid, Reason: calendar.ValidFilter, Op: "read request", Msg: "too many levels of components"}

func checkQueryRequest(m *wire.QueryRequest) error {
	if m.Filter != nil && deeper(m.Filter, (*wire.CompFilter).GetComps, maxNesting) || tooDeep(m.Data) {
		return errNesting
	}
	return nil
}

func checkObjectsRequest(m *wire.ObjectsRequest) error {
	if tooDeep(m.Data) {
		return errNesting
	}
	return nil
}

func tooDeep(m *wire.DataRequest) bool {
	return m.GetComp() != nil && deeper(m.Comp, (*wire.CompSelect).GetComps, maxNesting)
}

// deeper tells whether m, which counts as one, has more than so many levels:
// RFC 5545 nests three.
func deeper[M any](m *M, below func(*M) []*M, levels int) bool {
	if levels == 0 {
		return true
	}
	for _, sub := range below(m) {
		if deeper(sub, below, levels-1) {
			return true
		}
	}
	return false
}

// checkEditRequest refuses an item whose scope, mode or role this program does
// not know: to guess could delete a series.
func checkEditRequest(m *wire.EditRequest) error {
	for _, it := range m.GetItems() {
		if it.GetScope() > uint32(calendar.ThisAndPrior) || it.GetMode() > uint32(calendar.EditDelete) || it.GetRole() > uint32(calendar.AsBefore) {
			return &calendar.Error{Kind: calendar.Unsupported, Op: "edit object", Msg: "the front end asks for what this back end does not know"}
		}
		p := it.GetPatch()
		for _, d := range []*wire.Moment{it.GetRid(), p.GetStart(), p.GetEnd(), p.GetDue()} {
			if len(d.GetValue()) > 0 && fromMoment(d).IsZero() {
				return &calendar.Error{Kind: calendar.Invalid, Op: "edit object", Msg: "what should be a date is none"}
			}
		}
	}
	return nil
}

// checkOccurrencesRequest refuses what this program does not know: to guess
// would show something else.
func checkOccurrencesRequest(m *wire.OccurrencesRequest) error {
	unknown := m.GetSelect() > uint32(calendar.Named)
	for _, r := range m.GetRefs() {
		if unknown = unknown || r.GetScope() > uint32(calendar.ThisAndPrior); len(r.GetRid().GetValue()) > 0 && fromMoment(r.GetRid()).IsZero() {
			return &calendar.Error{Kind: calendar.Invalid, Op: "occurrences", Msg: "what should be a date is none"}
		}
	}
	if unknown {
		return &calendar.Error{Kind: calendar.Unsupported, Op: "occurrences", Msg: "the front end asks for what this back end does not know"}
	}
	return nil
}
