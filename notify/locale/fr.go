package locale

import (
	"fmt"
	"strconv"
	"time"
)

var french = Locale{
	Tag:         "fr",
	days:        [7]string{"dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"},
	shortDays:   [7]string{"dim.", "lun.", "mar.", "mer.", "jeu.", "ven.", "sam."},
	months:      [12]string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"},
	shortMonths: [12]string{"janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."},
	am:          "AM", pm: "PM", first: "1er",
	order: DMY, separator: '/', clock: 24, clock12: "%-I:%M %p",
	dateTime: "%a %d %b %Y %X", stamp: "%d %b %Y %H:%M:%S %Z", stampDay: "%d %b %Y",
	long: "%A %Od %B %Y", short: "%a %Od %B", year: " %Y",
	fullDate: "%Od %B %Y",
	between:  " – ", before: ", ", and: " et ", comma: ", ",
	rules: rules{
		daily: func(n int) string {
			if n == 1 {
				return "tous les jours"
			}
			return fill("tous les {n} jours", n)
		},
		workdays: func(n int) string {
			if n == 1 {
				return "du lundi au vendredi"
			}
			return fill("toutes les {n} semaines, du lundi au vendredi", n)
		},
		weekly: func(l *Locale, n int, days []time.Weekday) string {
			if n == 1 {
				return "tous les " + mapped(l, days, func(d time.Weekday) string { return l.days[d] + "s" })
			}
			return fill("toutes les {n} semaines, ", n) + mapped(l, days, func(d time.Weekday) string { return "le " + l.days[d] })
		},
		monthDay: func(l *Locale, n int, days []int) string {
			return frenchMonths(mapped(l, days, func(d int) string {
				if d == -1 {
					return "le dernier jour"
				}
				return "le " + frenchDayOf(d)
			}), n)
		},
		monthNth: func(l *Locale, n int, nths []int, day int) string {
			return frenchMonths("le "+frenchNths(l, nths)+" "+frenchDay(l, day), n)
		},
		yearDay: func(m Manner, n int, month time.Month, day int) string {
			return frenchYears("le "+frenchDayOf(day)+" "+m.months[month-1], n)
		},
		yearNth: func(l *Locale, n int, month time.Month, nths []int, day int) string {
			of := " de "
			if month == time.April || month == time.August || month == time.October {
				of = " d’"
			}
			return frenchYears("le "+frenchNths(l, nths)+" "+frenchDay(l, day)+of+l.months[month-1], n)
		},
		times: func(n int) string { return fill(", {n} fois", n) },
		until: func(date string) string { return ", jusqu’au " + date },
		other: "répété ; votre agenda en montre les dates",
		dates: "à des dates isolées",
	},
	Words: Words{
		PartStat: map[string]string{"ACCEPTED": "accepté", "DECLINED": "refusé", "TENTATIVE": "peut-être", "DELEGATED": "délégué",
			"NEEDS-ACTION": "pas encore de réponse", "COMPLETED": "terminé", "IN-PROCESS": "en cours"},
		Heading: map[string]string{Invites: "Invitation", Updates: "Modifié", Assigns: "Tâche", Reassigns: "Tâche modifiée", Publishes: "Annonce",
			Cancels: "Annulé", Uninvites: "Invitation retirée", Takes: "Accepté", Leaves: "Refusé", Ponders: "Peut-être", Accepts: "Accepté", Declines: "Refusé", Hesitates: "Peut-être", Delegates: "Délégué", Completes: "Terminé",
			Works: "En cours", Waits: "Pas encore de réponse", Counters: "Autre proposition", Refuses: "Proposition refusée", Asks: "Merci de renvoyer", Reminds: "Rappel"},
		Sentence: map[string]string{Invites: "{name} vous invite.", Updates: "{name} a modifié ce rendez-vous. Merci de noter les nouveaux détails.",
			Assigns: "{name} vous demande de prendre en charge une tâche.", Reassigns: "{name} a modifié cette tâche. Merci de noter les nouveaux détails.",
			Publishes: "{name} souhaite vous en informer.", Cancels: "Ceci n’aura malheureusement pas lieu : {name} l’a annulé.",
			Uninvites: "Votre présence n’est plus nécessaire : {name} a retiré votre invitation.",
			Takes:     "{name} prend la tâche en charge.", Leaves: "{name} ne peut pas prendre la tâche en charge.", Ponders: "{name} prendra peut-être la tâche en charge, sans pouvoir encore le promettre.",
			Accepts: "{name} a accepté.", Declines: "{name} a refusé.", Hesitates: "{name} viendra peut-être, sans pouvoir encore le promettre.",
			Delegates: "{name} envoie quelqu’un d’autre.", Completes: "{name} a terminé la tâche.", Works: "{name} travaille à la tâche.",
			Waits: "{name} n’a pas encore répondu.", Counters: "{name} propose autre chose.", Refuses: "{name} préfère s’en tenir à ce qui était prévu.",
			Asks: "{name} demande la dernière version.", Reminds: "Un rappel."},
		OneDate: "cette date seulement, dans une série", More: "{n} autres", Nobody: "Quelqu’un",
	},
}

func frenchDayOf(day int) string {
	if day == 1 {
		return "1er"
	}
	return strconv.Itoa(day)
}

func frenchNths(l *Locale, nths []int) string {
	return mapped(l, nths, func(n int) string {
		if n < 0 {
			return "dernier"
		}
		return [...]string{"premier", "deuxième", "troisième", "quatrième", "cinquième"}[n-1]
	})
}

func frenchDay(l *Locale, day int) string {
	if day == workday {
		return "jour ouvré"
	}
	return l.days[day]
}

func frenchMonths(what string, n int) string {
	if n == 1 {
		return what + " de chaque mois"
	}
	return fmt.Sprintf("tous les %d mois, %s", n, what)
}

func frenchYears(what string, n int) string {
	if n == 1 {
		return "chaque année, " + what
	}
	return fmt.Sprintf("tous les %d ans, %s", n, what)
}
