// Package archive makes backups of a calendar.Store, tries them, and restores them.
//
// Every transaction is a line of a log as it commits (Store, recorder), in the words of
// calendar.Tx. A snapshot has an image of each home in the same words. Both are done again
// in another store (Restore), of any engine, up to any moment. A Keeper sees to the log, to
// snapshots, to their proof and to how long they stay. admin.md §9.
package archive
