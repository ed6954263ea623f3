// Package admission decides what becomes of a scheduling message that comes from
// outside of the site, by mail: whether it is applied, held until its recipient
// decides, or ignored, and why. It is pure: values in, values out.
//
// What a message does to an object is known to server/itip alone; Decide asks it.
// What stands here is whom to believe. A mail says who speaks in three places: in
// its From, in ORGANIZER or ATTENDEE, and by what the mail system of the site found
// out about it. Only where these agree the message is applied. Whoever is not
// invited, passes on, speaks for somebody else or is disowned by his domain is
// held: such a message is never applied, and never lost. RFC 6047 §2.2, §3;
// RFC 5546 §6.1.
package admission
