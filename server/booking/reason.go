package booking

// Reason says why an instance was answered as it was.
type Reason uint8

// The reasons. Those up to LeftToDelegates decline nothing.
const (
	Kept             Reason = iota + 1 // it was answered before, and takes place when it did
	RoomFree                           // nobody else has the time
	DoubleAllowed                      // it may be booked twice, whoever has the time
	ClashAccepted                      // the series clashes, which SeriesAccept lets it do
	LeftToDelegates                    // the owners decide
	DoubleBooked                       // somebody else has the time
	TooFarAhead                        // it is later than it can be booked yet
	TooLong                            // an instance is longer than it can be booked for
	TooManyPeople                      // more come than there is room for
	MayNotBook                         // who organizes the meeting may not book it
	TooManyInstances                   // nobody can tell whether all instances are free
	TooManyClashes                     // too many instances would have to be left out
	OutsideHours                       // it is not available then, whoever asks: RFC 7953
	numReasons
)

var reasons = [numReasons]struct{ code, text string }{
	{},
	{"kept", "It was answered before, and takes place when it did."},
	{"room-free", "The time was free."},
	{"double-booking-allowed", "It may be booked more than once at a time."},
	{"clash-accepted", "Some of the time is taken, and series are accepted all the same."},
	{"left-to-delegates", "The owners of the resource decide."},
	{"double-booked", "The time is taken already."},
	{"too-far-ahead", "It is later than the resource can be booked yet."},
	{"too-long", "It is longer than the resource can be booked for."},
	{"too-many-people", "More people come than there is room for."},
	{"may-not-book", "Who organizes the meeting may not book the resource."},
	{"too-many-instances", "The series has so many instances that nobody can tell whether all of them are free."},
	{"too-many-clashes", "Too many instances of the series would have to be left out."},
	{"outside-hours", "It is outside of the hours in which the resource can be booked."},
}

// String is the code of a reason, which never changes.
func (r Reason) String() string { return reasons[min(r, numReasons-1)].code }

// Sentence is a reason for people.
func (r Reason) Sentence() string { return reasons[min(r, numReasons-1)].text }

// Declines reports whether an instance is declined for that reason.
func (r Reason) Declines() bool { return r > LeftToDelegates }

// Reasons are all of them.
func Reasons() (all []Reason) {
	for r := Kept; r < numReasons; r++ {
		all = append(all, r)
	}
	return all
}
