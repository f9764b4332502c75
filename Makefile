# Chatbridge. `make` alone lists the targets.

GO         ?= go
BINARY     := bin/chatbridge
VERSION    ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS    := -s -w -X main.version=$(VERSION)
FUZZTIME   ?= 30s
BENCHCOUNT ?= 5
MINUTES    ?= 8
SEED       ?= 0
RATE       ?= 1200
RUN        ?= .
SKIP       ?= ^$$

IMAGE      ?= chatbridge
CA_BUNDLE  ?= /etc/ssl/certs/ca-certificates.crt
COMPOSE    ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

include integration/kafka/version

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: dev
dev: build ## run the bridge on an embedded Kafka, with simulated traffic (Ctrl-C ends it)
	@$(BINARY) dev

.PHONY: test
test: ## run every test; on a real Kafka where Docker or Java is there, else on an embedded one
	@mkdir -p bin && rm -f bin/kafka-summary.txt
	CHATBRIDGE_TEST_SUMMARY=$(CURDIR)/bin/kafka-summary.txt $(GO) test -timeout 60m ./...
	@cat bin/kafka-summary.txt 2>/dev/null || echo "the integration tests had passed before, and nothing has changed since"

.PHONY: test-integration
test-integration: ## run the integration tests that match RUN and not SKIP on a real Kafka, and fail where there is none
	CHATBRIDGE_TEST_KAFKA=$${CHATBRIDGE_TEST_KAFKA:-real} $(GO) test -count 1 -timeout 60m -v -run '$(RUN)' -skip '$(SKIP)' ./integration

.PHONY: build
build: ## build bin/chatbridge
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BINARY) ./cmd/chatbridge

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, tidy module files, known vulnerabilities (where their list is reached)
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "gofmt would change the files above"; exit 1; }
	$(GO) vet ./...
	@GOBIN=$(CURDIR)/bin $(GO) install $(STATICCHECK)
	bin/staticcheck ./...
	$(GO) mod tidy -diff
	@GOBIN=$(CURDIR)/bin $(GO) install $(GOVULNCHECK)
	@bin/govulncheck ./... || { test $$? -ne 3 && echo "govulncheck could not reach its list: known vulnerabilities were not checked"; }

.PHONY: race
race: ## run the tests under the race detector, on an embedded Kafka
	CHATBRIDGE_TEST_KAFKA=fake $(GO) test -race -timeout 40m -skip '$(SKIP)' ./...

.PHONY: page
page: ## try the operator's page in Chromium on a real Kafka (needs chromium and npm), and take its pictures for docs/screenshots
	CHATBRIDGE_TEST_BROWSER=1 CHATBRIDGE_TEST_KAFKA=$${CHATBRIDGE_TEST_KAFKA:-real} $(GO) test -count 1 -timeout 30m -v -run 'TestThePage' ./integration \
		-chatbridge.pictures=$(CURDIR)/docs/screenshots

.PHONY: cold-read
cold-read: ## make the fault of each alert, follow the runbook, and write down in docs/cold-read.md what its commands printed (needs a real Kafka and Prometheus)
	CHATBRIDGE_TEST_PROMETHEUS=1 CHATBRIDGE_TEST_KAFKA=$${CHATBRIDGE_TEST_KAFKA:-real} $(GO) test -count 1 -timeout 30m -v -run 'TestRunbook' ./integration \
		-chatbridge.cold-read=$(CURDIR)/docs/cold-read.md

.PHONY: chaos
chaos: ## play every fault under load on a real Kafka, for about MINUTES (60 is the full form); SEED repeats a schedule
	@mkdir -p bin && rm -f bin/chaos.md
	@CHATBRIDGE_TEST_KAFKA=$${CHATBRIDGE_TEST_KAFKA:-real} CHATBRIDGE_TEST_TABLE=$(CURDIR)/bin/chaos.md \
		$(GO) test -count 1 -timeout 6h -v -run 'TestChaos$$' ./integration \
		-chatbridge.minutes=$(MINUTES) -chatbridge.seed=$(SEED) -chatbridge.rate=$(RATE); \
	code=$$?; cat bin/chaos.md || code=1; exit $$code

.PHONY: fuzz
fuzz: ## fuzz every parser and decoder, FUZZTIME each (default 30s)
	@for package in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
	    echo "== $$package $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5x $$package || exit 1; \
	  done; \
	done

.PHONY: bench
bench: build ## measure against the goals, on an embedded and a real Kafka (Java), in one run; profiles in bin/bench (medians of BENCHCOUNT; about an hour)
	$(GO) test -run '^$$' -bench . -benchmem -count 1 ./schema ./bridge/... ./publisher
	@rm -rf bin/bench && mkdir -p bin/bench
	CHATBRIDGE_TEST_KAFKA=$${CHATBRIDGE_TEST_KAFKA:-jvm} \
	  $(GO) test -run '^$$' -bench . -benchtime 1x -timeout 120m -v ./integration -chatbridge.rounds=$(BENCHCOUNT) -chatbridge.logs=$(CURDIR)/bin/bench

.PHONY: image
image: ## build the image IMAGE:VERSION, also as IMAGE:latest (a static program on an empty base)
	@test -r $(CA_BUNDLE) || { echo "there is no $(CA_BUNDLE), the authorities that TLS to Kafka trusts; name yours: make image CA_BUNDLE=..."; exit 1; }
	@rm -rf bin/image && mkdir -p bin/image/etc/ssl/certs bin/image/var/lib/chatbridge
	@chmod 700 bin/image/var/lib/chatbridge
	@cp $(CA_BUNDLE) bin/image/etc/ssl/certs/ca-certificates.crt
	@GOOS=linux $(MAKE) --no-print-directory build BINARY=bin/image/chatbridge
	docker build -q -f deploy/Dockerfile -t $(IMAGE):$(VERSION) -t $(IMAGE):latest --build-arg VERSION=$(VERSION) \
	  --build-arg REVISION=$$(git rev-parse HEAD) --build-arg CREATED=$$(git log -1 --format=%cI) bin/image
	@docker image inspect -f '$(IMAGE):$(VERSION), {{.Size}} bytes' $(IMAGE):$(VERSION)

.PHONY: up
up: image ## run Kafka and chatbridge in containers, at 127.0.0.1:8080; what they store stays over make down
	integration/kafka/get image $(newest)
	BRIDGE_IMAGE=$(IMAGE):$(VERSION) KAFKA_VERSION=$(newest) $(COMPOSE) up -d
	@echo "post to http://127.0.0.1:$${BRIDGE_PORT:-8080}/callback, look at http://127.0.0.1:$${OPS_PORT:-9090}/ (user operator, password $${OPS_PASSWORD:-on-this-machine-only}); make down ends it"

.PHONY: down
down: ## stop what make up started, and keep what it stored
	$(COMPOSE) down

.PHONY: dashboard
dashboard: ## make deploy/dashboard.json, Grafana's, of deploy/dashboard
	@mkdir -p bin
	$(GO) run ./deploy/dashboard >bin/dashboard.json
	@mv bin/dashboard.json deploy/dashboard.json

.PHONY: deploy-check
deploy-check: build ## check the systemd unit, the Kubernetes manifests, the Dockerfiles, the scripts and the alerts
	deploy/check
