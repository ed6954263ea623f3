package calendar

// deliveryReasons are the reasons of delivery, for people.
var deliveryReasons = map[string]string{
	ReasonQueued:      "It is stored, and on its way.",
	ReasonDelivered:   "It is on the recipient's calendar.",
	ReasonUnknownUser: "Nobody here has this address.",
	ReasonDisabled:    "The recipient may not use the calendar service.",
	ReasonNoRights:    "The recipient does not let the sender schedule with him.",
	ReasonOutside:     "The address is not of this site.",
	ReasonDelayed:     "It could not be brought yet, and is tried again.",
	ReasonGivenUp:     "It could not be brought, and is not tried any more.",
	ReasonUnsure:      "It is not tried any more, and may have arrived: a mail server's answer to it was lost.",
	ReasonNotStored:   "The recipient's calendar does not take it.",
	ReasonNoCalendar:  "The recipient has no calendar, and is not given one for an invitation.",
	ReasonDropped:     "An administrator took it from the queue.",
	ReasonMailed:      "It went out by mail.",
	ReasonLate:        "It could not be mailed for a long time, and is tried still.",
	ReasonReturned:    "The recipient's mail system does not take it.",
	ReasonPast:        "All of it is over, and nobody is mailed about what is over.",
	ReasonWithdrawn:   "It was taken back before it went out by mail.",
}

// DeliveryReason is a reason of delivery as a sentence, "" for what is none.
func DeliveryReason(code string) string { return deliveryReasons[code] }
