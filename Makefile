# make run: a server from nothing. make check: everything CI does.
SHELL   := /bin/bash
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
export CGO_ENABLED = 0

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.9.0
# Tests that drive whole servers for minutes, or read all of our source: without the
# race detector's cost.
WHOLE = factotum/cmd/calserver/acceptance factotum/cmd/calserver factotum/cmd/calserver/crash factotum/cmd/calserver/bench \
  factotum/cmd/internal/project factotum/protocol/dwp/internal/gen
# Neither they nor what they import nor their tests start a goroutine, which
# TestPureStartsNothing looks at: the detector can find nothing, and costs ten times as much.
PURE = $(addprefix factotum/server/,acl admission availability booking calendar changes config edit ical itip match object personal recur rename rezone session why zone) factotum/protocol/dav \
  $(addprefix factotum/cmd/internal/,certificates freeport licences place plain zonedata) $(addprefix factotum/notify/,imip letter locale) factotum/migrations factotum/templates
# Under the detector they do less: sizes, values and stories that are many. Here all of it.
TWICE = factotum/protocol/caldav factotum/protocol/interop/meetings factotum/protocol/wcap factotum/protocol/wcap/wcaptest factotum/server/cache factotum/server/delivery/stories factotum/server/service
# What takes longest begins first, so that no core is idle at the end.
LONG = factotum/store/sqlstore factotum/protocol/caldav factotum/server/directory factotum/protocol/wcap/wcaptest factotum/server/service

.PHONY: all build run check packages format vet staticcheck vuln test race raced whole crash long clients fuzz bench specs calls generated image image-check deb deb-check clean

all: build

build:
	go build -v -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/calserver ./cmd/calserver

run:
	go run -v ./cmd/calserver quickstart

check: packages format vet staticcheck race generated

packages:
	.ci/packages

format:
	@bad=$$(gofmt -l cmd server store protocol notify migrations templates); \
	if [ -n "$$bad" ]; then echo "gofmt: $$bad"; exit 1; fi

vet:
	go vet ./...

staticcheck:
	go run $(STATICCHECK) ./...

# Known faults of what the program is built of, as far as it calls them. It asks
# vuln.go.dev, so it is no part of check.
vuln:
	go run $(GOVULNCHECK) ./cmd/calserver

# Quick: no race detector, tests may take what they remember.
test:
	go test ./...

# The one has a processor busy, the other waits for daemons, time limits and disks:
# beside each other they leave no core idle. What failed is said once more at the end.
race:
	@mkdir -p bin/tested
	$(MAKE) -j2 raced whole || { .ci/failures bin/tested/raced.log bin/tested/whole.log; exit 1; }

# SQLite is C that was translated to Go: the detector in it costs twice as much as all
# the rest, and finds nothing of ours. vet has looked at all of it before.
raced:
	@mkdir -p bin/tested
	set -o pipefail; CGO_ENABLED=1 go test -vet=off -p 2 -parallel 4 -race -gcflags=github.com/ncruces/go-sqlite3-wasm/...=-race=false -shuffle=on -timeout 45m $(LONG) \
	  $$(go list ./... | grep -v -x $(foreach p,$(LONG) $(WHOLE) $(PURE),-e $(p))) 2>&1 | tee bin/tested/raced.log

# The program is built once for all. Tests of whole servers wait far more than they work:
# more of them at a time than there are cores.
whole:
	go build -o bin/tested/calserver ./cmd/calserver
	set -o pipefail; CALSERVER_BINARY=$(CURDIR)/bin/tested/calserver go test -vet=off -p 3 -parallel 4 -shuffle=on -timeout 60m $(WHOLE) $(TWICE) $(PURE) 2>&1 | tee bin/tested/whole.log

# A hundred kills of every role, and as many power failures, on both engines.
crash: packages
	FACTOTUM_LONG=1 go test -count=1 -v -timeout 3h -skip 'Meetings|Steps|FailOver' ./cmd/calserver/crash
	FACTOTUM_LONG=1 go test -count=1 -v -run Crash -timeout 1h ./store/sqlstore ./server/worker

# What one protocol writes the other reads: ten thousand cases on SQLite and on
# PostgreSQL, in one process and over DWP; RFC 5546's stories in each mix of
# protocols; and a hundred thousand stories of
# meetings, of the engine alone and of all that delivers: about three hours. Then ten
# thousand kills of daemons that deliver, at random moments, and as many between
# the steps of a delivery: some hours.
long:
	FACTOTUM_LONG=1 go test -count=1 -timeout 3h ./protocol/interop/... ./protocol/wcap/wcaptest
	FACTOTUM_LONG=1 go test -count=1 -timeout 3h -run TestCopiesAgree ./server/itip -rapid.checks=100000
	FACTOTUM_LONG=1 go test -count=1 -timeout 6h -run "TestStories$$" ./server/delivery/stories -rapid.checks=100000
	FACTOTUM_LONG=1 go test -count=1 -timeout 3h -run "TestStoriesSQLite|TestStoriesOfFronts" ./server/delivery/stories -rapid.checks=2000
	FACTOTUM_LONG=1 go test -count=1 -timeout 1h -run TestStoriesOverHosts ./server/delivery/stories -rapid.checks=200
	FACTOTUM_LONG=1 go test -count=1 -v -timeout 3h -run TestWeek ./server/alarm
	FACTOTUM_LONG=1 go test -count=1 -v -timeout 12h -run TestNeverTwoThatServe ./store/standby
	FACTOTUM_LONG=1 go test -count=1 -v -timeout 3h -run 'TestMovesAndKills|TestUpgradeAndBack|TestStandby' ./cmd/calserver/acceptance
	FACTOTUM_LONG=1 go test -count=1 -v -timeout 12h -run 'Meetings|Steps|FailOver' ./cmd/calserver/crash

# Thunderbird itself, without a display.
clients:
	.ci/packages thunderbird
	FACTOTUM_LONG=1 go test -count=1 -v -run Thunderbird -timeout 30m ./cmd/calserver/acceptance

# Every fuzz target for a while: new inputs by chance, so not a part of check,
# whose tests run the kept ones. That the time was up in the midst of an input is
# no finding, though go test calls it a failure.
FUZZTIME ?= 30s
fuzz:
	@set -e; for p in $$(go list ./...); do \
	  for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
	    echo "$$p $$f"; out=$$(go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$p 2>&1) && s=0 || s=$$?; echo "$$out"; \
	    [ $$s = 0 ] || { grep -q '^ *context deadline exceeded$$' <<<"$$out" && ! grep -q -i 'failing input' <<<"$$out"; } || exit 1; done; done

bench:
	go test -run '^$$' -bench . -benchmem ./...
	cmd/calserver/bench/peers.sh

# docs/specs.md from the comments, docs/ics-conf.md from the table.
specs:
	go test ./cmd/internal/project -run TestSpecsCurrent -update
	go test ./server/config -update >/dev/null

# Messages of the wire from dwp.proto; from them and calendar.Backend what has a
# part for each of its methods.
calls:
	@if command -v protoc >/dev/null; then \
	  protoc -I protocol/dwp --plugin=$$(go tool -n protoc-gen-go) --plugin=$$(go tool -n protoc-gen-go-grpc) \
	    --go_out=. --go_opt=module=factotum --go-grpc_out=. --go-grpc_opt=module=factotum dwp.proto; \
	else echo "protoc is not installed: the messages stay as they are"; [ "$$CI" != true ]; fi
	go run ./protocol/dwp/internal/gen

generated: specs calls
	git diff --exit-code

image:
	docker build -f docs/docker/Dockerfile --build-arg VERSION=$(VERSION) -t factotum .

# The image built and run without an engine, a registry or a network: buildah.
image-check:
	@.ci/image || { s=$$?; [ $$s = 77 ] && [ "$$CI" != true ] || exit $$s; }

# The Debian package: docs/install.md.
deb: build
	docs/debian/build bin/calserver bin $(if $(filter command,$(origin VERSION)),$(VERSION))

# The package in a fresh root: installed, run, upgraded from the release before, brought
# back, removed, purged; and all that once more under systemd. Minutes, as root.
deb-check:
	.ci/packages debootstrap lintian systemd systemd-container
	@.ci/deb || { s=$$?; [ $$s = 77 ] && [ "$$CI" != true ] || exit $$s; }

clean:
	rm -rf bin
