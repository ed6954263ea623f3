package wcap

// command is a line of the table of commands.
type command struct {
	run    func(*call) error
	own    Errno // what it answers for failures without an errno of their own
	who    asker
	writes bool   // changes something: not by a cookie from elsewhere
	denied Errno  // for the anonymous where users are asked for; 0 = AccessDenied
	values string // its parameters of which it refuses wrong ones, see values.go
}

// asker says who may ask.
type asker uint8

const (
	anybody asker = iota // without a session, or with one
	public               // as anonymous too, if that is allowed
	users                // with the session of a user
)

// commands are those of WCAP §9 that this server has, and two of our own. Any other name is
// answered with errno 52, the retired ones of older editions as well.
var commands map[string]*command

func init() {
	commands = map[string]*command{
		"check_id":                          {run: (*call).checkID, own: LoginFailed},
		"createcalendar":                    {run: (*call).createCalendar, own: CreateCalendarFailed, who: users, writes: true, values: "allowdoublebook set_calprops subscribe"},
		"decide_held":                       {run: (*call).decideHeld, own: StoreEventsFailed, who: users, writes: true, values: "remember"},
		"deletecalendar":                    {run: (*call).deleteCalendar, own: DeleteCalendarFailed, who: users, writes: true, values: "unsubscribe"},
		"deletecomponents_by_range":         {run: (*call).deleteComponentsByRange, own: DeleteComponentsFailed, who: public, writes: true, values: deleteValues},
		"deleteevents_by_id":                {run: (*call).deleteEventsByID, own: DeleteEventsFailed, who: public, writes: true, values: deleteValues},
		"deleteevents_by_range":             {run: (*call).deleteEventsByRange, own: DeleteEventsByRangeFailed, who: public, writes: true, values: deleteValues},
		"deletetodos_by_id":                 {run: (*call).deleteTodosByID, own: DeleteTodosFailed, who: public, writes: true, values: deleteValues},
		"deletetodos_by_range":              {run: (*call).deleteTodosByRange, own: DeleteTodosByRangeFailed, who: public, writes: true, values: deleteValues},
		"fetch_held":                        {run: (*call).fetchHeld, own: FetchEventsFailed, who: users, values: shownValues + "maxResults tzid"},
		"fetchattachment":                   {run: (*call).fetchAttachment, own: AttachmentNotFound, who: public, values: "tzid"},
		"fetchattachments":                  {run: (*call).fetchAttachment, own: AttachmentNotFound, who: public, values: "tzid"},
		"export":                            {run: (*call).exportFile, own: ExportFailed, who: public, values: "tzid"},
		"fetch_deletedcomponents":           {run: (*call).fetchDeleted, own: FetchDeletedFailed, who: public, values: fetchValues},
		"fetchcomponents_by_alarmrange":     {run: (*call).fetchByAlarmRange, own: FetchByAlarmRangeFailed, who: public, values: fetchValues},
		"fetchcomponents_by_attendee_error": {run: (*call).fetchByAttendeeError, own: FetchByAttendeeErrorFailed, who: public, values: fetchValues},
		"fetchcomponents_by_lastmod":        {run: (*call).fetchByLastMod, own: FetchByLastModFailed, who: public, values: fetchValues},
		"fetchcomponents_by_range":          {run: (*call).fetchByRange, own: FetchByRangeFailed, who: public, values: fetchValues + " attrset invitecount"},
		"fetchevents_by_id":                 {run: (*call).fetchEventsByID, own: FetchEventsFailed, who: public, values: fetchValues},
		"fetchtodos_by_id":                  {run: (*call).fetchTodosByID, own: FetchTodosFailed, who: public, values: fetchValues},
		"get_all_timezones":                 {run: (*call).getAllTimezones, own: GetAllTimezonesFailed, who: public},
		"get_calprops":                      {run: (*call).getCalprops, own: GetCalpropsFailed, who: public, values: "invitecount"},
		"get_freebusy":                      {run: (*call).getFreebusy, own: GetFreebusyFailed, who: public, values: "duration freebusybegin freebusyend busyonly noredirect tzid tzidout"},
		"get_guids":                         {run: (*call).getGUIDs, own: BadArguments, values: "guidCount"},
		"get_userprefs":                     {run: (*call).getUserprefs, own: GetUserprefsFailed, who: users},
		"gettime":                           {run: (*call).getTime, own: GettimeFailed, who: public, values: "tzidout"},
		"import":                            {run: (*call).importFile, own: ImportFailed, who: public, writes: true, values: "tzid"},
		"list":                              {run: (*call).list, own: ListFailed, who: users, denied: AnonymousNotAllowed},
		"list_subscribed":                   {run: (*call).listSubscribed, own: ListSubscribedFailed, who: users, denied: AnonymousNotAllowed},
		"login":                             {run: (*call).logIn, own: LoginFailed},
		"logout":                            {run: (*call).logOut, own: LoginFailed, writes: true},
		"ping":                              {run: (*call).ping, own: LoginFailed, who: users},
		"search_calprops":                   {run: (*call).searchCalprops, own: SearchCalpropsFailed, who: public, values: "calid name primaryOwner searchOpts maxResults"},
		"set_calprops":                      {run: (*call).setCalprops, own: SetCalpropsFailed, who: public, writes: true, values: "multiple"},
		"set_userprefs":                     {run: (*call).setUserprefs, own: SetUserprefsFailed, who: users, writes: true, values: "convertCalid"},
		"storeevents":                       {run: (*call).storeEvents, own: StoreEventsFailed, who: public, writes: true, values: storeValues},
		"storetodos":                        {run: (*call).storeTodos, own: StoreTodosFailed, who: public, writes: true, values: storeValues},
		"subscribe_calendars":               {run: (*call).subscribe, own: SubscribeFailed, who: users, writes: true, denied: AnonymousNotAllowed},
		"unsubscribe_calendars":             {run: (*call).unsubscribe, own: UnsubscribeFailed, who: users, writes: true, denied: AnonymousNotAllowed},
		"verifyevents_by_ids":               {run: (*call).verifyEvents, own: FetchEventsFailed, who: public, values: "tzid"},
		"verifytodos_by_ids":                {run: (*call).verifyTodos, own: FetchTodosFailed, who: public, values: "tzid"},
		"version":                           {run: (*call).version, own: BadCommand},
	}
}
