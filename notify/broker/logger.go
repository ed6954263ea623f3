package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// logger gives what the server of NATS tells to our log: its notices are of no
// interest to an administrator of calendars.
type logger struct {
	log   *slog.Logger
	fatal chan error // why it does not serve, the first time
}

func (l logger) Noticef(format string, v ...any) { l.log.Debug("broker: " + line(format, v)) }
func (l logger) Warnf(format string, v ...any)   { l.log.Warn("broker: " + line(format, v)) }
func (l logger) Errorf(format string, v ...any)  { l.log.Warn("broker: " + line(format, v)) }
func (l logger) Debugf(format string, v ...any)  {}
func (l logger) Tracef(format string, v ...any)  {}

func (l logger) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- errors.New(line(format, v)):
	default:
		l.log.Error("broker: " + line(format, v))
	}
}

func line(format string, v []any) string { return strings.TrimSpace(fmt.Sprintf(format, v...)) }
