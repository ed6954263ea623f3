// Package rename gives people other user ids in all that a store keeps: who owns it, who
// may do what in it, who wrote it, and what of other people's calendars it names. csrename,
// admin.md §8.12.
//
// A Mapper changes values of package calendar, all ids at once: names may be exchanged. A
// test goes through all that is stored: what is new there fails it until it is decided
// whether it names people.
// Mail addresses are no user ids and stay, and so does what people have written; of the
// text of objects only addresses change that are made of a user id: of files, and of people
// who have no mail address.
package rename
