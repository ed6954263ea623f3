# A person's client: logs in, has the agent among its contacts, and prints what it gets.
import sys

import slixmpp


class Client(slixmpp.ClientXMPP):
    def __init__(self, jid, password, ca, agent):
        super().__init__(jid, password)
        self.ca_certs = ca
        self.agent = agent
        self.roster.auto_authorize = True
        self.roster.auto_subscribe = True
        self.add_event_handler("session_start", self.begin)
        self.add_event_handler("changed_subscription", self.asked)
        self.add_event_handler("message", self.message)

    async def begin(self, _):
        await self.get_roster()
        self.send_presence()
        self.send_presence_subscription(self.agent)

    def asked(self, presence):
        if presence["type"] == "subscribe":
            print("asked", presence["from"].bare, flush=True)

    def message(self, m):
        print("message", m["type"], m["from"].bare, repr(m["body"]), flush=True)


jid, password, ca, agent, host, port = sys.argv[1:]
client = Client(jid, password, ca, agent)
client.connect((host, int(port)))
client.process(forever=True)
