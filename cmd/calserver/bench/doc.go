// Package bench measures the running program from outside: against the
// ceiling (a bare Go HTTP server that sends the same bytes), and, by the script
// peers.sh, against other calendar servers. docs/performance.md has the
// results; make bench repeats them.
package bench
