// Package sqlstore is calendar.Store on SQLite, embedded, and on PostgreSQL.
//
// A transaction (tx) is written once, in one SQL text for both engines; it
// talks to its engine through the small interface conn. What differs lies
// below: the SQLite engine owns its file, lets one goroutine write and groups
// what waits into one durable commit; the PostgreSQL engine does the same for
// each owner, waits for no owner's sake on another, and holds a lease so that no
// second daemon serves the same database.
//
// A SQLite file that SQLite refuses is read page by page into a new one
// (salvage*.go): csdb recover.
//
// The tables and the reason for every index are in package migrations. Rules
// that callers keep: fn does no I/O and may run more than once; neither fn nor
// what OnCommit runs starts an Update of the same store (it would wait for
// itself), and the latter is quick, since the writer waits for it. Slices and
// strings handed out are the caller's to keep; an *ObjectRow passed to a
// function is valid during the call only.
package sqlstore
