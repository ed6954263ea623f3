package recur

import (
	"strings"
	"testing"
)

func TestRFC4791_9_6_5_Expand(t *testing.T) {
	s := setOf(t, event("DTSTART;TZID=Europe/Berlin:20200327T100000", "DURATION:P1D", "RRULE:FREQ=DAILY;COUNT=4",
		"EXDATE;TZID=Europe/Berlin:20200328T100000", "X-SEEN;TZID=Europe/Berlin:20200101T000000", "SUMMARY:m")+
		event("RECURRENCE-ID;TZID=Europe/Berlin:20200330T100000", "DTSTART;TZID=America/New_York:20200330T100000",
			"DTEND;TZID=America/New_York:20200330T110000", "SUMMARY:o"))
	list, err := s.ExpandComponents(t.Context(), at(t, "20200328T000000Z"), at(t, "20200501T000000Z"), nil, Budget{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range list {
		var line []string
		for _, name := range []string{"DTSTART", "DTEND", "RECURRENCE-ID", "SUMMARY"} {
			line = append(line, c.Value(name))
		}
		got = append(got, strings.Join(line, " "))
		if text := string(c.Bytes()); strings.Contains(text, "TZID") || strings.Contains(text, "RRULE") || strings.Contains(text, "EXDATE") || strings.Contains(text, "DURATION") {
			t.Errorf("left over in\n%s", text)
		}
	}
	want := `20200327T090000Z 20200328T090000Z 20200327T090000Z m
20200329T080000Z 20200330T080000Z 20200329T080000Z m
20200330T140000Z 20200330T150000Z 20200330T080000Z o`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	if len(s.master.comp.Props) != 8 || s.master.comp.Value("RRULE") == "" {
		t.Error("expanding changed the master")
	}
}

func TestExpandKeepsDatesAndFloating(t *testing.T) {
	for body, want := range map[string]string{
		event("DTSTART;VALUE=DATE:20200328", "RRULE:FREQ=DAILY;COUNT=2"):                 "DTSTART;VALUE=DATE:20200329\r\nRECURRENCE-ID;VALUE=DATE:20200329\r\n",
		event("DTSTART:20200328T230000", "RRULE:FREQ=DAILY;COUNT=2"):                     "DTSTART:20200329T230000\r\nRECURRENCE-ID:20200329T230000\r\n",
		event("DTSTART;TZID=Europe/Berlin:20200329T230000", "DTEND:20200329T220000Z"):    "DTSTART:20200329T210000Z\r\nDTEND:20200329T220000Z\r\n",
		"BEGIN:VTODO\nUID:1\nDUE:20200328T230000\nRRULE:FREQ=DAILY;COUNT=2\nEND:VTODO\n": "DUE:20200329T230000\r\nRECURRENCE-ID:20200329T230000\r\n",
	} {
		s := setOf(t, body)
		list, err := s.ExpandComponents(t.Context(), at(t, "20200329T120000Z"), at(t, ""), zone(t, "Europe/Berlin"), Budget{})
		if err != nil || len(list) != 1 || !strings.Contains(string(list[0].Bytes()), want) {
			t.Errorf("%s: %d components, %v\n%s", body, len(list), err, list[0].Bytes())
		}
	}
}

func TestRFC4791_9_6_6_LimitRecurrenceSet(t *testing.T) {
	s := setOf(t, event("DTSTART:20200101T100000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY", "SUMMARY:m")+
		event("RECURRENCE-ID:20200105T100000Z", "DTSTART:20200205T100000Z", "SUMMARY:moved away")+
		event("RECURRENCE-ID:20200210T100000Z", "DTSTART:20200105T180000Z", "SUMMARY:moved in")+
		event("RECURRENCE-ID:20200107T100000Z", "DTSTART:20200107T120000Z", "SUMMARY:elsewhere")+
		event("RECURRENCE-ID;RANGE=THISANDFUTURE:20200301T100000Z", "DTSTART:20200301T120000Z", "SUMMARY:from March"))
	for win, want := range map[string]string{
		"20200105T000000Z 20200106T000000Z": "m,moved away,moved in",
		"20200107T000000Z 20200108T000000Z": "m,elsewhere",
		"20200401T115500Z 20200401T130000Z": "m,from March",
		"20200401T100000Z 20200401T103000Z": "m,from March", // the original time of one it extends to
	} {
		from, to, _ := strings.Cut(win, " ")
		list, err := s.LimitRecurrenceSet(t.Context(), at(t, from), at(t, to), nil, Budget{})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range list {
			got = append(got, c.Value("SUMMARY"))
		}
		if strings.Join(got, ",") != want {
			t.Errorf("%s: %v, want %s", win, got, want)
		}
	}
}
