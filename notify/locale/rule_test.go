package locale

import (
	"strings"
	"testing"
	"time"

	"factotum/server/recur"
)

// series of a rule that starts on Tuesday, 3 March 2026.
func series(t *testing.T, rule string) Series {
	t.Helper()
	r, err := recur.ParseRule(rule)
	if err != nil {
		t.Fatal(err)
	}
	s := Series{Rule: r, Start: Moment{Civil: time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)}}
	if r.HasUntil {
		s.Until = Moment{Civil: r.Until.Civil(), Day: true}
	}
	return s
}

func TestOften(t *testing.T) {
	for _, c := range []struct{ rule, en, de, fr, es, ja string }{
		{"FREQ=DAILY", "every day", "täglich", "tous les jours", "todos los días", "毎日"},
		{"FREQ=DAILY;INTERVAL=3;COUNT=5", "every 3 days, 5 times", "alle 3 Tage, 5-mal", "tous les 3 jours, 5 fois", "cada 3 días, 5 veces", "3日ごと、全5回"},
		{"FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR", "Monday to Friday", "von Montag bis Freitag", "du lundi au vendredi", "de lunes a viernes", "毎週月曜日から金曜日"},
		{"FREQ=WEEKLY", "every Tuesday", "jeden Dienstag", "tous les mardis", "todos los martes", "毎週火曜日"},
		{"FREQ=WEEKLY;BYDAY=SA,SU,MO", "every Monday, Saturday and Sunday", "jeden Montag, Samstag und Sonntag", "tous les lundis, samedis et dimanches", "todos los lunes, sábados y domingos", "毎週月曜日・土曜日・日曜日"},
		{"FREQ=WEEKLY;INTERVAL=2;BYDAY=WE;UNTIL=20260630", "every 2 weeks on Wednesday, until 30 June 2026", "alle 2 Wochen am Mittwoch, bis zum 30. Juni 2026", "toutes les 2 semaines, le mercredi, jusqu’au 30 juin 2026", "cada 2 semanas, los miércoles, hasta el 30 de junio de 2026", "2週間ごとの水曜日、2026年6月30日まで"},
		{"FREQ=MONTHLY", "on the 3rd of every month", "am 3. jedes Monats", "le 3 de chaque mois", "el día 3 de cada mes", "毎月3日"},
		{"FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=1,-1", "every 2 months on the 1st and the last day", "alle 2 Monate am 1. und letzten Tag", "tous les 2 mois, le 1er et le dernier jour", "cada 2 meses, el día 1 y el último día", "2か月ごとの1日、末日"},
		{"FREQ=MONTHLY;BYDAY=1TU", "on the first Tuesday of every month", "am ersten Dienstag jedes Monats", "le premier mardi de chaque mois", "el primer martes de cada mes", "毎月第1火曜日"},
		{"FREQ=MONTHLY;BYDAY=TU;BYSETPOS=1", "on the first Tuesday of every month", "am ersten Dienstag jedes Monats", "le premier mardi de chaque mois", "el primer martes de cada mes", "毎月第1火曜日"},
		{"FREQ=MONTHLY;BYDAY=1FR,3FR", "on the first and third Friday of every month", "am ersten und dritten Freitag jedes Monats", "le premier et troisième vendredi de chaque mois", "el primer y tercer viernes de cada mes", "毎月第1金曜日、第3金曜日"},
		{"FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "on the last weekday of every month", "am letzten Werktag jedes Monats", "le dernier jour ouvré de chaque mois", "el último día laborable de cada mes", "毎月最終平日"},
		{"FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS=-1", "on the last day of every month", "am letzten Tag jedes Monats", "le dernier jour de chaque mois", "el último día de cada mes", "毎月末日"},
		{"FREQ=YEARLY", "every year on 3 March", "jedes Jahr am 3. März", "chaque année, le 3 mars", "cada año, el 3 de marzo", "毎年3月3日"},
		{"FREQ=YEARLY;BYMONTH=4;BYDAY=4TH", "every year on the fourth Thursday of April", "jedes Jahr am vierten Donnerstag im April", "chaque année, le quatrième jeudi d’avril", "cada año, el cuarto jueves de abril", "毎年4月の第4木曜日"},
		{"FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29", "every 4 years on 29 February", "alle 4 Jahre am 29. Februar", "tous les 4 ans, le 29 février", "cada 4 años, el 29 de febrero", "4年ごとの2月29日"},
		{"FREQ=YEARLY;BYWEEKNO=20", "repeated; your calendar shows the dates", "wiederholt; Ihr Kalender zeigt die Termine", "répété ; votre agenda en montre les dates", "se repite; su calendario muestra las fechas", "繰り返しあり(日程はカレンダーをご覧ください)"},
	} {
		s := series(t, c.rule)
		for tag, want := range map[string]string{"en": c.en, "de": c.de, "fr": c.fr, "es": c.es, "ja": c.ja} {
			m, _ := Find(tag)
			if got := m.Often(s); got != want {
				t.Errorf("%s: %s: %q, want %q", c.rule, tag, got, want)
			}
		}
	}
}

// TestRulesNotTold: a rule that the words do not fit is not told by half.
func TestRulesNotTold(t *testing.T) {
	m, _ := Find("en")
	for _, rule := range []string{"FREQ=HOURLY", "FREQ=DAILY;BYHOUR=9,15", "FREQ=DAILY;BYMONTH=1", "FREQ=DAILY;INTERVAL=2;BYDAY=MO", "FREQ=WEEKLY;BYMONTH=7;BYDAY=MO",
		"FREQ=MONTHLY;BYMONTH=1,2", "FREQ=MONTHLY;BYDAY=FR", "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "FREQ=MONTHLY;BYDAY=1MO,2TU", "FREQ=MONTHLY;BYMONTHDAY=-2",
		"FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=1", "FREQ=MONTHLY;BYDAY=-2FR", "FREQ=MONTHLY;BYDAY=2MO;BYSETPOS=1", "FREQ=YEARLY;BYDAY=MO", "FREQ=YEARLY;BYMONTH=1,7;BYMONTHDAY=1",
		"FREQ=YEARLY;BYMONTHDAY=1", "FREQ=YEARLY;BYYEARDAY=100", "FREQ=YEARLY;BYDAY=20MO", "RSCALE=GREGORIAN;SKIP=FORWARD;FREQ=YEARLY"} {
		if got := m.Often(series(t, rule)); got != english.rules.other {
			t.Errorf("%s is told as %q", rule, got)
		}
	}
}

// TestShiftedDays: the reader's days, where he is so far away that they are others.
func TestShiftedDays(t *testing.T) {
	m, _ := Find("en")
	for rule, want := range map[string]string{
		"FREQ=WEEKLY":                           "every Wednesday",
		"FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR":      "every Tuesday, Wednesday, Thursday, Friday and Saturday",
		"FREQ=WEEKLY;BYDAY=SU":                  "every Monday",
		"FREQ=DAILY":                            "every day",
		"FREQ=MONTHLY":                          "on the 3rd of every month (Europe/Berlin)",
		"FREQ=MONTHLY;BYDAY=1TU;UNTIL=20270101": "on the first Tuesday of every month, until 1 January 2027 (Europe/Berlin)",
	} {
		s := series(t, rule)
		s.Shift, s.Zone = 1, "Europe/Berlin"
		if got := m.Often(s); got != want {
			t.Errorf("%s: %q, want %q", rule, got, want)
		}
	}
	s := series(t, "FREQ=WEEKLY;BYDAY=MO")
	if s.Shift = -1; m.Often(s) != "every Sunday" {
		t.Errorf("back over the week: %q", m.Often(s))
	}
	if got := m.Often(Series{Dates: true}); got != "on single dates" {
		t.Errorf("RDATE alone: %q", got)
	}
	s = series(t, "FREQ=WEEKLY")
	if s.Dates = true; m.Often(s) != "every Tuesday, on single dates" {
		t.Errorf("RDATE besides: %q", m.Often(s))
	}
}

// TestEveryWord: no language lacks a word that another has.
func TestEveryWord(t *testing.T) {
	for _, tag := range Tags() {
		m, _ := Find(tag)
		for _, act := range Acts() {
			if m.Words.Heading[act] == "" || m.Words.Sentence[act] == "" {
				t.Errorf("%s has no words for %q", tag, act)
			}
			if s := m.Does(act, "Ann"); act != Reminds && !strings.Contains(s, "Ann") || strings.ContainsAny(s, "{}") {
				t.Errorf("%s: %q", tag, s)
			}
			if s := m.Does(act, ""); strings.ContainsAny(s, "{}") {
				t.Errorf("%s: %q", tag, s)
			}
		}
		for _, p := range []string{"ACCEPTED", "DECLINED", "TENTATIVE", "DELEGATED", "NEEDS-ACTION", "COMPLETED", "IN-PROCESS"} {
			if m.Words.PartStat[p] == "" {
				t.Errorf("%s has no word for %s", tag, p)
			}
		}
	}
	for _, c := range []struct {
		method, partStat string
		task, again      bool
		want             string
	}{
		{"REQUEST", "", false, false, Invites}, {"REQUEST", "", false, true, Updates}, {"ADD", "", false, false, Updates}, {"REQUEST", "", true, false, Assigns},
		{"REQUEST", "", true, true, Reassigns}, {"REPLY", "ACCEPTED", false, false, Accepts}, {"REPLY", "", false, false, Waits}, {"", "", false, false, Reminds},
		{"COUNTER", "ACCEPTED", false, false, Counters}, {"DECLINECOUNTER", "", false, false, Refuses}, {"REFRESH", "", false, false, Asks},
	} {
		if got := ActOf(c.method, c.partStat, c.task, c.again); got != c.want {
			t.Errorf("%v: %s", c, got)
		}
	}
}
