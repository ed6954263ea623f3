package locale

import (
	"fmt"
	"strconv"
	"time"
)

var german = Locale{
	Tag:         "de",
	days:        [7]string{"Sonntag", "Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag"},
	shortDays:   [7]string{"So", "Mo", "Di", "Mi", "Do", "Fr", "Sa"},
	months:      [12]string{"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"},
	shortMonths: [12]string{"Jan", "Feb", "Mär", "Apr", "Mai", "Jun", "Jul", "Aug", "Sep", "Okt", "Nov", "Dez"},
	am:          "AM", pm: "PM",
	order: DMY, separator: '.', clock: 24, clock12: "%-I:%M %p",
	dateTime: "%a %d. %b %Y %X", stamp: "%d. %b %Y %H:%M:%S %Z", stampDay: "%d. %b %Y",
	long: "%A, %-d. %B %Y", short: "%a %-d. %B", year: " %Y",
	fullDate: "%-d. %B %Y",
	between:  " – ", before: ", ", and: " und ", comma: ", ",
	rules: rules{
		daily: func(n int) string {
			if n == 1 {
				return "täglich"
			}
			return fill("alle {n} Tage", n)
		},
		workdays: func(n int) string {
			if n == 1 {
				return "von Montag bis Freitag"
			}
			return fill("alle {n} Wochen von Montag bis Freitag", n)
		},
		weekly: func(l *Locale, n int, days []time.Weekday) string {
			list := mapped(l, days, func(d time.Weekday) string { return l.days[d] })
			if n == 1 {
				return "jeden " + list
			}
			return fill("alle {n} Wochen am ", n) + list
		},
		monthDay: func(l *Locale, n int, days []int) string {
			list := mapped(l, days, func(d int) string {
				if d == -1 {
					return "letzten Tag"
				}
				return strconv.Itoa(d) + "."
			})
			return germanMonths("am "+list, n)
		},
		monthNth: func(l *Locale, n int, nths []int, day int) string {
			return germanMonths("am "+germanNths(l, nths)+" "+germanDay(l, day), n)
		},
		yearDay: func(m Manner, n int, month time.Month, day int) string {
			return germanYears(fmt.Sprintf("am %d. %s", day, m.months[month-1]), n)
		},
		yearNth: func(l *Locale, n int, month time.Month, nths []int, day int) string {
			return germanYears("am "+germanNths(l, nths)+" "+germanDay(l, day)+" im "+l.months[month-1], n)
		},
		times: func(n int) string {
			if n == 1 {
				return ", einmal"
			}
			return fill(", {n}-mal", n)
		},
		until: func(date string) string { return ", bis zum " + date },
		other: "wiederholt; Ihr Kalender zeigt die Termine",
		dates: "an einzelnen Tagen",
	},
	Words: Words{
		PartStat: map[string]string{"ACCEPTED": "zugesagt", "DECLINED": "abgesagt", "TENTATIVE": "mit Vorbehalt", "DELEGATED": "abgegeben",
			"NEEDS-ACTION": "noch ohne Antwort", "COMPLETED": "erledigt", "IN-PROCESS": "in Arbeit"},
		Heading: map[string]string{Invites: "Einladung", Updates: "Geändert", Assigns: "Aufgabe", Reassigns: "Aufgabe geändert", Publishes: "Ankündigung",
			Cancels: "Abgesagt", Uninvites: "Einladung zurückgenommen", Takes: "Übernommen", Leaves: "Abgelehnt", Ponders: "Mit Vorbehalt", Accepts: "Zusage", Declines: "Absage", Hesitates: "Zusage mit Vorbehalt", Delegates: "Vertretung", Completes: "Erledigt",
			Works: "In Arbeit", Waits: "Noch keine Antwort", Counters: "Gegenvorschlag", Refuses: "Vorschlag abgelehnt", Asks: "Bitte noch einmal senden", Reminds: "Erinnerung"},
		Sentence: map[string]string{Invites: "{name} lädt Sie ein.", Updates: "{name} hat diesen Termin geändert. Bitte beachten Sie die neuen Angaben.",
			Assigns: "{name} bittet Sie, eine Aufgabe zu übernehmen.", Reassigns: "{name} hat diese Aufgabe geändert. Bitte beachten Sie die neuen Angaben.",
			Publishes: "{name} möchte Sie hierauf hinweisen.", Cancels: "Leider findet dies nicht statt: {name} hat es abgesagt.",
			Uninvites: "Sie brauchen nicht mehr zu kommen: {name} hat die Einladung an Sie zurückgenommen.",
			Takes:     "{name} übernimmt die Aufgabe.", Leaves: "{name} kann die Aufgabe nicht übernehmen.", Ponders: "{name} übernimmt die Aufgabe vielleicht, kann es aber noch nicht versprechen.",
			Accepts: "{name} hat zugesagt.", Declines: "{name} hat abgesagt.", Hesitates: "{name} kommt vielleicht, kann es aber noch nicht versprechen.",
			Delegates: "{name} schickt eine Vertretung.", Completes: "{name} hat die Aufgabe erledigt.", Works: "{name} arbeitet an der Aufgabe.",
			Waits: "{name} hat noch nicht geantwortet.", Counters: "{name} schlägt etwas anderes vor.", Refuses: "{name} möchte bei der bisherigen Planung bleiben.",
			Asks: "{name} bittet um den neuesten Stand.", Reminds: "Eine Erinnerung."},
		OneDate: "nur dieser Termin einer Serie", More: "{n} weitere", Nobody: "Jemand",
	},
}

func germanNths(l *Locale, nths []int) string {
	return mapped(l, nths, func(n int) string {
		if n < 0 {
			return "letzten"
		}
		return [...]string{"ersten", "zweiten", "dritten", "vierten", "fünften"}[n-1]
	})
}

func germanDay(l *Locale, day int) string {
	if day == workday {
		return "Werktag"
	}
	return l.days[day]
}

func germanMonths(what string, n int) string {
	if n == 1 {
		return what + " jedes Monats"
	}
	return fmt.Sprintf("alle %d Monate %s", n, what)
}

func germanYears(what string, n int) string {
	if n == 1 {
		return "jedes Jahr " + what
	}
	return fmt.Sprintf("alle %d Jahre %s", n, what)
}
