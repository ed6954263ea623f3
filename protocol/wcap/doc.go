// Package wcap is the WCAP front: it turns the commands of Sun's Web Calendar
// Access Protocol into calls of calendar.Backend, and what the calls return
// into text/calendar, text/xml or text/json.
//
// A command is a GET or POST of <base>/<command>.wcap, where base is "/",
// "/wcap/" or "/iwc/svc/wcap/". The answer has status 200 whatever happened;
// what happened is in X-NSCP-WCAP-ERRNO, once for each calendar asked for.
//
// A command is one file: a func(*call) error with its line in commands.go. It
// reads c.p (params, decoded item by item), calls c.be, and prints with c.out;
// an error that it returns before it printed anything is answered as a block
// with an errno (errno.go has the one table). Rights are the Backend's, as
// everywhere; this package decides only what WCAP alone knows: sessions,
// formats, and the form of a component on this wire (present.go).
//
// The server in front of it must allow for request lines of 64 KiB and more
// (http.Server.MaxHeaderBytes, 1 MiB by default, is enough), sets deadlines
// and may compress.
//
// No log record holds a parameter's value: login.wcap has the password in its
// query, and every other command the session id.
package wcap
