package config

var cldParams = []Param{
	used("csapi.plugin.calendarlookup", Bool, "no", "Look up the back end of calendars.", func(c *Config) any { return &c.CLD.Plugin }),
	accepted("csapi.plugin.calendarlookup.name", String, "*", "Look-up plug-in."),
	used("caldb.cld.type", Enum, "local", "local: all calendars are on this host; directory: their owner's icsDWPHost says where.", func(c *Config) any { return &c.CLD.Type }, words("local", "directory")),
	used("caldb.dwp.server.default", HostName, "", "Fully qualified name of the back end of owners without icsDWPHost.", func(c *Config) any { return &c.DWP.Default }),
	used("caldb.dwp.server.<host>.ip", HostName, "", "A back end: the same fully qualified host name in the parameter's name and in its value, in spite of the .ip.", func(c *Config) any { return &c.DWP.BackEnds }),
	used("caldb.dwp.server.<host>.admin", String, "", "User id sent to that back end.", func(c *Config) any { return &c.DWP.BackEnds }),
	used("caldb.dwp.server.<host>.cred", Password, "", "Password sent to that back end.", func(c *Config) any { return &c.DWP.BackEnds }),
	used("caldb.dwp.server.<host>.port", Port, "", "Port of that back end; service.dwp.port if not set.", func(c *Config) any { return &c.DWP.BackEnds }),
	used("factotum.dwp.timeout", Seconds, "30", "How long a call to a back end may take where the request sets no shorter time.", func(c *Config) any { return &c.DWP.Timeout }, atLeast(1)),
	used("factotum.dwp.dialtimeout", Seconds, "1", "How long a connection to a back end may take to come up, and a request waits for one whose state is not known.", func(c *Config) any { return &c.DWP.DialTimeout }, atLeast(1)),
	used("factotum.dwp.keepalive", Seconds, "10", "Seconds between signs of life on an idle connection.", func(c *Config) any { return &c.DWP.KeepAlive }, atLeast(10)),
	used("factotum.dwp.retryafter", Seconds, "10", "When clients are told to try again while a back end is down.", func(c *Config) any { return &c.DWP.RetryAfter }, atLeast(1)),
	accepted("caldb.dwp.connthreshold", Int, "1", "Backlog before another connection is opened."),
	used("caldb.dwp.initconns", Int, "2", "Connections to a back end at first.", func(c *Config) any { return &c.DWP.InitConns }, idle()),
	accepted("caldb.dwp.initthreads", Int, "2", "Threads at first."),
	used("caldb.dwp.maxcons", Int, "1000", "Most connections to a back end.", func(c *Config) any { return &c.DWP.MaxConns }, atLeast(1), idle()),
	accepted("caldb.dwp.maxthreads", Int, "20", "Most threads."),
	accepted("caldb.dwp.md5", Bool, "no", "Hash requests; connections have TLS."),
	accepted("caldb.dwp.stacksize", Bytes, "65536", "Stack of a thread."),
	used("caldb.cld.cache.enable", Bool, "yes", "Remember which back end has a calendar.", func(c *Config) any { return &c.CLD.Cache }),
	used("factotum.cld.cache.ttl", Seconds, "300", "How long.", func(c *Config) any { return &c.CLD.CacheTTL }, atLeast(1)),
	used("factotum.cld.cache.size", Int, "100000", "Most owners that are remembered.", func(c *Config) any { return &c.CLD.CacheMax }, atLeast(1)),
	accepted("caldb.cld.cache.homedir.path", Path, ".", "Directory of that memory; it is in memory."),
	accepted("caldb.cld.cache.checkpointinterval", Seconds, "60", "Seconds between its checkpoints."),
	accepted("caldb.cld.cache.circularlogging", Bool, "yes", "Remove its checkpoint files."),
	accepted("caldb.cld.cache.logfilesizemb", Int, "10", "Size of its logs in MB."),
	accepted("caldb.cld.cache.maxthreads", Int, "1000", "Its threads.", also("caldb.cld.cache.maxthread")),
	accepted("caldb.cld.cache.mempoolsizemb", Int, "4", "Its memory in MB."),
}

var dwpParams = []Param{
	used("service.dwp.enable", Bool, "no", "Start csdwpd: this host is a back end.", func(c *Config) any { return &c.DWP.Enable }),
	used("service.dwp.port", Port, "57779", "Its port, the same on every host. Old guides say 59979.", func(c *Config) any { return &c.DWP.Port }),
	used("service.dwp.listenaddr", Listen, "INADDR_ANY", "Address it listens on.", func(c *Config) any { return &c.DWP.Listen }, orElse("service.listenaddr")),
	used("service.dwp.socket", Path, "", "Unix socket it listens on too, below the data directory; empty for none.", func(c *Config) any { return &c.DWP.Socket }),
	used("service.dwp.admin.userid", String, "", "User id that front ends must send; empty with no password asks for none.", func(c *Config) any { return &c.DWP.Admin }),
	used("service.dwp.admin.cred", Password, "", "Password that front ends must send.", func(c *Config) any { return &c.DWP.Cred }),
	used("service.dwp.ssl.enable", Bool, "yes", "Mutual TLS between front ends and back ends. Without it DWP runs over loopback and unix sockets only.", func(c *Config) any { return &c.DWP.TLS }),
	used("service.dwp.ssl.certfile", Path, "", "PEM file with this host's certificate for DWP, relative to the directory of ics.conf.", func(c *Config) any { return &c.DWP.CertFile }, under("@config")),
	used("service.dwp.ssl.keyfile", Path, "", "PEM file with its key.", func(c *Config) any { return &c.DWP.KeyFile }, under("@config")),
	used("service.dwp.ssl.cafile", Path, "", "PEM file with the authority of all hosts' DWP certificates.", func(c *Config) any { return &c.DWP.CAFile }, under("@config")),
	accepted("service.dwp.numprocesses", Int, "", "Processes of csdwpd."),
	used("service.dwp.idletimeout", Seconds, "86400", "When the session of a front end that sends no calls ends; it begins another by itself.", func(c *Config) any { return &c.DWP.IdleTimeout }, atLeast(1)),
	used("service.dwp.maxsessions", Int, "1000", "Most sessions of front ends; the one unused for longest makes room.", func(c *Config) any { return &c.DWP.MaxSessions }, atLeast(1)),
	accepted("service.dwp.maxthreads", Int, "20", "Threads."),
}

var databaseParams = []Param{
	used("service.store.enable", Bool, "yes", "Start csstored; nothing that needs the store runs without it.", func(c *Config) any { return &c.Store.Enable }),
	used("local.store.enable", Bool, "yes", "The same under its other name; no in either counts.", func(c *Config) any { return &c.Store.localEnable }),
	used("factotum.store.type", Enum, "sqlite", "Database: the embedded one, or a PostgreSQL server.", func(c *Config) any { return &c.Store.Type }, words("sqlite", "postgres")),
	used("factotum.store.dsn", Password, "", "Connection string of PostgreSQL.", func(c *Config) any { return &c.Store.DSN }),
	used("factotum.store.path", Path, "calendar.db", "Database file of SQLite, below caldb.berkeleydb.homedir.path.", func(c *Config) any { return &c.Store.Path }, under("@home")),
	used("factotum.store.maxconns", Int, "0", "Most connections to PostgreSQL; 0 lets the server choose.", func(c *Config) any { return &c.Store.MaxConns }),
	used("factotum.store.patience", Seconds, "5", "How long PostgreSQL may be silent before a request is answered with 503; what has much to do may take longer.", func(c *Config) any { return &c.Store.Patience }, atLeast(1)),
	used("factotum.store.socket", Path, "csstored.sock", "Unix socket of csstored, below the data directory.", func(c *Config) any { return &c.Store.Socket }),
	used("factotum.cache.bytes", Bytes, "-1", "What the process with the store takes at its height, not counting connections and log-ins: a fixed part of some 140 MiB, and calendars that are asked for often. -1 is a quarter of the machine's memory or of its control group's limit; 0 keeps nothing.", func(c *Config) any { return &c.Store.Cache }, atLeast(-1)),
	used("caldb.berkeleydb.homedir.path", Path, ".", "Directory of the database; . is csdb below the data directory.", func(c *Config) any { return &c.Store.Home }, under("csdb")),
	used("store.attachment.path", Path, "attachments", "Directory of attachments where they are not in the database, below the data directory.", func(c *Config) any { return &c.Store.Attachments }, idle()),
	accepted("caldb.berkeleydb.checkpointinterval", Seconds, "60", "Seconds between checkpoints."),
	used("caldb.berkeleydb.circularlogging", Bool, "yes", "Delete transaction logs once they are applied.", func(c *Config) any { return &c.Backup.Circular }, idle()),
	accepted("caldb.berkeleydb.deadlockinterval", Millis, "100", "Milliseconds between deadlock checks."),
	accepted("caldb.berkeleydb.logfilesizemb", Int, "10", "Size of a transaction log in MB."),
	accepted("caldb.berkeleydb.maxthreads", Int, "10000", "Threads."),
	accepted("caldb.berkeleydb.mempoolsizemb", Int, "4", "Shared memory in MB; see factotum.cache.bytes."),
	used("caldb.berkeleydb.readonly", Bool, "no", "Refuse every change.", func(c *Config) any { return &c.Store.ReadOnly }),
	used("caldb.counters", Bool, "yes", "Keep statistics of the database.", func(c *Config) any { return &c.Store.Counters }, idle()),
	accepted("caldb.counters.maxinstances", Int, "100", "Calendars with statistics of their own."),
}

var backupParams = []Param{
	used("caldb.berkeleydb.archive.enable", Bool, "yes", "Archive backups, once there is a path.", func(c *Config) any { return &c.Backup.Archive.Enable }, idle()),
	used("caldb.berkeleydb.archive.path", Path, "", "Where archive backups go, below the data directory.", func(c *Config) any { return &c.Backup.Archive.Path }, idle()),
	used("caldb.berkeleydb.archive.interval", Seconds, "86400", "Seconds between snapshots.", func(c *Config) any { return &c.Backup.Interval }, atLeast(1), idle()),
	used("caldb.berkeleydb.archive.mindays", Days, "3", "Least copies kept.", func(c *Config) any { return &c.Backup.Archive.Min }, idle()),
	used("caldb.berkeleydb.archive.maxdays", Days, "7", "Most copies kept.", func(c *Config) any { return &c.Backup.Archive.Max }, idle()),
	used("caldb.berkeleydb.archive.threshold", Percent, "70", "Percent of the disk used at which old copies go.", func(c *Config) any { return &c.Backup.Archive.Threshold }, idle()),
	used("caldb.berkeleydb.hotbackup.enable", Bool, "yes", "Hot backup, once there is a path.", func(c *Config) any { return &c.Backup.Hot.Enable }, idle()),
	used("caldb.berkeleydb.hotbackup.path", Path, "", "Where the hot backup goes, below the data directory; not the archive's directory.", func(c *Config) any { return &c.Backup.Hot.Path }, idle()),
	used("caldb.berkeleydb.hotbackup.mindays", Days, "3", "Least copies kept.", func(c *Config) any { return &c.Backup.Hot.Min }, idle()),
	used("caldb.berkeleydb.hotbackup.maxdays", Days, "6", "Most copies kept.", func(c *Config) any { return &c.Backup.Hot.Max }, idle()),
	used("caldb.berkeleydb.hotbackup.threshold", Percent, "70", "Percent of the disk used at which old copies go.", func(c *Config) any { return &c.Backup.Hot.Threshold }, idle()),
}

var deleteParams = []Param{
	used("service.admin.purge.deletelog", Bool, "no", "Purge the delete log.", func(c *Config) any { return &c.Deleted.Purge }, idle()),
	used("caldb.berkeleydb.purge.deletelog.interval", Seconds, "60", "Seconds between purges.", func(c *Config) any { return &c.Deleted.Interval }, atLeast(1), idle()),
	used("caldb.berkeleydb.purge.deletelog.beforetime", Seconds, "518400", "Age at which an entry goes; 2592000 with Outlook's connector.", func(c *Config) any { return &c.Deleted.Age }, idle()),
	used("factotum.sync.tombstoneage", Seconds, "15552000", "How long CalDAV sync remembers what was deleted; an older token makes the client start over.", func(c *Config) any { return &c.Deleted.TombstoneAge }, atLeast(1)),
	used("factotum.inbox.age", Seconds, "2592000", "How long a scheduling message that nobody has handled stays in a CalDAV inbox.", func(c *Config) any { return &c.Deleted.InboxAge }, atLeast(1)),
}

var limitParams = []Param{
	used("factotum.limit.objectsize", Bytes, "10485760", "Largest calendar object.", func(c *Config) any { return &c.Limits.ObjectSize }, atLeast(1)),
	used("factotum.limit.bodysize", Bytes, "20971520", "Largest request body.", func(c *Config) any { return &c.Limits.BodySize }, atLeast(1)),
	used("factotum.limit.headersize", Bytes, "131072", "Largest request header, the request line included.", func(c *Config) any { return &c.Limits.HeaderSize }, atLeast(1024)),
	used("factotum.limit.attendees", Int, "1000", "Most attendees of one event.", func(c *Config) any { return &c.Limits.Attendees }, atLeast(1)),
	used("factotum.limit.instances", Int, "10000", "Most occurrences that are computed of one event for one question.", func(c *Config) any { return &c.Limits.Instances }, atLeast(1)),
	used("factotum.limit.results", Int, "0", "Most objects of one answer; 0 is without limit.", func(c *Config) any { return &c.Limits.Results }),
	used("factotum.limit.hrefs", Int, "10000", "Most hrefs of one multiget.", func(c *Config) any { return &c.Limits.Hrefs }, atLeast(1)),
	used("factotum.limit.calendars", Int, "1000", "Most calendars of one owner.", func(c *Config) any { return &c.Limits.Calendars }, atLeast(1)),
	used("factotum.limit.quota", Bytes, "0", "Octets that one owner may store; 0 is without limit.", func(c *Config) any { return &c.Limits.Quota }),
	used("factotum.limit.xmldepth", Int, "32", "Deepest XML element of a request.", func(c *Config) any { return &c.Limits.XMLDepth }, atLeast(8)),
	used("factotum.limit.xmlelements", Int, "100000", "Most XML elements of a request.", func(c *Config) any { return &c.Limits.XMLElements }, atLeast(100)),
}

var csapiParams = []Param{
	accepted("csapi.plugin.loadall", Bool, "no", "Load every plug-in."),
	accepted("csapi.plugin.accesscontrol", Bool, "no", "Load the access-control plug-in."),
	accepted("csapi.plugin.authentication", Bool, "no", "Load one authentication plug-in only."),
	accepted("csapi.plugin.authentication.name", String, "", "Its name."),
	accepted("csapi.plugin.database", Bool, "yes", "Load the database plug-in."),
	accepted("csapi.plugin.database.name", String, "cs_caldb_berkeley", "Its name; see factotum.store.type."),
	accepted("csapi.plugin.datatranslator", Bool, "yes", "Load the data translator."),
	accepted("csapi.plugin.datatranslator.name", String, "cs_datatranslatorcsv", "Its name."),
	accepted("csapi.plugin.dbtranslator", Bool, "yes", "Load the database translator."),
	accepted("csapi.plugin.dbtranslator.name", String, "*", "Its name."),
	accepted("csapi.plugin.userprefs", Bool, "no", "Load the preferences plug-in."),
	accepted("csapi.plugin.userprefs.name", String, "", "Its name."),
}

var ssoParams = []Param{
	used("sso.enable", Bool, "no", "Trusted-circle single sign-on. Sun's default is 1 with the parameter's absence meaning off.", func(c *Config) any { return &c.SSO.Enable }, idle()),
	used("sso.appid", String, "ics50", "Id of this application.", func(c *Config) any { return &c.SSO.AppID }, idle()),
	used("sso.appprefix", String, "ssogrp1", "Prefix of the circle's cookies, without the final -.", func(c *Config) any { return &c.SSO.Prefix }, idle()),
	used("sso.<appid>.url", String, "", "Verification URL of an application of the circle.", func(c *Config) any { return &c.SSO.Apps }, idle()),
	used("sso.<appid>.ip", String, "", "IP address of an application of the circle.", func(c *Config) any { return &c.SSO.Apps }, idle()),
	used("sso.cookiedomain", String, ".", "Domain of the cookies, beginning with a period.", func(c *Config) any { return &c.SSO.CookieDomain }, idle()),
	used("sso.singlesignoff", Bool, "true", "Logging out deletes the whole circle's cookies.", func(c *Config) any { return &c.SSO.SignOff }, idle()),
	used("sso.userdomain", String, "", "Domain of the users.", func(c *Config) any { return &c.SSO.UserDomain }, idle()),
	accepted("local.calendar.sso.amnamingurl", String, "", "Naming service of Access Manager."),
	accepted("local.calendar.sso.amcookiename", String, "iPlanetDirectoryPro", "Its cookie."),
	accepted("local.calendar.sso.amloglevel", Int, "3", "How much is logged, 1 to 5."),
	accepted("local.calendar.sso.logname", String, "am_sso.log", "Its log."),
	accepted("local.calendar.sso.singlesignoff", Bool, "yes", "Logging out here logs out there."),
}

var uiParams = []Param{
	accepted("ui.allow.anyone", Bool, "yes", "Offer access for everybody."),
	accepted("ui.allow.domain", Bool, "no", "Offer access for domains."),
	accepted("ui.base.url", String, "", "Base URL."),
	accepted("ui.config.file", Path, "", "Configuration file."),
	accepted("ui.proxyaddress.url", String, "", "URL of a proxy."),
}

var monitorParams = []Param{
	accepted("service.monitor.continuous", Bool, "0", "Go on for ever."),
	accepted("service.monitor.loopsdelay", Seconds, "60", "Seconds between rounds."),
	accepted("service.monitor.emailaddress.from", String, "", "Sender of its mails."),
	accepted("service.monitor.emailaddress.to", String, "", "Their recipient."),
	accepted("service.monitor.csdb.logthreshold", Int, "90", "When it complains about logs."),
	accepted("service.monitor.dbglevel", Int, "0", "How much it says."),
	accepted("logfile.monitor.logname", String, "csmonitor.log", "Its log."),
	accepted("logfile.monitor.maxlogfilesize", Bytes, "2097152", "Size of its log."),
}
