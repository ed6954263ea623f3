// Package notify is the root of the channels over which the server tells
// people of what happens in their calendars: a job from the store becomes a
// message. Each channel is a package below it: invitations by mail (iMIP),
// reminders by mail, the event notification service, pop-ups. This release has
// none of them yet: CalDAV clients learn of changes by asking.
package notify
