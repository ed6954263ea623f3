"""A session of python3-caldav: discovery, calendars, events, to-dos, sync."""
import sys
from datetime import datetime, timedelta, timezone

import caldav
from caldav.lib import error

UTC = timezone.utc


def check(what, got, want):
    if got != want:
        sys.exit("%s: %r, want %r" % (what, got, want))


def ics(uid, start, summary, *more):
    return "\r\n".join([
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Test//EN", "BEGIN:VEVENT", "UID:" + uid, "DTSTAMP:20260101T000000Z",
        "DTSTART:" + start, "DURATION:PT1H", "SUMMARY:" + summary, *more, "END:VEVENT", "END:VCALENDAR", ""])


url, user, password = sys.argv[1:]
client = caldav.DAVClient(url, username=user, password=password)
principal = client.principal()
check("principal", str(principal.url).endswith("/dav/principals/%s/" % user), True)
check("calendars", [c.name is not None for c in principal.calendars()], [True])

cal = principal.make_calendar(name="Work ☎", cal_id="work")
check("calendars", len(principal.calendars()), 2)
check("name", principal.calendar(name="Work ☎").url, cal.url)

one = cal.save_event(ics("one", "20260302T100000Z", "One"))
daily = cal.save_event(ics("daily", "20260303T100000Z", "Daily", "RRULE:FREQ=DAILY;COUNT=5", "EXDATE:20260304T100000Z"))
try:
    caldav.Event(client, url=cal.url.join("other.ics"), data=ics("one", "20260302T100000Z", "Again"), parent=cal).save()
    sys.exit("a second object with the same UID was taken")
except error.PutError:
    pass

found = cal.date_search(datetime(2026, 3, 3, tzinfo=UTC), datetime(2026, 3, 6, tzinfo=UTC), expand=False)
check("date_search", [e.icalendar_component["UID"] for e in found], ["daily"])
found = cal.date_search(datetime(2026, 3, 3, tzinfo=UTC), datetime(2026, 3, 6, tzinfo=UTC), expand=True)
starts = sorted(c["DTSTART"].dt for e in found for c in e.icalendar_instance.walk("VEVENT"))
check("expanded", starts, [datetime(2026, 3, 3, 10, tzinfo=UTC), datetime(2026, 3, 5, 10, tzinfo=UTC)])
found = cal.search(event=True, summary="One")
check("search by summary", [e.icalendar_component["UID"] for e in found], ["one"])
check("event by UID", cal.event_by_uid("daily").url, daily.url)
busy = cal.freebusy_request(datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 4, tzinfo=UTC))
check("free/busy", "20260302T100000Z" in busy.data and "20260303T100000Z" in busy.data, True)

state = cal.objects_by_sync_token(load_objects=True)
check("first sync", len(list(state)), 2)
token = state.sync_token
one.icalendar_component["SUMMARY"] = "One, changed"
one.save()
two = cal.save_event(ics("two", "20260310T100000Z", "Two"))
daily.delete()
state = cal.objects_by_sync_token(sync_token=token, load_objects=True)
check("changes", sorted(str(o.url)[str(o.url).rindex("/") + 1:] for o in state), sorted(str(o.url)[str(o.url).rindex("/") + 1:] for o in (one, two, daily)))
check("changed text", cal.event_by_uid("one").icalendar_component["SUMMARY"], "One, changed")
mine = cal.objects_by_sync_token(load_objects=True)
cal.save_event(ics("three", "20260311T100000Z", "Three"))
added, deleted = mine.sync()
check("sync()", (len(list(added)), len(list(deleted))), (1, 0))

tasks = principal.make_calendar(name="Tasks", cal_id="tasks", supported_calendar_component_set=["VTODO"])
check("components", tasks.get_supported_components(), ["VTODO"])
todo = tasks.save_todo(summary="Buy milk", due=datetime(2026, 3, 5, 18, tzinfo=UTC))
check("to-dos", [t.icalendar_component["SUMMARY"] for t in tasks.todos()], ["Buy milk"])
todo.complete()
check("open to-dos", len(tasks.todos()), 0)
check("all to-dos", len(tasks.todos(include_completed=True)), 1)
try:
    tasks.save_event(ics("wrong", "20260302T100000Z", "An event among to-dos"))
    sys.exit("an event was taken into a list of to-dos")
except error.DAVError:
    pass

journal = cal.save_journal(ics("note", "20260302T100000Z", "Note").replace("VEVENT", "VJOURNAL").replace("DURATION:PT1H\r\n", ""))
check("journals", len(cal.journals()), 1)

cal.set_properties([caldav.elements.dav.DisplayName("Renamed & <kept>")])
check("renamed", cal.get_properties([caldav.elements.dav.DisplayName()])["{DAV:}displayname"], "Renamed & <kept>")
tasks.delete()
cal.delete()
check("calendars at the end", len(principal.calendars()), 1)
try:
    principal.calendar(cal_id="work").events()
    sys.exit("the deleted calendar answers")
except error.NotFoundError:
    pass
try:
    caldav.DAVClient(url, username=user, password="wrong").principal()
    sys.exit("a wrong password was taken")
except error.AuthorizationError:
    pass
print("done")
