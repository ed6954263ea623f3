// Package notify is the root of the channels over which the server tells
// people of what happens in their calendars: a job from the store becomes a
// message. Each channel is a package below it. imip reads mail about meetings.
// What a mail to people says is made by letter, from templates that letterfile
// finds, in the words of locale. Nothing is sent yet, and CalDAV clients learn of
// changes by asking.
package notify
