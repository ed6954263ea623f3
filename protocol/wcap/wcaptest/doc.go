// Package wcaptest tests the WCAP front as its clients meet it: over the real
// model, beside CalDAV, on SQLite and on PostgreSQL, in one process and with
// the back end behind DWP. All that it has is in its tests: testdata/*.script
// are requests with what their answers must say, in every format; the order of
// calls of the reference client; the law that what one protocol writes the
// other reads; bad input; and the benchmarks beside CalDAV.
package wcaptest
