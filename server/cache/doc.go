// Package cache answers reads, each from one state of one owner's home, and
// keeps in memory what is read often.
//
// A use case is a function over a View, and Read runs it. A View is one state:
// all that it answers was true together, after some commit and before the next.
// There are two: one is a read transaction of the store; the other is pinned to
// a state in memory and reads from the store only what is missing there. When
// it cannot prove that what it would read belongs to its state, the function
// runs again with the newest one, and after some such restarts with the
// transaction. So a function over a View forgets what an earlier run left, and
// gives nothing away before Read has returned.
//
// # What is kept
//
// For each owner in use there is a home with the number of its last change.
// Beside it are
//
//   - the state: the home's row and its calendars;
//   - the log: what the latest changes did, each with its number, no gaps;
//   - objects with their texts, and parsed forms of some;
//   - for a calendar, the list of its members, and months of instances.
//
// # Why it is right
//
// Each of these is a value that nobody changes once others can see it. What is
// kept of a calendar is found under the calendar's incarnation, and so never
// taken for that of another one of the same name.
//
//  1. A commit makes the next state from the last and publishes it, in the
//     order of the numbers and before its writer is told of the success. With
//     it, under one lock, go the objects that it replaced.
//  2. An object has the number since which it holds: it holds from there to
//     the last number that was published. A View takes it if its own number is
//     not below.
//  3. A list or a month has the number that it is at. A View of a later number
//     makes its own from it and the log, by a pure function; one of an earlier
//     number restarts.
//  4. What is read from the store has the number of its snapshot, which is
//     read in the same transaction. A View takes it if no change between its
//     own number and that one touched it, as the log tells; it is kept if none
//     did between that one and the last. A snapshot whose number is not
//     published yet waits for it, and so does a View that is a transaction:
//     who comes later is never told of an earlier state.
//  5. What is told to be kept elsewhere, on front ends, has the lineage of the
//     entry and the number: they stand for one state, in this process's life
//     and as long as the entry is not forgotten. From an earlier number of the
//     same lineage the log leads to the View's; any other is not known.
//
// # Who else writes
//
// One process writes, which is what makes the cache possible, and the numbers
// show when another did: one is missing in what was committed, a snapshot is
// ahead of all that this process has under way, or it is behind what was
// published, as when an old copy of the store is put in its place. Then the
// home is forgotten, an error is logged and counted, and the answer comes from
// the store. What goes unnoticed is another writer who stops at exactly the
// published number: there the locks of the store are the only guard.
package cache
