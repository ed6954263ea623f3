package calendar

// SyncRequest asks for changes after Token (Calendar.SyncToken), "" for all.
type SyncRequest struct {
	Calendar ID
	Token    string
	Limit    int  // most items, 0 = no limit
	Data     bool // objects with their data
	Deleted  bool // tombstones with their last text, where kept

	// Gone asks for tombstones only, of deletions in this window; Token,
	// Limit and Data do not count. WCAP fetch_deletedcomponents.
	Gone *Window
}

// SyncItem is a changed object or a tombstone.
type SyncItem struct {
	Object *Object
	Gone   *Tombstone
}

// SyncResult ends a sync. More means that the limit cut the answer.
type SyncResult struct {
	Token    string
	More     bool
	Calendar Calendar

	// Validator stands for the answer of a first sync without Limit and Data: all
	// members by name, as this actor sees them. RFC 9110 §8.8. It is for
	// ListChanges; "" if nothing could be told later.
	Validator string
}

// ListChangesRequest has the validators of lists that the caller has kept.
type ListChangesRequest struct {
	Calendar   ID
	Validators []string
}

// ListChangesResult has what differs from the list of Base: members that are new
// or others now, by dead properties too, and those that are gone. Base is one of
// the validators, of a list that this actor may be shown, or "" if there is none;
// then all are to be listed anew. Validator is that of the list as it is now.
type ListChangesResult struct {
	Calendar        Calendar
	Base, Validator string
	Items           []SyncItem
}

// SyncHomeRequest asks which calendars changed. Token "" means all.
type SyncHomeRequest struct {
	Owner  Owner
	Token  string
	Shares bool // as in HomeRequest
}

// SyncHomeResult lists changed and removed calendars, and shares if they were
// asked for: where the state of any of them is another one, all.
type SyncHomeResult struct {
	Token      string
	Changed    []Calendar
	Removed    []ID
	Shares     []Share
	GoneShares []ID
}
