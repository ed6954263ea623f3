// Package webpush has what a message to a push service is made of: its text
// encrypted for the client (RFC 8291), and the proof of who sends it (VAPID, RFC
// 8292). It sends nothing.
package webpush
