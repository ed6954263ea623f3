// Package move moves homes between back ends while they are used: csmove.
//
// The source copies an image of the home to the target, into a home that nobody can
// reach, while writes go on. Then it sends what was committed meanwhile, until that is
// little, and has writes wait for the rest. Digests of every calendar are compared, of the
// copy and of what came after it. Then the directory (icsDWPHost) is switched: that alone decides
// where the home is. The target makes its home active, and the source drops its own, and
// answers from then on that the home has moved, and where to.
//
// Each side has a mark beside the home, a job of kind calendar.JobMove, from before its first
// step. After a restart both ask the directory: the source goes on with what is here still, and
// asks the target to serve what is there; the target drops what is not complete, and what
// the source knows nothing of. So the home is always on one side, whatever was killed, and
// when; where neither can know which, nobody is answered.
//
// Change numbers are the home's own and travel with it, and so do ETags, sync-tokens,
// Schedule-Tags, outcomes of requests, jobs, registrations, the journal and the history.
package move
