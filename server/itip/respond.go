package itip

import (
	"factotum/server/calendar"
	"factotum/server/edit"
	"factotum/server/ical"
	"factotum/server/recur"
)

// Response is what the server answers for the owner: to a component of his copy,
// or to one instance of it.
type Response struct {
	Of       *ical.Component // of the copy
	Instance *recur.Instance // nil: all that the component stands for
	PartStat string          // RFC 5545 §3.2.12
	Kept     bool            // he has said so before: nobody is told
	Transp   string          // TRANSP of his copy from now on, "" as it is
	Comment  string          // the reason for the organizer, in the reply
}

// Respond answers for the owner, in a copy that a message has just changed: what
// follows is as if he had done so himself (Attend). Answers that came along with
// the message count for nothing.
func (p *Party) Respond(copy *ical.Component, responses []Response) (Change, error) {
	before, after := copy.Clone(), copy.Clone()
	at := map[*ical.Component]int{}
	for i, c := range copy.Children {
		at[c] = i
	}
	zones, float := recur.ZonesOf(copy), p.Floating
	if float == nil {
		float = recur.UTC
	}
	comments := map[string]string{}
	var grown growth
	for _, r := range responses {
		var c *ical.Component
		if r.Instance != nil {
			if err := grown.add(r.Instance.Comp); err != nil {
				return Change{}, err
			}
			c = edit.Override(*r.Instance, zones, float)
			c.Prop("RECURRENCE-ID").DelParam("RANGE")
			after.AddChild(c)
		} else if i, ok := at[r.Of]; ok {
			c = after.Children[i]
			if line := attendee(before.Children[i], p.Owner.HasAddress); line != nil && !r.Kept {
				line.SetParam("PARTSTAT", "NEEDS-ACTION")
				line.DelParam(revisionParam)
			}
		}
		line := attendee(c, p.Owner.HasAddress)
		if line == nil {
			continue
		}
		if line.SetParam("PARTSTAT", r.PartStat); !r.Kept {
			line.DelParam(revisionParam)
		}
		if r.Transp != "" {
			c.Set("TRANSP", r.Transp)
		}
		comments[instanceName(c)] = r.Comment
	}
	ch, err := p.Attend(before, after, true)
	if err != nil {
		return ch, err
	}
	for _, m := range ch.Messages {
		if m.Method != Reply {
			continue
		}
		for _, c := range m.Calendar.Children {
			if text := comments[instanceName(c)]; text != "" && c.Name != "VTIMEZONE" {
				c.Del("COMMENT")
				c.SetText("COMMENT", text)
			}
		}
	}
	return ch, nil
}

// instanceName is how the copy writes which instance a component is.
func instanceName(c *ical.Component) string { return c.Value("RECURRENCE-ID") }

// Transparency is the TRANSP that an answer gives the copy of a room or another
// resource: what it has declined takes no time of it. "" leaves it as it is.
func Transparency(c *ical.Component, resource calendar.Person) string {
	line := attendee(c, resource.HasAddress)
	switch answer(line) {
	case "ACCEPTED", "TENTATIVE":
		return "OPAQUE"
	case "DECLINED", "DELEGATED":
		return "TRANSPARENT"
	}
	return ""
}
