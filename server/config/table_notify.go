package config

var watcherParams = []Param{
	used("local.watcher.enable", Bool, "yes", "Watch the roles and restart one that crashes.", func(c *Config) any { return &c.Watcher.Enable }),
	accepted("local.watcher.port", Port, "49994", "Port of the watcher; it needs none."),
	accepted("local.watcher.config.file", Path, "watcher.cnf", "Its list of services."),
	accepted("local.mfagent.enable", Bool, "no", "Agent of the monitoring framework; see factotum.admin.listen."),
	used("local.autorestart", Bool, "y", "The same as service.autorestart under its other name; no in either counts.", func(c *Config) any { return &c.Watcher.localRestart }),
	used("local.autorestart.timeout", Seconds, "600", "A role that crashes over and over within this time is given up.", func(c *Config) any { return &c.Watcher.Timeout }, atLeast(1)),
	used("service.autorestart", Bool, "y", "Restart roles that crash.", func(c *Config) any { return &c.Watcher.Restart }),
}

var ensParams = []Param{
	used("service.ens.enable", Bool, "yes", "Run enpd, the broker of the event notification service, where service.ens.host is this host.", func(c *Config) any { return &c.ENS.Enable }),
	used("service.ens.host", Host, "localhost", "Host of enpd. Where it is not this host, this host publishes there.", func(c *Config) any { return &c.ENS.Host }),
	used("service.ens.port", Port, "57997", "Its port.", func(c *Config) any { return &c.ENS.Port }),
	accepted("service.ens.library", String, "xenp", "Client library."),
	used("factotum.ens.nats", Password, "", "URL of a NATS cluster to use instead of enpd, with commas between several: tls://user:password@nats.example.com:4222.", func(c *Config) any { return &c.ENS.NATS }),
	used("factotum.ens.secret", Password, "", "Secret that publishers and subscribers show to enpd, on all hosts the same. Empty: one that is drawn at the first start, in ens/secret below the data directory, for processes of this host.", func(c *Config) any { return &c.ENS.Secret }),
	used("factotum.ens.cafile", Path, "", "Who signs the certificates of the NATS cluster, or of enpd on another host, as PEM. Empty: service.dwp.ssl.cafile, and else those whom the system trusts.", func(c *Config) any { return &c.ENS.CAFile }, orElse("service.dwp.ssl.cafile"), under("@config")),
	used("factotum.ens.logins", Bool, "no", "Publish who logs in and out by WCAP, to enp:///ics/caluserlogin and enp:///ics/caluserlogout.", func(c *Config) any { return &c.ENS.Logins }),
	used("factotum.ens.keep", Seconds, "604800", "How many seconds enpd keeps a reliable publication for a subscriber who has not acknowledged it.", func(c *Config) any { return &c.ENS.Keep }, atLeast(1)),
	used("factotum.ens.keepbytes", Bytes, "268435456", "How many octets of them it keeps; beyond that the oldest give way.", func(c *Config) any { return &c.ENS.KeepBytes }, atLeast(1<<20)),
	accepted("ens.startlistener", Bool, "0", "Start a listener."),
	used("service.notify.enable", Bool, "yes", "Send mail, which csstored does, and pop-ups, which csnotifyd does.", func(c *Config) any { return &c.Notify.Enable }),
	used("service.notify.maxretrytime", Int, "-1", "How often csnotifyd may find that ENS does not answer, one time after another, before it gives up; -1 is without end.", func(c *Config) any { return &c.Notify.MaxRetries }, atLeast(-1)),
	used("service.notify.retryinterval", Seconds, "3", "Seconds between two looks.", func(c *Config) any { return &c.Notify.RetryInterval }, atLeast(1)),
	used("service.notify.startupretrytime", Seconds, "0", "How long its start waits for ENS, and fails then; 0 starts without.", func(c *Config) any { return &c.Notify.StartupRetry }),
}

var alarmParams = []Param{
	used("caldb.serveralarms", Bool, "yes", "Send the alarms of events and tasks: by mail those with ACTION:EMAIL, and all to pop-ups where caldb.serveralarms.url and .contenttype are set.", func(c *Config) any { return &c.Alarms.Enable }),
	used("caldb.serveralarms.dispatch", Bool, "yes", "Run the dispatcher of alarms; without it none is sent.", func(c *Config) any { return &c.Alarms.Dispatch }),
	used("caldb.serveralarms.dispatchtype", Enum, "ens", "ens: alarms are published too; smtp: they are mailed and nothing else.", func(c *Config) any { return &c.Alarms.DispatchType }, words("ens", "smtp")),
	used("caldb.serveralarms.binary.enable", Bool, "yes", "Alarms with ACTION:EMAIL go out by mail, where caldb.smtphost names a server.", func(c *Config) any { return &c.Alarms.Mail }),
	used("caldb.serveralarms.binary.url", String, "enp:///ics/alarm", "Topic that tells of each alarm that is mailed; empty for none.", func(c *Config) any { return &c.Alarms.MailURL }),
	used("caldb.serveralarms.url", String, "", "Topic of one more message per alarm, for pop-ups; empty for none.", func(c *Config) any { return &c.Alarms.URL }),
	used("caldb.serveralarms.contenttype", Enum, "", "Form of that message; empty sends none.", func(c *Config) any { return &c.Alarms.ContentType }, words("", "text/xml", "text/calendar")),
	used("caldb.berkeleydb.alarmretrytime", Seconds, "300", "Longest pause between attempts to send an alarm that the store did not take; 0 tries once.", func(c *Config) any { return &c.Alarms.Retry }),
	used("caldb.serveralarms.acktimeout", Seconds, "30", "How long one attempt may take.", func(c *Config) any { return &c.Alarms.AckTimeout }, atLeast(1)),
	accepted("caldb.serveralarms.initthreads", Int, "10", "Threads at first."),
	used("caldb.serveralarms.maxthreads", Int, "64", "Alarms that are sent at a time. Sun's default was 10.", func(c *Config) any { return &c.Alarms.Threads }, atLeast(1)),
	used("caldb.serveralarms.maxretrytime", Int, "-1", "Most attempts; -1 is without end.", func(c *Config) any { return &c.Alarms.MaxRetries }, atLeast(-1)),
	used("caldb.serveralarms.retryinterval", Seconds, "5", "First pause between attempts; it doubles up to caldb.berkeleydb.alarmretrytime.", func(c *Config) any { return &c.Alarms.RetryInterval }, atLeast(1)),
	used("factotum.alarm.late", Seconds, "86400", "How late an alarm is sent, as after a time in which the server was down: of each the newest, unless what it reminds of is over.", func(c *Config) any { return &c.Alarms.Late }, atLeast(60)),
	used("factotum.alarm.recipients", Int, "10", "Most addresses that one alarm is mailed to.", func(c *Config) any { return &c.Alarms.Recipients }, atLeast(1)),
	used("factotum.alarm.outside", Bool, "yes", "Alarms are mailed to whatever addresses they name; no: only to those of the directory.", func(c *Config) any { return &c.Alarms.Outside }),
	accepted("caldb.serveralarms.stacksize", Bytes, "65536", "Stack of a thread."),
	accepted("caldb.serveralarms.jmqlib", String, "", "Java Message Queue library."),
	accepted("caldb.serveralarms.jmqhost", String, "", "Its host."),
	accepted("caldb.serveralarms.jmqport", Port, "7676", "Its port."),
	accepted("caldb.serveralarms.jmqUser", String, "", "User there."),
	accepted("caldb.serveralarms.jmqPWD", Password, "", "Password there."),
	accepted("caldb.serveralarms.jmqTopic", String, "JES-CS", "Topic there."),
}

var gseParams = []Param{
	used("gse.autorefreshreplystatus", Bool, "yes", "Pass an attendee's answer on to the other attendees; with no they learn of it when the organizer changes something.", func(c *Config) any { return &c.GSE.RefreshReplies }),
	accepted("gse.belowthresholdtimeout", Seconds, "3", "Seconds until the queue is looked at again."),
	accepted("gse.maxthreads", Int, "10", "Jobs at a time."),
	used("gse.retryexpiredinterval", Seconds, "432000", "After how long a scheduling message is given up whose recipient's back end does not answer; Sun's default is a day.", func(c *Config) any { return &c.GSE.RetryExpires }, atLeast(1)),
	used("gse.retryinterval", Seconds, "3600", "The longest time between two attempts at one, of which the first are a second apart; Sun's default is 300.", func(c *Config) any { return &c.GSE.RetryInterval }, atLeast(1)),
	accepted("gse.stacksize", Bytes, "65535", "Stack of a thread."),
}

// templateNames are the keys of calmail.<key>.fname and the default files.
var templateNames = [][3]string{
	{"imipeventpublish", "mail_eventpublish.fmt", "Announcement of an event."},
	{"imipeventcancel", "mail_eventcancel.fmt", "An event is cancelled."},
	{"imipeventreply", "mail_eventreply.fmt", "Answer to an invitation."},
	{"imipeventrequest", "mail_eventrequest.fmt", "Invitation."},
	{"eventreminder", "mail_eventreminder.fmt", "Reminder of an event."},
	{"imipeventnotification", "mail_eventnotification.fmt", "Notice of an invitation."},
	{"imipeventnotificationrecur", "mail_eventnotificationrecur.fmt", "Notice of an invitation to a series."},
	{"imipeventcancelnotification", "mail_eventcancelnotification.fmt", "Notice of a cancellation."},
	{"imipeventcancelnotificationrecur", "mail_eventcancelnotificationrecur.fmt", "Notice of the cancellation of a series."},
	{"imipeventacceptnotification", "mail_eventacceptnotification.fmt", "An attendee accepted."},
	{"imipeventdeclinenotification", "mail_eventdeclinenotification.fmt", "An attendee declined."},
	{"imipeventtentativeacceptnotification", "mail_eventtentativeacceptnotification.fmt", "An attendee accepted tentatively."},
	{"imipeventacceptnotificationrecur", "mail_eventacceptnotificationrecur.fmt", "An attendee accepted a series."},
	{"imipeventdeclinenotificationrecur", "mail_eventdeclinenotificationrecur.fmt", "An attendee declined a series."},
	{"imipeventtentativeacceptnotificationrecur", "mail_eventtentativeacceptnotificationrecur.fmt", "An attendee accepted a series tentatively."},
	{"imiptodopublish", "mail_todopublish.fmt", "Announcement of a task."},
	{"imiptodocancel", "mail_todocancel.fmt", "A task is cancelled."},
	{"imiptodoreply", "mail_todoreply.fmt", "Answer about a task."},
	{"imiptodorequest", "mail_todorequest.fmt", "Assignment of a task."},
	{"todoreminder", "mail_todoreminder.fmt", "Reminder of a task."},
	{"heldnotification", "mail_heldnotification.fmt", "Notice of what came by mail and waits for its recipient's decision; Sun's server had none."},
	{"delayednotification", "mail_delayednotification.fmt", "Notice to a sender that a mail is late; Sun's server had none."},
	{"returnednotification", "mail_returnednotification.fmt", "Notice to a sender that a mail was given up; Sun's server had none."},
	{"hookoffnotification", "mail_hookoffnotification.fmt", "Notice that a webhook was switched off; Sun's server had none."},
	{"rezonednotification", "mail_rezonednotification.fmt", "Notice of events that csdst has mended after a change of the zone database; Sun's server had none."},
}

// entry is a string that belongs into a map.
type entry struct {
	m   *map[string]string
	key string
}

func mailParams() []Param {
	ps := []Param{
		used("caldb.smtphost", Host, "", "SMTP host that takes the mail: invitations, answers and cancellations for people without a calendar here. Empty: there is no mail, and who is outside has no invitation (status 5.1). Sun's default was localhost.", func(c *Config) any { return &c.Mail.Host }),
		used("caldb.smtpport", Port, "25", "Its port: 25, 587 or 465.", func(c *Config) any { return &c.Mail.Port }),
		used("factotum.mail.routes", Routes, "", "Servers that take the mail of some domains, where it is not caldb.smtphost: domain=host:port, or .domain=host:port for all domains below it, separated by blanks. The log-in of factotum.mail.user is not for them.", func(c *Config) any { return &c.Mail.Routes }),
		used("factotum.mail.direct", Bool, "no", "Without caldb.smtphost, mail goes to the servers that the MX records of its destination name.", func(c *Config) any { return &c.Mail.Direct }),
		used("factotum.mail.security", Enum, "opportunistic", "How the connection is protected: opportunistic takes STARTTLS where it is offered, whatever the certificate; starttls and tls send nothing without TLS and a valid certificate, by STARTTLS or from the first octet; none.", func(c *Config) any { return &c.Mail.Security }, words("opportunistic", "starttls", "tls", "none")),
		used("factotum.mail.user", String, "", "Name to log in with at the SMTP host; empty does not log in.", func(c *Config) any { return &c.Mail.User }),
		used("factotum.mail.password", Password, "", "Its password.", func(c *Config) any { return &c.Mail.Password }),
		used("factotum.mail.hello", HostName, "", "Name that the server greets with (EHLO); empty: local.hostname.", func(c *Config) any { return &c.Mail.Hello }),
		used("factotum.mail.envelope", String, "", "Address that mail comes back to which cannot be delivered; empty: whom it is from.", func(c *Config) any { return &c.Mail.Envelope }),
		used("factotum.mail.connections", Int, "20", "Connections to SMTP hosts at once. Those that take longer than a quarter of a second count apart, up to five times as many, so that slow servers do not hold up the others.", func(c *Config) any { return &c.Mail.Connections }, atLeast(1)),
		used("factotum.mail.perdestination", Int, "4", "Of these, for recipients of one domain.", func(c *Config) any { return &c.Mail.Each }, atLeast(1)),
		used("factotum.mail.timeout", Seconds, "60", "How long an SMTP host may take to answer a command; half of it to connect, and five times as long to take a whole message.", func(c *Config) any { return &c.Mail.Timeout }, atLeast(1)),
		used("factotum.mail.backoff", Durations, "pt2m pt5m pt10m pt30m pt1h pt2h pt4h", "Pauses between attempts to send a mail, as the channel keyword backoff has them; the last is repeated.", func(c *Config) any { return &c.Mail.Backoff }),
		used("factotum.mail.notices", Durations, "1 2 4", "Ages at which the sender is told that a mail of his is late, as the channel keyword notices has them, in days or as durations; at the last it is returned.", func(c *Config) any { return &c.Mail.Notices }),
		used("factotum.mail.dkim.domain", HostName, "", "Domain that the server signs mail for (DKIM): mail from its addresses, and those of domains below it. Empty signs nothing.", func(c *Config) any { return &c.Mail.DKIMDomain }),
		used("factotum.mail.dkim.selector", String, "calendar", "Selector of the key: its public half is the TXT record <selector>._domainkey.<domain>.", func(c *Config) any { return &c.Mail.DKIMSelector }),
		used("factotum.mail.dkim.keyfile", Path, "", "PEM file with the private key, RSA or Ed25519, relative to the directory of ics.conf.", func(c *Config) any { return &c.Mail.DKIMKey }, under("@config")),
		used("factotum.mail.past", Bool, "no", "Mail people about meetings that are over.", func(c *Config) any { return &c.Mail.Past }),
		used("caldb.smtpmsgfmtdir", String, "en", "Folder of the templates, below that of ics.conf, for who has no language of his own: docs/admin.md, \"Templates of mails\".", func(c *Config) any { return &c.Mail.TemplateDir }),
		used("ine.invitation.enable", Bool, "yes", "Mail people here who are invited, besides putting it into their calendars. Who has set ceNotifyEnable to 1 is mailed about changes too, at ceNotifyEmail.", func(c *Config) any { return &c.Mail.Invitations }),
		used("ine.cancellation.enable", Bool, "yes", "Mail people here whose invitation is called off.", func(c *Config) any { return &c.Mail.Cancellations }),
		used("ine.reply.enable", Bool, "y", "Mail an organizer here once for each answer that differs from the one before.", func(c *Config) any { return &c.Mail.Replies }),
		used("factotum.reply.resources", Bool, "no", "With ine.reply.enable: what rooms and other resources answer by themselves is mailed to organizers too.", func(c *Config) any { return &c.Mail.ResourceReplies }),
	}
	for _, n := range templateNames {
		ps = append(ps, used("calmail."+n[0]+".fname", String, n[1], "Template: "+n[2], func(c *Config) any { return entry{&c.Mail.Templates, n[0]} }))
	}
	return ps
}

var imipParams = []Param{
	used("factotum.imip.lmtp.listen", Endpoint, "", "Address, or path of a socket below the data directory, where the site's mail system hands in mail for the people here by LMTP: answers and invitations from outside. Empty: none.", func(c *Config) any { return &c.IMIP.LMTP }),
	used("factotum.imip.smtp.listen", Endpoint, "", "The same by SMTP, for mail systems that do not speak LMTP.", func(c *Config) any { return &c.IMIP.SMTP }),
	used("factotum.imip.peers", Networks, "", "Addresses and networks that may hand in mail by TCP. Empty: this host alone. Sockets of the file system are open to whom their mode lets in.", func(c *Config) any { return &c.IMIP.Peers }),
	used("factotum.imip.authservid", String, "", "Name of the mail system whose Authentication-Results are believed: the topmost of that name. Empty: nobody is, and all mail from outside is held.", func(c *Config) any { return &c.IMIP.AuthServID }),
	used("factotum.imip.unproven", Bool, "no", "Believe the From of a mail about which nobody says whether it is true. For sites whose mail system writes no Authentication-Results.", func(c *Config) any { return &c.IMIP.Unproven }),
	used("factotum.imip.unsolicited", Enum, "hold", "Invitations from outside that nobody waits for: hold leaves them in the inbox, known puts those of people into the calendar with whom its owner has to do, add puts all there, and refuse none: they come to nothing. Users may choose otherwise: factotumMailInvitations.", func(c *Config) any { return &c.IMIP.Unsolicited }, words("hold", "known", "add", "refuse")),
	used("factotum.imip.userrules", Bool, "yes", "Users may take in more mail from outside than factotum.imip.unsolicited and .unproven say, by their preferences; no lets them only take in less.", func(c *Config) any { return &c.IMIP.UserRules }),
	used("factotum.imip.spamd", Endpoint, "", "SpamAssassin's daemon (spamd), host:port or the path of a socket, which is asked about mails with meetings in them that the mail system does not call spam. Empty: nobody is asked.", func(c *Config) any { return &c.IMIP.Spamd }),
	used("factotum.imip.spamd.verdict", Enum, "hold", "What becomes of what spamd calls spam: hold leaves it to its recipient, refuse has the mail system return it.", func(c *Config) any { return &c.IMIP.SpamdVerdict }, words("hold", "refuse")),
	used("factotum.imip.spamd.away", Enum, "defer", "While spamd does not answer: defer has the mail system try again, accept goes on without.", func(c *Config) any { return &c.IMIP.SpamdAway }, words("defer", "accept")),
	used("factotum.imip.spamd.timeout", Seconds, "30", "How long spamd may take for an answer.", func(c *Config) any { return &c.IMIP.SpamdTimeout }, atLeast(1)),
	used("factotum.imip.notify", Bool, "yes", "Mail people here what came from outside and waits for their decision: each message once, at most one mail an hour.", func(c *Config) any { return &c.IMIP.Notify }),
	used("factotum.imip.relays", List, "", "Domains that may speak for others in mails from them with their valid DKIM signature, such as calendar services that send in their users' names. relay/domain lets a relay sign for a From of another domain.", func(c *Config) any { return &c.IMIP.Relays }),
}

var pushParams = []Param{
	used("factotum.push.enable", Bool, "yes", "Tell clients of changes by push services (WebDAV-Push). Where calendars are looked for on several hosts, that needs factotum.push.vapid.", func(c *Config) any { return &c.Push.Enable }),
	used("factotum.push.vapid", Path, "", "PEM file with the private key, of the curve P-256, by which push services know the site: the same on all of its hosts. Empty: vapid.pem in the data directory, made at the first start, where all calendars are on this host.", func(c *Config) any { return &c.Push.VAPID }, under("@config")),
	used("factotum.push.contact", String, "", "How operators of push services reach the administrator: a mailto: or https: address. Empty: what clients reach the server by, or its postmaster.", func(c *Config) any { return &c.Push.Contact }),
	used("factotum.push.allow", Networks, "", "Networks with push services that are not on the public Internet. All addresses that are not public are refused else. These are spoken to without TLS too.", func(c *Config) any { return &c.Push.Allow }),
	used("factotum.push.limit", Int, "50", "Push registrations that a user may have in one home.", func(c *Config) any { return &c.Push.Limit }, atLeast(1)),
	used("factotum.push.life", Days, "7", "After how many days a push registration ends that its client does not renew.", func(c *Config) any { return &c.Push.Life }, atLeast(3)),
	used("factotum.push.delay", Seconds, "2", "For how long changes are collected before push services are told.", func(c *Config) any { return &c.Push.Delay }, atLeast(1)),
	used("factotum.hooks.enable", Bool, "yes", "Tell of changes by webhooks that users register.", func(c *Config) any { return &c.Hooks.Enable }),
	used("factotum.hooks.allow", Networks, "", "Networks with receivers of webhooks that are not on the public Internet, as factotum.push.allow has them.", func(c *Config) any { return &c.Hooks.Allow }),
	used("factotum.hooks.limit", Int, "20", "Webhooks that a user may have in one home.", func(c *Config) any { return &c.Hooks.Limit }, atLeast(1)),
	used("factotum.hooks.giveup", Days, "3", "After how many days in which nothing could be delivered a webhook is switched off.", func(c *Config) any { return &c.Hooks.GiveUp }, atLeast(1)),
}

// topicNames are caldb.berkeleydb.ensmsg.<name> and the topics.
var topicNames = [][3]string{
	{"createcal", "enp:///ics/calendarcreate", "a new calendar"},
	{"deletecal", "enp:///ics/calendardelete", "a deleted calendar"},
	{"modifycal", "enp:///ics/calendarmodify", "changed properties of a calendar"},
	{"createevent", "enp:///ics/caleventcreate", "a new event"},
	{"modifyevent", "enp:///ics/caleventmodify", "a changed event"},
	{"deleteevent", "enp:///ics/caleventdelete", "a deleted event"},
	{"createtodo", "enp:///ics/caltodocreate", "a new task"},
	{"modifytodo", "enp:///ics/caltodomodify", "a changed task"},
	{"deletetodo", "enp:///ics/caltododelete", "a deleted task"},
	{"refreshevent", "enp:///ics/caleventrefresh", "an organizer's refresh"},
	{"replyevent", "enp:///ics/caleventreply", "an attendee's reply"},
}

func topicParams() []Param {
	const prefix = "caldb.berkeleydb.ensmsg."
	ps := []Param{
		used(prefix+"advancedtopics", Bool, "no", "Replies and refreshes have topics of their own instead of modifyevent's.", func(c *Config) any { return &c.ENS.AdvancedTopics }),
	}
	for i, n := range topicNames {
		ps = append(ps,
			used(prefix+n[0], Bool, "no", "Publish "+n[2]+".", func(c *Config) any { return &c.ENS.Topics[i].Enable }),
			used(prefix+n[0]+".url", String, n[1], "Its topic.", func(c *Config) any { return &c.ENS.Topics[i].URL }),
			used(prefix+n[0]+".contenttype", Enum, "text/xml", "Form of the message.", func(c *Config) any { return &c.ENS.Topics[i].ContentType }, words("text/xml", "text/calendar")),
		)
	}
	return ps
}
