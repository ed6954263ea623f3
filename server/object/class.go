package object

import (
	"strings"

	"factotum/server/ical"
)

// Class is what the CLASS of components counts as, that of the strictest: 0
// public, 1 private, 2 confidential. Whatever is not known is private, and so
// is what is spelled in another way, with blanks of other scripts too:
// RFC 5545 §3.8.1.3.
func Class(comps []*ical.Component) (class uint8) {
	for _, c := range comps {
		for p := range c.All("CLASS") {
			switch strings.ToUpper(strings.Trim(p.Value, " \t")) {
			case "PUBLIC":
			case "CONFIDENTIAL":
				class = max(class, 2)
			default:
				class = max(class, 1)
			}
		}
	}
	return class
}
