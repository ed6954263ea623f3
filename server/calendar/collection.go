package calendar

// CollectionKind is what a collection of a home is for. Its numbers are stored,
// and part of DWP.
type CollectionKind uint8

// The kinds. Clients know them by what DAV:resourcetype says.
const (
	CalendarCollection     CollectionKind = iota // RFC 4791 §4.2
	PlainCollection                              // of files, without calendar semantics
	InboxCollection                              // scheduling messages that came, RFC 6638 §2.2
	OutboxCollection                             // where busy time is asked for, RFC 6638 §2.1
	NotificationCollection                       // what a user is to be told, of Apple's CalendarServer
	numCollectionKinds

	// NoCollection is none. CreateCalendar makes nothing of it: it is Unsupported,
	// where nothing else, rights above all, stands in the way.
	NoCollection CollectionKind = 0xff
)

// CollectionRules are what the collections of one kind are and allow. The zero
// value, which a kind of a later release has, allows nothing.
type CollectionRules struct {
	Type string // the element of DAV:resourcetype, "collection" where there is no other

	// Objects: the members are calendar object resources by RFC 4791 §4.1. They
	// are found by UID and time and count for busy time, and WCAP shows them.
	Objects    bool
	Components []string // that a new one takes if it is not told otherwise, in Objects or messages
	Also       []string // that it can be told to take besides

	Files    bool // the members are files, taken as they come
	Messages bool // the members are scheduling messages, which the server puts there: RFC 6638 §4.1
	Nests    bool // one may stand in another of its kind; others stand directly in a home
	Made     bool // a client can make one, anew or as a copy

	// Name, unless empty: every home has exactly one of that name, stored or not.
	// Nobody makes, moves or deletes it, and who may do what in it follows from
	// the default calendar.
	Name string
}

var collectionRules = [numCollectionKinds]CollectionRules{
	CalendarCollection: {
		Type: "calendar", Objects: true, Made: true,
		Components: []string{"VEVENT", "VTODO", "VJOURNAL"}, Also: []string{"VFREEBUSY", "VAVAILABILITY"},
	},
	PlainCollection:        {Type: "collection", Files: true, Nests: true, Made: true},
	InboxCollection:        {Type: "schedule-inbox", Name: "inbox", Messages: true, Components: []string{"VEVENT", "VTODO", "VJOURNAL"}},
	OutboxCollection:       {Type: "schedule-outbox", Name: "outbox", Components: []string{"VFREEBUSY"}},
	NotificationCollection: {Type: "notification"},
}

// Rules returns the rules of a kind. Its lists are shared: read them only.
func (k CollectionKind) Rules() CollectionRules {
	if k < numCollectionKinds {
		return collectionRules[k]
	}
	return CollectionRules{}
}

// KindOfName is the kind of the collection that every home has under a name; ok
// is false where the name is free.
func KindOfName(name string) (k CollectionKind, ok bool) {
	for k := range numCollectionKinds {
		if name != "" && collectionRules[k].Name == name {
			return k, true
		}
	}
	return 0, false
}

func (k CollectionKind) String() string {
	if k < numCollectionKinds {
		return collectionRules[k].Type
	}
	return "unknown"
}

// CollectionKinds lists every kind.
func CollectionKinds() []CollectionKind {
	out := make([]CollectionKind, numCollectionKinds)
	for i := range out {
		out[i] = CollectionKind(i)
	}
	return out
}
