// Package notify is the root of the channels over which the server tells
// people of what happens in their calendars: a job from the store becomes a
// message. Each channel is a package below it. This release has one part of one,
// imip, which reads mail about meetings; nothing is sent yet, and CalDAV clients
// learn of changes by asking.
package notify
