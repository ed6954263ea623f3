package calendar

// AvailabilityPref is the preference that keeps when a user can be met at all:
// an iCalendar text with VAVAILABILITY components, the value of
// CALDAV:calendar-availability. Whatever sets it is judged. WCAP cannot name it.
// RFC 7953 §7.2.4.
const AvailabilityPref = "caldav:calendar-availability"
