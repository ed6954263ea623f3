package locale

import (
	"fmt"
	"strconv"
	"time"
)

var english = Locale{
	Tag:         "en",
	days:        [7]string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"},
	shortDays:   [7]string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"},
	months:      [12]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
	shortMonths: [12]string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"},
	am:          "AM", pm: "PM",
	order: DMY, separator: '/', clock: 24, clock12: "%-I:%M %p",
	dateTime: "%a %d %b %Y %X", stamp: "%b %d, %Y %H:%M:%S %Z", stampDay: "%b %d, %Y",
	long: "%A, %-d %B %Y", longMDY: "%A, %B %-d, %Y",
	short: "%a %-d %B", shortMDY: "%a, %B %-d", year: " %Y", yearMDY: ", %Y",
	fullDate: "%-d %B %Y", fullMDY: "%B %-d, %Y",
	between: " – ", before: ", ", and: " and ", comma: ", ",
	rules: rules{
		daily: func(n int) string {
			if n == 1 {
				return "every day"
			}
			return fill("every {n} days", n)
		},
		workdays: func(n int) string {
			if n == 1 {
				return "Monday to Friday"
			}
			return fill("every {n} weeks, Monday to Friday", n)
		},
		weekly: func(l *Locale, n int, days []time.Weekday) string {
			list := mapped(l, days, func(d time.Weekday) string { return l.days[d] })
			if n == 1 {
				return "every " + list
			}
			return fill("every {n} weeks on ", n) + list
		},
		monthDay: func(l *Locale, n int, days []int) string {
			list := mapped(l, days, func(d int) string {
				if d == -1 {
					return "the last day"
				}
				return "the " + englishNth(d)
			})
			return englishMonths("on "+list, n)
		},
		monthNth: func(l *Locale, n int, nths []int, day int) string {
			return englishMonths("on the "+englishNths(l, nths)+" "+englishDay(l, day), n)
		},
		yearDay: func(m Manner, n int, month time.Month, day int) string {
			date := strconv.Itoa(day) + " " + m.months[month-1]
			if m.dateOrder() == MDY {
				date = m.months[month-1] + " " + strconv.Itoa(day)
			}
			return englishYears("on "+date, n)
		},
		yearNth: func(l *Locale, n int, month time.Month, nths []int, day int) string {
			return englishYears("on the "+englishNths(l, nths)+" "+englishDay(l, day)+" of "+l.months[month-1], n)
		},
		times: func(n int) string {
			if n == 1 {
				return ", once"
			}
			return fill(", {n} times", n)
		},
		until: func(date string) string { return ", until " + date },
		other: "repeated; your calendar shows the dates",
		dates: "on single dates",
	},
	Words: Words{
		PartStat: map[string]string{"ACCEPTED": "accepted", "DECLINED": "declined", "TENTATIVE": "tentative", "DELEGATED": "delegated",
			"NEEDS-ACTION": "no answer yet", "COMPLETED": "done", "IN-PROCESS": "under way"},
		Heading: map[string]string{Invites: "Invitation", Updates: "Changed", Assigns: "Task", Reassigns: "Task changed", Publishes: "Announcement",
			Cancels: "Cancelled", Uninvites: "No longer invited", Takes: "Accepted", Leaves: "Declined", Ponders: "Tentative", Accepts: "Accepted", Declines: "Declined", Hesitates: "Tentative", Delegates: "Delegated", Completes: "Done",
			Works: "Under way", Waits: "No answer yet", Counters: "Another proposal", Refuses: "Proposal declined", Asks: "Please send again", Reminds: "Reminder"},
		Sentence: map[string]string{Invites: "{name} invites you.", Updates: "{name} has changed this event. Please note the new details.",
			Assigns: "{name} asks you to take on a task.", Reassigns: "{name} has changed this task. Please note the new details.",
			Publishes: "{name} would like you to know of this.", Cancels: "Unfortunately, this will not take place: {name} has called it off.",
			Uninvites: "You need not come any more: {name} has taken back the invitation to you.",
			Takes:     "{name} has taken on the task.", Leaves: "{name} cannot take on the task.", Ponders: "{name} may take on the task, but cannot promise it yet.",
			Accepts: "{name} has accepted.", Declines: "{name} has declined.", Hesitates: "{name} may come, but cannot promise it yet.",
			Delegates: "{name} is sending somebody else.", Completes: "{name} has done the task.", Works: "{name} is working on the task.",
			Waits: "{name} has not answered yet.", Counters: "{name} proposes something else.", Refuses: "{name} would rather keep to the plan.",
			Asks: "{name} asks for the latest version.", Reminds: "A reminder."},
		OneDate: "this date only, of a series", More: "{n} more", Nobody: "Somebody",
	},
}

// englishNth is 1st, 2nd, 3rd, 4th and so on.
func englishNth(n int) string {
	switch {
	case n%100/10 == 1:
	case n%10 == 1:
		return strconv.Itoa(n) + "st"
	case n%10 == 2:
		return strconv.Itoa(n) + "nd"
	case n%10 == 3:
		return strconv.Itoa(n) + "rd"
	}
	return strconv.Itoa(n) + "th"
}

func englishNths(l *Locale, nths []int) string {
	return mapped(l, nths, func(n int) string {
		if n < 0 {
			return "last"
		}
		return [...]string{"first", "second", "third", "fourth", "fifth"}[n-1]
	})
}

func englishDay(l *Locale, day int) string {
	if day == workday {
		return "weekday"
	}
	return l.days[day]
}

func englishMonths(what string, n int) string {
	if n == 1 {
		return what + " of every month"
	}
	return fmt.Sprintf("every %d months %s", n, what)
}

func englishYears(what string, n int) string {
	if n == 1 {
		return "every year " + what
	}
	return fmt.Sprintf("every %d years %s", n, what)
}
