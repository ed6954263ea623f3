package wcap

import (
	"testing"

	"factotum/protocol/sitetest"
)

// TestWithoutCache: with factotum.cache.bytes=0 the scripts and the statements
// of WCAP §13 are answered the same.
func TestWithoutCache(t *testing.T) {
	sitetest.WithoutCache(t,
		TestScripts, TestCallsPerCommand, TestWCAP_8_1_Batches,
		TestWCAP_13_Calendars, TestWCAP_13_ACL, TestWCAP_13_Subscriptions, TestWCAP_13_Lists, TestWCAP_13_Prefs, TestWCAP_13_Search,
		TestWCAP_13_Freebusy, TestFreeBusyRedirect, TestWCAP_13_Sync, TestWCAP_13_Timezones, TestWCAP_13_Import, TestWCAP_13_Formats,
		TestWCAP_13_Attachments, TestWCAP_13_Storeevents, TestWCAP_13_Storetodos, TestWCAP_13_WeeklyOverDST, TestWCAP_13_AlarmRange,
		TestWCAP_13_DeleteByID, TestWCAP_13_DeleteByRange, TestWCAP_6_2_ThisAndFuture, TestWCAP_6_2_Instance, TestWCAP_9_14_Instances,
		TestFloatingInOwnZone, TestReadingNeedsBothParts, TestWCAP_7_7_Privacy, TestShownFollowsChanges, TestShownInstances, TestSubscribeAtOnce)
}
