package calendar

// ObjectsRequest lists what a multiget wants, by name or by UID. All is of one
// owner.
type ObjectsRequest struct {
	Refs []Ref
	Data DataRequest

	// The objects of one calendar with these UIDs, answered after Refs. The Ref
	// of an answer has no name when there is no such object.
	Calendar ID
	UIDs     []string
}

// ObjectResult is the answer for one ref: an object, or why not.
type ObjectResult struct {
	Ref    Ref
	Object *Object
	Err    error
}

// PutRequest stores Data under Ref.
type PutRequest struct {
	Ref         Ref
	Data        []byte
	ContentType string
	Precond     Precond
	ByUID       bool   // replace whatever object has the same UID, Ref.Name is for a new one
	Token       string // request token: a retry with the same token is answered, not repeated
	NoReply     bool   // as in DeleteRequest: no REPLY follows
}

// PutResult is the stamp of what was stored.
type PutResult struct {
	Object  Object // without data
	Created bool
	Altered bool // the server had a part in it: the text is another than was sent
}

// PutObjectsRequest imports objects into one calendar. Items with an empty
// name are stored under the name of the object with their UID, else a new one.
type PutObjectsRequest struct {
	Calendar ID
	Items    []PutItem
	Replace  bool // an existing object with the UID is replaced, else Exists
	// Within leaves out what lies outside of a window, series by their first and
	// last instance; nil takes all.
	Within *Window
}

// PutItem is one object of an import.
type PutItem struct {
	Name string
	Data []byte
}

// PutItemResult answers for one item, in order.
type PutItemResult struct {
	Name      string
	UID       string
	Created   bool
	Unchanged bool // the same text was there already
	Outside   bool // not stored: it is not in the window
	Err       error
}

// DeleteRequest removes one object.
type DeleteRequest struct {
	Ref     Ref
	Precond Precond
	NoReply bool   // nobody is told that the owner will not come: Schedule-Reply: F, RFC 6638 §8.1
	MovedTo *Moved // set by the Router alone
}
