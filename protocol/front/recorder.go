package front

import (
	"net/http"
	"time"
)

// stride is how much of an answer is sent without looking at the deadline: less
// than what lies in the buffers of a connection whose client does not read.
const stride = 128 << 10

// recorder is the answer on its way: it counts, stops the clock of the work
// when the answer begins, and moves the connection's deadline forward while
// the client takes it in.
type recorder struct {
	http.ResponseWriter
	work     *work // the context of the request
	start    time.Time
	extended time.Time
	patience time.Duration
	status   int // 0: nothing sent yet
	bytes    int64
	counted  int64 // of bytes, at the last extension
	user     string
	agent    string
	host     string // by which the client calls us, without a port
	in       *body  // nil: none, or not to be read ahead
	cut      bool   // the handler panicked: what compression still has is dropped
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.cut {
		return
	}
	if r.status == 0 && status >= 200 {
		r.status = status
		r.begin()
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) {
	if r.cut {
		return len(p), nil
	}
	if r.status == 0 {
		r.status = http.StatusOK
		r.begin()
	} else if now := time.Now(); now.Sub(r.extended) > r.patience/8 || r.bytes-r.counted > stride {
		r.extend(now)
	}
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// Flush implements http.Flusher.
func (r *recorder) Flush() {
	if !r.cut {
		http.NewResponseController(r.ResponseWriter).Flush()
	}
}

func (r *recorder) begin() {
	r.work.begun()
	r.extended = r.start // the server's own deadline holds until the first extension
}

func (r *recorder) extend(now time.Time) {
	r.extended, r.counted = now, r.bytes
	http.NewResponseController(r.ResponseWriter).SetWriteDeadline(now.Add(r.patience)) // what cannot be set stays as it is
}
