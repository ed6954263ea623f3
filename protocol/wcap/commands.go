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
		"check_id":  {run: (*call).checkID, own: LoginFailed},
		"gettime":   {run: (*call).getTime, own: GettimeFailed, who: public},
		"login":     {run: (*call).logIn, own: LoginFailed},
		"logout":    {run: (*call).logOut, own: LoginFailed, writes: true},
		"ping":      {run: (*call).ping, own: LoginFailed, who: users},
		"version":   {run: (*call).version, own: BadCommand},
		"get_guids": {run: (*call).getGUIDs, own: BadCommand},
	}
}
