package directory

import (
	"context"
	"net/mail"
	"strings"

	"factotum/server/calendar"
)

// mailMember is the attribute of a group with members by their addresses alone
// (commadmin group create -M); an address may stand as RFC 5322 has it, with a
// name.
const mailMember = "mgrprfc822mailmember"

// maxMailMembers is the most of them that are read of one group.
const maxMailMembers = 10_000

// foreign adds the members of a group by address. An address of somebody here
// is he; groups among them are added to inner.
func (x *expansion) foreign(ctx context.Context, g *entry, inner *[]string) error {
	values := g.all(mailMember)
	if len(values) > maxMailMembers {
		values, x.more = values[:maxMailMembers], true
	}
	names := map[string]string{} // by address
	var addresses []string
	for _, v := range values {
		a := &mail.Address{Address: strings.TrimSpace(v)}
		if strings.ContainsAny(v, "<\"") {
			var err error
			if a, err = mail.ParseAddress(v); err != nil {
				continue
			}
		}
		addr := fold(a.Address)
		if _, twice := names[addr]; twice || badName(addr) || strings.Count(addr, "@") != 1 || strings.ContainsAny(addr, " ,;<>") {
			continue
		}
		names[addr] = a.Name
		addresses = append(addresses, addr)
	}
	for len(addresses) > 0 && !x.full() {
		chunk := addresses[:min(len(addresses), 50)]
		addresses = addresses[len(chunk):]
		var fs []filter
		for _, a := range chunk {
			fs = append(fs, equal(x.d.at.Mail, a), equal(x.d.at.MailAlt, a), equal(x.d.at.MailEquiv, a))
		}
		found, _, err := x.d.src.search(ctx, "", x.d.principals(or(fs...)), 10*len(chunk))
		if err != nil {
			return unavailable("look up members", err)
		}
		for _, a := range chunk {
			if e := x.d.withMail(ctx, found, a); e != nil {
				*inner = x.take([]*entry{e}, *inner)
			} else if !x.seen["mail:"+a] {
				x.seen["mail:"+a] = true
				name := names[a]
				if name == "" || badText(name) {
					name = a
				}
				x.add(calendar.Person{Kind: calendar.Individual, Name: name, Mails: []string{a}, Active: true})
			}
		}
	}
	return nil
}

// contact is an entry that cannot have calendars here, but has an address: one
// of an address book.
func (d *Directory) contact(e *entry) (calendar.Person, bool) {
	mails := d.mails(e)
	if len(mails) == 0 || d.isGroup(e) {
		return calendar.Person{}, false
	}
	p := calendar.Person{Kind: calendar.Individual, Name: e.one(d.at.CN), Mails: mails, Active: true,
		Gone: !statusOK(e.one(d.at.UserStatus)) || !statusOK(e.one(d.at.Status))}
	def(&p.Name, mails[0])
	return p, true
}
