package calendar

// DataRequest says how calendar data is to be returned. RFC 4791 §9.6.
type DataRequest struct {
	None       bool    // metadata only
	Expand     *Window // CALDAV:expand
	LimitRecur *Window // CALDAV:limit-recurrence-set
	LimitBusy  *Window // CALDAV:limit-freebusy-set
	Comp       *CompSelect
	Timezone   string // VTIMEZONE text or "" : floating time of this report, CALDAV:timezone
}

// CompSelect is partial retrieval, RFC 4791 §9.6.1.
type CompSelect struct {
	Name     string
	AllProps bool
	Props    []PropSelect
	AllComps bool
	Comps    []CompSelect
}

// PropSelect selects a property, with or without its value.
type PropSelect struct {
	Name    string
	NoValue bool
}

// QueryRequest is a calendar-query. A nil Filter matches everything.
type QueryRequest struct {
	Calendar ID
	Object   string      // the one that is asked about, "" = all. RFC 4791 §7
	Filter   *CompFilter // of VCALENDAR
	Data     DataRequest
	Limit    int // most objects wanted, 0 = the server's limit
}

// CompFilter, PropFilter, ParamFilter and TextMatch: RFC 4791 §9.7.
type CompFilter struct {
	Name         string
	IsNotDefined bool
	TimeRange    *Window
	Props        []PropFilter
	Comps        []CompFilter
	AnyOf        bool // test="anyof", calendar-query as extended
}

// PropFilter matches a property.
type PropFilter struct {
	Name         string
	IsNotDefined bool
	TimeRange    *Window
	Text         *TextMatch
	Params       []ParamFilter
	AnyOf        bool
}

// ParamFilter matches a parameter of a property.
type ParamFilter struct {
	Name         string
	IsNotDefined bool
	Text         *TextMatch
}

// TextMatch is a substring test under a collation: "i;ascii-casemap" (the
// default), "i;octet" or "i;unicode-casemap".
type TextMatch struct {
	Text      string
	Collation string
	Negate    bool
}
