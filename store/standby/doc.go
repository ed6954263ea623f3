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
//
// By these alone the active one serves nothing when it loses its standby, which may have taken over. With a
// witness one of them goes on. That keeps a register, an epoch and who holds it, and grants a
// higher epoch to who names the one that is there (Register). What may happen, where A is the active host, B
// its standby, W the witness, and (e, A) what the register has:
//
//	A  before it admits B, which is withdrawn: asks for a new epoch e until it knows the answer. Granted:
//	   it writes e, then "paired, W decides", then admits B with that. No answer, or B names another
//	   witness: it admits B as if there were no W, and the lease alone decides in this pairing.
//	A  paired, W decides, no answer of B for four seconds, or since its start: asks for (e+1, A). From now on it takes no answer
//	   of B for what it was, but withdraws it first. Granted: it writes e+1, "alone", and serves. Refused: it
//	   serves no longer than its lease, and waits for B.
//	B  admitted, W decides, the lease and more is over, or it is told to take over: asks for (e+1, B) until it knows the answer, and
//	   answers A meanwhile that it does: that is no lease. Granted: it writes e+1, "active", and serves. Refused:
//	   it is not admitted any more. Withdrawn by A, or stopped: what it asked for counts for nothing, whatever W says.
//	A  serves, and W does not decide: asks for a higher epoch, so that what others asked for before
//	   is refused. When both are paired and W answers, there is a new pairing.
//	A  paired, W decides and does not answer for half a minute, or has another register: there is a new pairing.
//
// So both base what they ask for on the same e, and one of them at most is granted it. Each pairing in which W decides has an epoch
// that nobody had before: what was asked for in an earlier one comes late for nothing. While both are well nobody waits for W.
package standby
