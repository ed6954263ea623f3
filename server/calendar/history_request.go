package calendar

import "time"

// HistoryPath is where owners find their history: HistoryPath + owner, and below it
// the version that a change ended.
const HistoryPath = "/dav/history/"

// HistoryFilter chooses versions of a home's history by what ended them. What is
// empty asks for nothing.
type HistoryFilter struct {
	Calendar    ID // one that was deleted too; "" = the whole home
	UID         string
	Name        string // of an object, with Calendar
	First, Last int64  // change numbers, both included
	From        time.Time
	To          time.Time // before that
	By          UserID    // who did it
	Via         string    // by which protocol or tool
	Client      string    // a part of what the client calls itself, upper and lower case alike
	Deleted     bool      // deletions alone
}

// HistoryRequest asks for the history of a home. A calendar's is for those who may
// write there, that of a home and of calendars that were deleted for its owner.
type HistoryRequest struct {
	Owner Owner
	Which HistoryFilter
	Made  bool // tell too of objects that came to be, and are as they came
	Data  bool // with the texts before and after

	// Before and BeforeSeq are those of the last entry of the page before.
	Before    int64
	BeforeSeq int64
	Limit     int // 0 = as many as one answer has
}

// HistoryEntry is one thing that happened to an object, or to a calendar.
type HistoryEntry struct {
	Change int64 // its number: what Undo takes
	Seq    int64 // of those with the same number
	When   time.Time
	End    Ending
	By     UserID
	Via    string
	Client string
	Undoes int64 // the change that it took back

	Calendar  ID // as it was called then
	To        string
	Name      string // "" for the calendar itself
	UID       string
	Component string
	Type      string // media type, of a file

	// The version that came to its end. First tells that it was the object's first,
	// and the next three who made it and how.
	Version    int64 // its number in ETags
	Created    time.Time
	Modified   time.Time
	Size       int
	First      bool
	Maker      UserID
	MadeVia    string
	MadeClient string

	Data  []byte // the version's text
	After []byte // that of the next one, nil where there is none
}

// HistoryResult ends a history.
type HistoryResult struct {
	From   time.Time // from when on nothing is missing; zero: from the beginning
	Octets int64     // that all of the home's counts for
	Max    int64     // octets that are kept at most
	Off    bool      // nothing is kept
	More   bool      // the limit cut the answer
}

// AsOfRequest asks for what was in a calendar at a moment.
type AsOfRequest struct {
	Calendar ID
	At       time.Time
	UID      string // or one object alone
	Name     string
}

// UndoRequest takes back what happened. Objects are given the text that they had
// before the first of what is chosen; what came to be goes. A calendar that was
// deleted comes back with all that was in it.
type UndoRequest struct {
	Owner Owner
	Which HistoryFilter
	Force bool // also where something else was changed since
	Dry   bool // tell what would be done, and do nothing
}

// UndoResult tells what came of each object, in the order of calendars and names.
type UndoResult struct {
	Items []UndoItem
	// First and Last are the changes that this made, 0 for none: they can be
	// undone.
	First, Last int64
}

// UndoItem is what came of one object, or of a calendar.
type UndoItem struct {
	Calendar ID
	Name     string // "" for the calendar itself
	UID      string
	Summary  string
	Change   int64 // the first of those that were to be undone
	Did      UndoAction
	Err      error // why it was left alone
}

// UndoAction says what an undo did.
type UndoAction uint8

// The actions. Their numbers are part of DWP.
const (
	UndoNothing  UndoAction = iota // it is as it was before, or it was undone already
	UndoReverted                   // it has the text of before
	UndoRestored                   // it is there again
	UndoRemoved                    // it is gone, as before
	UndoMoved                      // it is back where it was
	UndoConflict                   // something else was changed since: left alone
	UndoRefused                    // it could not be done: Err
	numUndoActions
)

var undoActions = [numUndoActions]string{"nothing", "reverted", "restored", "removed", "moved-back", "conflict", "refused"}

func (a UndoAction) String() string {
	if a < numUndoActions {
		return undoActions[a]
	}
	return "unknown"
}
