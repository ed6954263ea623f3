package imip

import (
	"strconv"
	"strings"
)

// spamOf is the field by which a mail system said that a mail is spam, "" if none
// did. Who says so of his own mail is believed too. The fields are those of
// SpamAssassin, rspamd, Exchange, Barracuda, DSPAM and bogofilter.
func spamOf(h header) string {
	for _, f := range h {
		v := strings.ToLower(f.value)
		yes := strings.HasPrefix(v, "yes")
		switch f.name {
		case "x-spam-flag", "x-spam-status", "x-spam", "x-barracuda-spam-status":
		case "x-rspamd-action":
			yes = v == "reject" || v == "add header" || v == "rewrite subject"
		case "x-spam-action":
			yes = v == "reject" || v == "add header"
		case "x-ms-exchange-organization-scl":
			n, err := strconv.Atoi(v)
			yes = err == nil && n >= 5
		case "x-forefront-antispam-report":
			yes = strings.Contains(v, "sfv:spm") || strings.Contains(v, "sfv:skb")
		case "x-dspam-result", "x-bogosity":
			yes = strings.HasPrefix(v, "spam") || yes
		default:
			continue
		}
		if yes {
			return f.name
		}
	}
	return ""
}
