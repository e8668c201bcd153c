# Type make: it explains itself.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

GOLANGCI_LINT := v2.15.0
GOVULNCHECK   := v1.8.0
FUZZTIME      ?= 5s
BENCH         ?= .
ARGS          ?=

# Where git cannot read the checkout (no git, or another owner's folder), build without its stamp instead of failing.
VERSION_STAMP := $(shell git rev-parse --verify --quiet HEAD >/dev/null 2>&1 || echo -buildvcs=false)

.PHONY: help demo test check build install lint fmt fuzz bench clean doctor doctor-test

help: ## this text
	@echo 'hookbridge: turns systems that can only be polled into signed webhooks'
	@echo
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 18
	@echo
	@echo 'Each target first looks for what it needs; as root on Debian it installs what is missing,'
	@echo 'elsewhere it says what to type.'

demo: build ## a legacy API that changes, the bridge and a receiver that verifies, in this terminal (Ctrl-C ends it)
	@./bin/hookbridge demo $(ARGS)

test: doctor-test testdata/node/node_modules/.package-lock.json ## everything CI runs: format, vet, lint, fuzz, the whole suite with the race detector
	@echo '== gofmt'
	@files=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go' 2>/dev/null || find . -name '*.go' -not -path '*/node_modules/*')); \
		if [ -n "$$files" ]; then echo "not formatted (type make fmt):"; echo "$$files"; exit 1; fi
	@echo '== go vet'
	@go vet ./...
	@echo '== golangci-lint $(GOLANGCI_LINT)'
	@$(MAKE) --no-print-directory lint
	@echo '== a build without cgo'
	@.ci/nocgo
	@echo '== govulncheck $(GOVULNCHECK)'
	@.ci/vuln $(GOVULNCHECK)
	@echo '== fuzz, $(FUZZTIME) each'
	@.ci/fuzz $(FUZZTIME)
	@echo '== go test -race -shuffle=on ./...'
	@CI=$${CI:-true} go test -race -shuffle=on -timeout 8m ./...
	@echo '== all passed'

check: test ## the same as make test

build: doctor ## bin/hookbridge
	@go build $(VERSION_STAMP) -o bin/hookbridge ./cmd/hookbridge

install: doctor ## hookbridge into the folder of go install
	@go install $(VERSION_STAMP) ./cmd/hookbridge

lint: doctor ## golangci-lint, with the arrows between the rooms (the first time it is built from source, a few minutes)
	@go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT) run ./...

fmt: ## gofmt on every file
	@gofmt -w $$(git ls-files --cached --others --exclude-standard '*.go')

fuzz: doctor ## every fuzz target for FUZZTIME (default 5s) each
	@.ci/fuzz $(FUZZTIME)

bench: doctor ## the benchmarks; BENCH=Snapshot picks some
	@go test -run '^$$' -bench '$(BENCH)' -benchmem -timeout 30m ./...

clean: ## removes what was built and fetched
	@rm -rf bin testdata/node/node_modules

doctor:
	@.ci/doctor build

doctor-test:
	@.ci/doctor test

# json-server and the official standardwebhooks library, for the end-to-end tests.
testdata/node/node_modules/.package-lock.json: testdata/node/package-lock.json testdata/node/package.json
	@echo '== npm ci'
	@cd testdata/node && npm ci --no-audit --no-fund --loglevel=error </dev/null
	@touch $@
