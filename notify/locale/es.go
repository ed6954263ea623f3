package locale

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

var spanish = Locale{
	Tag:         "es",
	days:        [7]string{"domingo", "lunes", "martes", "miércoles", "jueves", "viernes", "sábado"},
	shortDays:   [7]string{"dom", "lun", "mar", "mié", "jue", "vie", "sáb"},
	months:      [12]string{"enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"},
	shortMonths: [12]string{"ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic"},
	am:          "a. m.", pm: "p. m.",
	order: DMY, separator: '/', clock: 24, clock12: "%-I:%M %p",
	dateTime: "%a %d %b %Y %X", stamp: "%d %b %Y %H:%M:%S %Z", stampDay: "%d %b %Y",
	long: "%A, %-d de %B de %Y", short: "%a %-d de %B", year: " de %Y",
	fullDate: "%-d de %B de %Y",
	between:  " – ", before: ", ", and: " y ", comma: ", ",
	rules: rules{
		daily: func(n int) string {
			if n == 1 {
				return "todos los días"
			}
			return fill("cada {n} días", n)
		},
		workdays: func(n int) string {
			if n == 1 {
				return "de lunes a viernes"
			}
			return fill("cada {n} semanas, de lunes a viernes", n)
		},
		weekly: func(l *Locale, n int, days []time.Weekday) string {
			list := mapped(l, days, func(d time.Weekday) string {
				if strings.HasSuffix(l.days[d], "s") {
					return l.days[d]
				}
				return l.days[d] + "s"
			})
			if n == 1 {
				return "todos los " + list
			}
			return fill("cada {n} semanas, los ", n) + list
		},
		monthDay: func(l *Locale, n int, days []int) string {
			return spanishMonths(mapped(l, days, func(d int) string {
				if d == -1 {
					return "el último día"
				}
				return "el día " + strconv.Itoa(d)
			}), n)
		},
		monthNth: func(l *Locale, n int, nths []int, day int) string {
			return spanishMonths("el "+spanishNths(l, nths)+" "+spanishDay(l, day), n)
		},
		yearDay: func(m Manner, n int, month time.Month, day int) string {
			return spanishYears(fmt.Sprintf("el %d de %s", day, m.months[month-1]), n)
		},
		yearNth: func(l *Locale, n int, month time.Month, nths []int, day int) string {
			return spanishYears("el "+spanishNths(l, nths)+" "+spanishDay(l, day)+" de "+l.months[month-1], n)
		},
		times: func(n int) string {
			if n == 1 {
				return ", una vez"
			}
			return fill(", {n} veces", n)
		},
		until: func(date string) string { return ", hasta el " + date },
		other: "se repite; su calendario muestra las fechas",
		dates: "en fechas sueltas",
	},
	Words: Words{
		PartStat: map[string]string{"ACCEPTED": "aceptado", "DECLINED": "rechazado", "TENTATIVE": "quizás", "DELEGATED": "delegado",
			"NEEDS-ACTION": "sin respuesta todavía", "COMPLETED": "hecho", "IN-PROCESS": "en curso"},
		Heading: map[string]string{Invites: "Invitación", Updates: "Modificado", Assigns: "Tarea", Reassigns: "Tarea modificada", Publishes: "Anuncio",
			Cancels: "Cancelado", Uninvites: "Invitación retirada", Takes: "Aceptado", Leaves: "Rechazado", Ponders: "Quizás", Accepts: "Aceptado", Declines: "Rechazado", Hesitates: "Quizás", Delegates: "Delegado", Completes: "Hecho",
			Works: "En curso", Waits: "Sin respuesta todavía", Counters: "Otra propuesta", Refuses: "Propuesta rechazada", Asks: "Se ruega reenviar", Reminds: "Recordatorio"},
		Sentence: map[string]string{Invites: "{name} le invita.", Updates: "{name} ha modificado esta cita. Tome nota de los nuevos datos, por favor.",
			Assigns: "{name} le pide que se encargue de una tarea.", Reassigns: "{name} ha modificado esta tarea. Tome nota de los nuevos datos, por favor.",
			Publishes: "{name} quiere que lo sepa.", Cancels: "Lamentablemente, esto no tendrá lugar: {name} lo ha cancelado.",
			Uninvites: "Ya no hace falta que venga: {name} ha retirado su invitación.",
			Takes:     "{name} se encarga de la tarea.", Leaves: "{name} no puede encargarse de la tarea.", Ponders: "{name} quizás se encargue de la tarea, pero todavía no puede prometerlo.",
			Accepts: "{name} ha aceptado.", Declines: "{name} ha rechazado la invitación.", Hesitates: "{name} quizás venga, pero todavía no puede prometerlo.",
			Delegates: "{name} enviará a otra persona.", Completes: "{name} ha terminado la tarea.", Works: "{name} está trabajando en la tarea.",
			Waits: "{name} todavía no ha respondido.", Counters: "{name} propone otra cosa.", Refuses: "{name} prefiere mantener lo previsto.",
			Asks: "{name} pide la última versión.", Reminds: "Un recordatorio."},
		OneDate: "solo esta fecha de una serie", More: "{n} más", Nobody: "Alguien",
	},
}

func spanishNths(l *Locale, nths []int) string {
	return mapped(l, nths, func(n int) string {
		if n < 0 {
			return "último"
		}
		return [...]string{"primer", "segundo", "tercer", "cuarto", "quinto"}[n-1]
	})
}

func spanishDay(l *Locale, day int) string {
	if day == workday {
		return "día laborable"
	}
	return l.days[day]
}

func spanishMonths(what string, n int) string {
	if n == 1 {
		return what + " de cada mes"
	}
	return fmt.Sprintf("cada %d meses, %s", n, what)
}

func spanishYears(what string, n int) string {
	if n == 1 {
		return "cada año, " + what
	}
	return fmt.Sprintf("cada %d años, %s", n, what)
}
