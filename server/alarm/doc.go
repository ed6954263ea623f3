// Package alarm tells which alarms of an object the server sends, and when.
//
// The server mails what has ACTION:EMAIL, and publishes alarms for pop-ups (EMAIL,
// DISPLAY and AUDIO). What somebody has acknowledged does not fire again, by
// ACKNOWLEDGED (RFC 9074 §6) or by X-MOZ-LASTACK; what he snoozes does, by an
// alarm of its own (RFC 9074 §7) or by X-MOZ-SNOOZE-TIME.
package alarm
