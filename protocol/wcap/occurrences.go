package wcap

import (
	"errors"

	"factotum/server/calendar"
)

// errRespelled says that a calid means another than was asked about.
var errRespelled = errors.New("calids were looked up")

// occurrences asks what takes place in the calendars of a list, all of them at
// once. opened is told when it is known which of them there are: by then their
// errors are in the list, and heads has the others' descriptions, by place. Then
// take gets what was found, one calendar after the other; an error of a
// calendar among it.
func (c *call) occurrences(list []target, req calendar.OccurrencesRequest, opened func(heads []calendar.OccurrencesResult) error, take func(i int, r *calendar.OccurrencesResult) error) error {
	ask := func(again bool) error {
		var asked []int
		req.Calendars = nil
		for i := range list {
			if list[i].err == nil {
				asked, req.Calendars = append(asked, i), append(req.Calendars, list[i].id)
			}
		}
		heads := make([]calendar.OccurrencesResult, len(list))
		if len(asked) == 0 {
			return opened(heads)
		}
		n := 0
		err := c.be.Occurrences(c.ctx, c.who, req, func(r calendar.OccurrencesResult) error {
			if n == len(asked) {
				if i := asked[r.Index]; list[i].err == nil {
					return take(i, &r)
				}
				return nil // of a calendar that is none here
			}
			heads[asked[n]] = r
			if n++; n < len(asked) {
				return nil
			}
			if !again && c.respellAll(list, asked, heads) {
				return errRespelled
			}
			for _, i := range asked {
				list[i].err = c.knownOr(&list[i], heads[i].Calendar, heads[i].Err)
			}
			return opened(heads)
		})
		if err == nil && n < len(asked) {
			err = &calendar.Error{Kind: calendar.Internal, Op: c.name, Err: errors.New("calendars without an answer")}
		}
		return err
	}
	err := ask(false)
	if errors.Is(err, errRespelled) {
		err = ask(true)
	}
	return err
}

// respellAll looks up the owners of the calendars that are not there.
func (c *call) respellAll(list []target, asked []int, heads []calendar.OccurrencesResult) (any bool) {
	for _, i := range asked {
		if err := heads[i].Err; err != nil && c.respell(&list[i], err) {
			any = true
		}
	}
	return any
}
