package wcap

// command is a line of the table of commands.
type command struct {
	run    func(*call) error
	own    Errno // what it answers for failures without an errno of their own
	who    asker
	writes bool  // changes something: not by a cookie from elsewhere
	denied Errno // for the anonymous where users are asked for; 0 = AccessDenied
}

// asker says who may ask.
type asker uint8

const (
	anybody asker = iota // without a session, or with one
	public               // as anonymous too, if that is allowed
	users                // with the session of a user
)

// commands are those of WCAP §9 that this server has. Any other name is
// answered with errno 52, the retired ones of older editions as well.
var commands map[string]*command

func init() {
	commands = map[string]*command{
		"check_id":                          {run: (*call).checkID, own: LoginFailed},
		"createcalendar":                    {run: (*call).createCalendar, own: CreateCalendarFailed, who: users, writes: true},
		"deletecalendar":                    {run: (*call).deleteCalendar, own: DeleteCalendarFailed, who: users, writes: true},
		"deletecomponents_by_range":         {run: (*call).deleteComponentsByRange, own: DeleteComponentsFailed, who: public, writes: true},
		"deleteevents_by_id":                {run: (*call).deleteEventsByID, own: DeleteEventsFailed, who: public, writes: true},
		"deleteevents_by_range":             {run: (*call).deleteEventsByRange, own: DeleteEventsByRangeFailed, who: public, writes: true},
		"deletetodos_by_id":                 {run: (*call).deleteTodosByID, own: DeleteTodosFailed, who: public, writes: true},
		"deletetodos_by_range":              {run: (*call).deleteTodosByRange, own: DeleteTodosByRangeFailed, who: public, writes: true},
		"fetchattachment":                   {run: (*call).fetchAttachment, own: AttachmentNotFound, who: public},
		"fetchattachments":                  {run: (*call).fetchAttachment, own: AttachmentNotFound, who: public},
		"export":                            {run: (*call).exportFile, own: ExportFailed, who: public},
		"fetch_deletedcomponents":           {run: (*call).fetchDeleted, own: FetchDeletedFailed, who: public},
		"fetchcomponents_by_alarmrange":     {run: (*call).fetchByAlarmRange, own: FetchByAlarmRangeFailed, who: public},
		"fetchcomponents_by_attendee_error": {run: (*call).fetchByAttendeeError, own: FetchByAttendeeErrorFailed, who: public},
		"fetchcomponents_by_lastmod":        {run: (*call).fetchByLastMod, own: FetchByLastModFailed, who: public},
		"fetchcomponents_by_range":          {run: (*call).fetchByRange, own: FetchByRangeFailed, who: public},
		"fetchevents_by_id":                 {run: (*call).fetchEventsByID, own: FetchEventsFailed, who: public},
		"fetchtodos_by_id":                  {run: (*call).fetchTodosByID, own: FetchTodosFailed, who: public},
		"get_all_timezones":                 {run: (*call).getAllTimezones, own: GetAllTimezonesFailed, who: public},
		"get_calprops":                      {run: (*call).getCalprops, own: GetCalpropsFailed, who: public},
		"get_freebusy":                      {run: (*call).getFreebusy, own: GetFreebusyFailed, who: public},
		"get_guids":                         {run: (*call).getGUIDs, own: BadCommand},
		"get_userprefs":                     {run: (*call).getUserprefs, own: GetUserprefsFailed, who: users},
		"gettime":                           {run: (*call).getTime, own: GettimeFailed, who: public},
		"import":                            {run: (*call).importFile, own: ImportFailed, who: public, writes: true},
		"list":                              {run: (*call).list, own: ListFailed, who: users, denied: AnonymousNotAllowed},
		"list_subscribed":                   {run: (*call).listSubscribed, own: ListSubscribedFailed, who: users, denied: AnonymousNotAllowed},
		"login":                             {run: (*call).logIn, own: LoginFailed},
		"logout":                            {run: (*call).logOut, own: LoginFailed, writes: true},
		"ping":                              {run: (*call).ping, own: LoginFailed, who: users},
		"search_calprops":                   {run: (*call).searchCalprops, own: SearchCalpropsFailed, who: public},
		"set_calprops":                      {run: (*call).setCalprops, own: SetCalpropsFailed, who: public, writes: true},
		"set_userprefs":                     {run: (*call).setUserprefs, own: SetUserprefsFailed, who: users, writes: true},
		"storeevents":                       {run: (*call).storeEvents, own: StoreEventsFailed, who: public, writes: true},
		"storetodos":                        {run: (*call).storeTodos, own: StoreTodosFailed, who: public, writes: true},
		"subscribe_calendars":               {run: (*call).subscribe, own: SubscribeFailed, who: users, writes: true, denied: AnonymousNotAllowed},
		"unsubscribe_calendars":             {run: (*call).unsubscribe, own: UnsubscribeFailed, who: users, writes: true, denied: AnonymousNotAllowed},
		"verifyevents_by_ids":               {run: (*call).verifyEvents, own: FetchEventsFailed, who: public},
		"verifytodos_by_ids":                {run: (*call).verifyTodos, own: FetchTodosFailed, who: public},
		"version":                           {run: (*call).version, own: BadCommand},
	}
}
