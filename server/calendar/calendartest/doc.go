// Package calendartest holds the contract that every calendar.Backend keeps
// (Run), and two simple parts for tests above the store: a Store in memory and
// a directory of fixed people.
package calendartest
