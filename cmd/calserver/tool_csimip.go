package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"syscall"
	"time"

	smtp "github.com/emersion/go-smtp"

	"factotum/notify/imip"
)

// The exit codes of programs that mail systems call: sysexits.h.
const (
	exitDataErr  = 65
	exitNoUser   = 67
	exitTempFail = 75
)

func init() { register("csimip", "Take in a mail about meetings, from a pipe", runCSImip) }

const csimipUsage = `usage: csimip [-C ics.conf] [-f sender] [-r recipient | recipient ...] < mail
       csimip held list|show|accept|reject ...

Reads one mail and hands it to the server of this host, as a mail system's pipe does. Without a
recipient it is for whom Delivered-To, X-Original-To or Envelope-To names.
"csimip held -?" tells how what is held is shown, accepted and rejected.

Exit status: 0 done, 64 called wrongly, 65 the mail is too large or names nobody, 67 nobody here has
the address, 75 not possible now: try again.
`

// runCSImip is csimip: for mail systems that hand over by a pipe.
func runCSImip(ctx context.Context, args []string, std stdio) int {
	for i, a := range args {
		if a == "held" {
			return runHeld(ctx, slices.Concat(args[:i], args[i+1:]), std)
		}
		if !slices.Contains([]string{"-q", "-v", "-j", "--quiet", "--yes", "--verbose", "--json"}, a) {
			break
		}
	}
	var conf, from string
	var to []string
	for len(args) > 0 {
		flag := args[0]
		args = args[1:]
		if flag == "-h" || flag == "--help" {
			fmt.Fprint(std.out, csimipUsage)
			return 0
		}
		if !strings.HasPrefix(flag, "-") {
			to = append(to, flag)
			continue
		}
		if len(args) == 0 {
			return imipCalledWrongly(std)
		}
		switch flag {
		case "-C":
			conf = args[0]
		case "-f":
			from = strings.Trim(args[0], "<>")
		case "-r":
			to = append(to, args[0])
		default:
			return imipCalledWrongly(std)
		}
		args = args[1:]
	}
	code, err := imipHandOver(ctx, conf, from, to, std)
	if err != nil {
		fmt.Fprintln(std.err, "csimip:", err)
	}
	return code
}

func imipCalledWrongly(std stdio) int {
	fmt.Fprint(std.err, csimipUsage)
	return 64
}

// imipHandOver brings what is on standard input to the server. What is not known to be
// done is to be tried again.
func imipHandOver(ctx context.Context, conf, from string, to []string, std stdio) (int, error) {
	most := int64(imip.DefaultLimits.Mail)
	mail, err := io.ReadAll(io.LimitReader(std.in, most+1))
	if err != nil {
		return exitTempFail, fmt.Errorf("read the mail: %w", err)
	}
	if int64(len(mail)) > most {
		return exitDataErr, fmt.Errorf("the mail has more than %d octets", most)
	}
	if line, rest, ok := bytes.Cut(mail, []byte("\n")); ok && bytes.HasPrefix(line, []byte("From ")) {
		mail = rest // of a mailbox file
	}
	if len(to) == 0 {
		if to = imipDeliveredTo(mail); len(to) == 0 {
			return exitDataErr, errors.New("whom the mail is for stands neither in the arguments nor in Delivered-To, X-Original-To or Envelope-To")
		}
	}
	cfg, err := loadConfig(conf, nil)
	if err != nil {
		return exitTempFail, err
	}
	path, err := socketPath(imipSocket(cfg))
	if err != nil {
		return exitTempFail, err
	}
	c, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return exitTempFail, fmt.Errorf("csstored is not running (no answer at %s)", imipSocket(cfg))
	case err != nil:
		return exitTempFail, fmt.Errorf("reach csstored: %w", err)
	}
	client := smtp.NewClientLMTP(c)
	defer client.Close()
	return imipSend(client, from, to, mail)
}

// imipDeliveredTo is whom a mail was delivered to, by the field that the mail system
// wrote last.
func imipDeliveredTo(mail []byte) []string {
	h, _ := textproto.NewReader(bufio.NewReader(bytes.NewReader(mail))).ReadMIMEHeader()
	for _, name := range []string{"Delivered-To", "X-Original-To", "Envelope-To"} {
		if v := strings.Trim(strings.TrimSpace(h.Get(name)), "<>"); strings.Contains(v, "@") {
			return []string{v}
		}
	}
	return nil
}

// imipSend tells the worst of the answers: what failed for now comes before what
// fails for ever, so that everybody is tried again, which does nothing twice.
func imipSend(client *smtp.Client, from string, to []string, mail []byte) (int, error) {
	if err := client.Mail(from, nil); err != nil {
		return imipCode(err), fmt.Errorf("hand over the mail: %w", err)
	}
	worst, why := 0, error(nil)
	note := func(rcpt string, err error) {
		if code := imipCode(err); code > worst {
			worst, why = code, fmt.Errorf("%s: %w", rcpt, err)
		}
	}
	taken := 0
	for _, rcpt := range to {
		if err := client.Rcpt(rcpt, nil); err != nil {
			note(rcpt, err)
			continue
		}
		taken++
	}
	if taken == 0 {
		return worst, why
	}
	w, err := client.Data()
	if err == nil {
		if _, err = w.Write(mail); err == nil {
			err = w.Close()
		}
	}
	var each smtp.LMTPDataError
	if errors.As(err, &each) {
		for rcpt, err := range each {
			note(rcpt, err)
		}
	} else if err != nil {
		note("the mail", err)
	}
	client.Quit()
	return worst, why
}

// imipCode is an answer as an exit code, 0 for nil.
func imipCode(err error) int {
	var said *smtp.SMTPError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &said) || said.Temporary():
		return exitTempFail
	case said.EnhancedCode == smtp.EnhancedCode{5, 1, 1}:
		return exitNoUser
	}
	return exitDataErr
}
