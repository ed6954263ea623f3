package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	smtp "github.com/emersion/go-smtp"
)

// Step is where in a session something went wrong.
type Step string

const (
	Connecting Step = "connect"
	Greeting   Step = "greeting"
	Securing   Step = "starttls"
	LoggingIn  Step = "auth"
	Envelope   Step = "mail"
	Recipient  Step = "rcpt"
	Data       Step = "data"
	End        Step = "end of data"
)

// Failure is why a message was not delivered at an attempt.
type Failure struct {
	Host string // host:port of the server that was asked; behind a domain in brackets, if its MX records name it
	Step Step
	Code int    // the reply code, 0 where there was none
	Text string // the server's words, or what happened to the connection, on one line

	// Permanent says that another attempt would not do better.
	Permanent bool
	// Server says that it concerns all that goes by this server.
	Server bool
	// Uncertain says that the message may have been taken: the connection broke
	// when it was sent and before the answer came. RFC 5321 §4.5.3.2.6.
	Uncertain bool
	// Broken says that the connection is of no use any more.
	Broken bool
	Err    error
}

func (f *Failure) Error() string {
	if f.Code != 0 {
		return fmt.Sprintf("%s: %s: %d %s", f.Host, f.Step, f.Code, f.Text)
	}
	return fmt.Sprintf("%s: %s: %s", f.Host, f.Step, f.Text)
}

// ParseFailure reads what Failure.Error spells: host, step, code and text.
func ParseFailure(s string) (f Failure, ok bool) {
	parts := strings.SplitN(s, ": ", 3)
	if len(parts) < 3 {
		return f, false
	}
	switch f = (Failure{Host: parts[0], Step: Step(parts[1]), Text: parts[2]}); f.Step {
	case Connecting, Greeting, Securing, LoggingIn, Envelope, Recipient, Data, End:
	default:
		return Failure{}, false
	}
	if code, rest, _ := strings.Cut(f.Text, " "); len(code) == 3 && code >= "200" && code <= "599" {
		if n, err := strconv.Atoi(code); err == nil {
			f.Code, f.Text = n, rest
		}
	}
	return f, true
}

// OverQuota reports whether the recipient's mailbox is full. RFC 3463 §3.3.
func (f *Failure) OverQuota() bool {
	if f.Code == 552 && !strings.HasPrefix(f.Text, "5.3.") || strings.HasPrefix(f.Text, "4.2.2 ") || strings.HasPrefix(f.Text, "5.2.2 ") {
		return true
	}
	text := strings.ToLower(f.Text)
	return f.Code/100 == 4 && (strings.Contains(text, "quota") || strings.Contains(text, "mailbox full") || strings.Contains(text, "mailbox is full"))
}

func (f *Failure) Unwrap() error { return f.Err }

// judge makes a Failure of an error at a step.
func judge(host string, step Step, err error) *Failure {
	f := &Failure{Host: host, Step: step, Err: err}
	var reply *smtp.SMTPError
	if !errors.As(err, &reply) {
		f.Text, f.Broken = cause(err), true
		f.Uncertain = step == End
		f.Server = step == Connecting || step == Greeting || step == Securing || step == LoggingIn
		return f
	}
	f.Code, f.Text = reply.Code, oneLine(reply)
	f.Broken = reply.Code == 421
	switch step {
	case Envelope, Recipient, Data, End:
		f.Server = reply.Code == 421
		f.Permanent = reply.Code >= 500 && !full(reply)
	default: // that a server turns us away is for its administrator to mend, or ours
		f.Server, f.Broken = true, true
	}
	return f
}

// full reports whether somebody's mailbox is full, which passes like trouble of the
// network: admin.md §22. RFC 3463 §3.3.
func full(reply *smtp.SMTPError) bool {
	return reply.EnhancedCode == smtp.EnhancedCode{5, 2, 2} || reply.Code == 552 && reply.EnhancedCode[1] != 3
}

func oneLine(reply *smtp.SMTPError) string {
	text := strings.Join(strings.Fields(reply.Message), " ")
	if c := reply.EnhancedCode; c[0] > 0 {
		text = fmt.Sprintf("%d.%d.%d %s", c[0], c[1], c[2], text)
	}
	return text
}

// cause says what happened to a connection, in the words that administrators know.
func cause(err error) string {
	var dns *net.DNSError
	var number syscall.Errno
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such host"
	case errors.As(err, &dns):
		return "the name cannot be looked up at the moment: " + dns.Err
	case errors.Is(err, context.Canceled):
		return "cut short"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.As(err, &number):
		return number.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return "the server has closed the connection"
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}
