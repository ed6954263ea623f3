package calendar

// WhyRequest asks for what happened to scheduling messages at the side of one
// owner, and what the server decided for him.
type WhyRequest struct {
	Owner Owner
	Query TraceQuery // Limit 0 = as many as one answer has
}

// WhyAnswer is a part of a journal, in the order that was asked for.
type WhyAnswer struct {
	Traces []Trace
	More   bool // there are others: the next question has the last id as After
}
