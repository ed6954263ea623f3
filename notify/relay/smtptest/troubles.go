package smtptest

import (
	"crypto/tls"
	"errors"
	"strings"
	"sync"
	"time"
)

// Trouble is how servers treat who sends them mail.
type Trouble struct {
	Name string
	// Takes says that all mail is taken in the end, Again that one may be taken
	// twice, since the answer to it is lost.
	Takes, Again bool
	// Rules are those of one server, which lets wait for so long.
	Rules func(wait time.Duration) Rules
}

// Troubles are all kinds of them, but for servers that are not there.
var Troubles = []Trouble{
	{"4xx at first", true, false, func(time.Duration) Rules { return Rules{Reply: first("RCPT", "450 4.7.1 come again")} }},
	{"4xx for ever", false, false, func(time.Duration) Rules { return Rules{Reply: always("RCPT", "451 4.3.0 trouble here")} }},
	{"5xx", false, false, func(time.Duration) Rules { return Rules{Reply: always("RCPT", "550 5.1.1 no such user")} }},
	{"5xx after the message", false, false, func(time.Duration) Rules { return Rules{Reply: always(".", "554 5.7.1 not wanted")} }},
	{"tarpit", true, false, func(wait time.Duration) Rules { return Rules{Delay: wait} }},
	{"slow banner", true, false, func(wait time.Duration) Rules {
		return Rules{Reply: func(_ *Conn, verb, _ string) string {
			if verb == "" {
				time.Sleep(wait)
			}
			return ""
		}}
	}},
	{"no answer", false, false, func(time.Duration) Rules { return Rules{Reply: always("RCPT", Silence)} }},
	{"drop before the message", true, false, func(time.Duration) Rules { return Rules{Reply: first("DATA", HangUp)} }},
	{"drop before the answer", true, true, func(time.Duration) Rules { return Rules{Reply: first(".", TakeAndHangUp)} }},
	{"drop after the answer", true, false, func(time.Duration) Rules { return Rules{Reply: always(".", AnswerAndHangUp)} }},
	{"drop at once", false, false, func(time.Duration) Rules { return Rules{Reply: always("", HangUp)} }},
	{"TLS failure", true, false, func(time.Duration) Rules {
		return Rules{TLS: &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("none") }}}
	}},
	{"three recipients", true, false, func(time.Duration) Rules {
		return Rules{Reply: func(c *Conn, verb, _ string) string {
			if verb == "RCPT" && c.Messages >= 3 {
				return "452 4.5.3 too many recipients"
			}
			return ""
		}}
	}},
}

func always(verb, reply string) func(*Conn, string, string) string {
	return func(_ *Conn, v, _ string) string {
		if v == verb {
			return reply
		}
		return ""
	}
}

// first gives an answer once for each recipient.
func first(verb, reply string) func(*Conn, string, string) string {
	var mu sync.Mutex
	seen := map[string]bool{}
	return func(c *Conn, v, arg string) string {
		if v != verb {
			return ""
		}
		to := c.To
		if verb == "RCPT" {
			to = address(arg)
		}
		mu.Lock()
		defer mu.Unlock()
		if to = strings.ToLower(to); seen[to] {
			return ""
		}
		seen[to] = true
		return reply
	}
}
