#!/bin/bash
# peers.sh: measure the program beside Cyrus, the fastest of the other servers,
# both on this machine in one run, round by round in turn. It needs ../shared
# (the load generator and Cyrus' setup, which installs Debian's packages as
# root) and prints tables; the raw runs stay in $OUT.
#
#   SIZES=1000,10000 CLIENTS=1,16 ROUNDS=3 DUR=1500ms PHASES=put,get cmd/calserver/bench/peers.sh
set -euo pipefail
cd "$(dirname "$0")/../../.."
gen=$PWD/../shared/bench
if [ ! -d "$gen" ]; then
  echo "skipped: ../shared/bench, the load generator, is not here"
  exit 0
fi
dir=$(mktemp -d)
chmod 755 "$dir" # Cyrus runs as a user of its own
OUT=${OUT:-$dir/runs.jsonl}
export PEERS=$dir/peers PORT=${PORT:-19008} IMAP=${IMAP:-19143}
mkdir -p "$PEERS"
ours=
end() {
  [ -z "$ours" ] || kill "$ours" 2>/dev/null || true
  master=$PEERS/cyrusb/run/master.pid
  [ ! -e "$master" ] || kill "$(head -1 "$master")" 2>/dev/null || true
}
trap end EXIT
CGO_ENABLED=0 go build -trimpath -o "$dir/calserver" ./cmd/calserver
(cd "$gen" && go build -o "$dir/calbench" .)

addr=127.0.0.1:${OURS:-19081}
users=() list=
for i in $(seq 16); do
  users+=(--user "bench$i:pass$i")
  list+="${list:+,}[\"bench$i\",\"pass$i\"]"
done
"$dir/calserver" quickstart --data "$dir/data" --http "$addr" "${users[@]}" >"$dir/calserver.log" 2>&1 &
ours=$!
echo "$ours" >"$dir/calserver.pid"
for _ in $(seq 100); do curl -s -o /dev/null "http://$addr/" && break; sleep 0.2; done
"$gen/cyrus-up.sh" >"$dir/cyrus.log" 2>&1 || { cat "$dir/cyrus.log"; exit 1; }

cat >"$dir/factotum.json" <<J
{"name": "factotum", "base": "http://$addr", "home": "/dav/calendars/{user}/", "outbox": "/dav/calendars/{user}/outbox/",
 "invite": "/dav/calendars/{user}/calendar/", "address": "mailto:{user}@example.com",
 "users": [$list], "procs": ["pidfile:$dir/calserver.pid"], "skip": []}
J
"$dir/calbench" -targets "$dir/factotum.json,$gen/targets/cyrus.json" \
  -phases "${PHASES:-put,update,get,ctag,propfind,multiget,query,queryday,expand,sync0,sync,syncinit,freebusy,fbpost,invite}" \
  -S "${SIZES:-1000,10000}" -C "${CLIENTS:-1,16}" -rounds "${ROUNDS:-3}" -dur "${DUR:-1500ms}" -out "$OUT" >&2
"$dir/calbench" -report "$OUT"
