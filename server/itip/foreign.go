package itip

import (
	"slices"
	"strings"

	"factotum/server/ical"
)

// ours begins the names of what the server writes for itself alone.
const ours = "X-FACTOTUM-"

// Bare takes out of a message what the server writes for itself alone: nobody
// elsewhere is told, and what a stranger writes under such a name is not believed.
func Bare(cal *ical.Component) {
	for _, c := range cal.Children {
		c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool { return strings.HasPrefix(strings.ToUpper(p.Name), ours) })
		for i := range c.Props {
			c.Props[i].KeepParams(func(name string) bool { return !strings.HasPrefix(strings.ToUpper(name), ours) })
		}
	}
}
