// Package standby has two back ends hold the same calendars, of which one serves (it is
// active) and the other, the standby, takes over when it hears nothing any more.
//
// The active one tells of each group of transactions before it is committed, so that nobody
// sees what the standby has not got (sync), or after it was committed. What the standby
// answers is a lease: the active one serves only until a while after it sent what was answered
// last, and the standby, which counts from when that came, takes over later than that. So never do both.
// Each take-over has a number, the epoch, that is on the disk before anybody is served; who hears of a
// higher one than his own is deposed.
//
// The rules, in short:
//
//   - A standby takes over only while it is admitted. It is not when its process begins, nor
//     after StandbyWithdraw, a clean stop, or a failure to do what it was sent.
//   - The active one writes "paired" to its disk before it admits a standby, and takes it away
//     only after that said that it is not admitted, or when the administrator says so. While it
//     is paired it needs a lease, after a restart too.
//   - A pairing has a name (Stream) that is new each time; what comes late of another is
//     refused, so that no old admission admits.
package standby
