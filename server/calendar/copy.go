package calendar

// Parcel is what a copy or move to another owner takes along.
type Parcel struct {
	Object Object       // with its text and dead properties
	Files  []Attachment // those that its text names and that it has

	// Done is the outcome of a move that ended before under the same request
	// token. Then there is nothing else in the parcel, and nothing left to do.
	Done *CopyResult
}

// MaxParcel is how many octets of files a Parcel may have: it goes in one
// message.
const MaxParcel = 40 << 20

// CopyInRequest stores a Parcel where Copy says.
type CopyInRequest struct {
	Copy   CopyRequest
	Parcel Parcel
}

// Moved says of a deletion that it is the end of a move to another owner.
type Moved struct {
	To     Ref
	Result CopyResult // what CopyIn answered
}
