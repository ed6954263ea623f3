package caldav

import (
	"testing"

	"factotum/protocol/sitetest"
)

// TestWithoutCache: with factotum.cache.bytes=0 the golden answers, those of
// every report and those to real clients are the same.
func TestWithoutCache(t *testing.T) {
	sitetest.WithoutCache(t,
		TestGoldenAnswers, TestClients, TestLitmus, TestCallsPerMethod,
		TestRFC4791_7_8_CalendarQuery, TestRFC4791_7_8_QueryOnAnothersHome, TestRFC4791_7_9_Multiget, TestRFC4791_7_10_FreeBusyQuery,
		TestRFC4791_9_6_CalendarData, TestRFC4791_9_7_Filters, TestRFC6578_3_2_SyncCollection, TestSyncOfTheHome, TestQueryLimit, TestExpandedACL,
		TestRFC4791_5_3_2_Put, TestRFC4791_5_3_2_1_PutPreconditions, TestRFC4918_10_4_If, TestRFC4791_1_3_Preconditions, TestGetWholeCalendar,
		TestRFC6638_3_2_10_ScheduleTag, TestRFC4918_9_8_CopyAndMove, TestMoveBetweenCalendars, TestRFC4918_PlainCollections, TestRFC8607_3_Attachment,
		TestPatchCalendar, TestDeadProperties, TestHomeAndCalendarProperties, TestFirstVisitOfTheDefaultCalendar,
		TestRFC3744_8_1_ACL, TestRFC3744_3_1_WithoutRead, TestFreeBusyOnly, TestLengthOfMaskedObjects)
}
