# Everything that a person or a machine does with this repository. `make help` lists the targets.

SHELL    := /bin/sh
GO       ?= go
DURATION ?= 60s
GOLANGCI_VERSION := v2.5.0

ROOT := $(CURDIR)
BIN  := $(ROOT)/bin
LINT := $(ROOT)/.cache/bin/golangci-lint

.DEFAULT_GOAL := help
.PHONY: help build demo test acceptance bench lint fmt-check vet nocgo fuzz tools onnxruntime kafka redis clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

build: tools ## bin/shaketable and bin/demo
	$(GO) build -trimpath -o $(BIN)/shaketable ./cmd/shaketable
	$(GO) build -trimpath -o $(BIN)/demo ./cmd/demo

demo: build onnxruntime ## the whole line in one process, with a drift to watch (DURATION=60s)
	$(BIN)/demo -duration $(DURATION)

test: tools rig fmt-check vet nocgo ## install what the tests need, then format, vet and every test
	$(GO) test -timeout 9m ./...

# Real detectors, real pictures, the figures of an independent program; then the whole line on a real Kafka and Redis, with
# workers killed and Redis rolled back. What it prints is worth keeping.
ACCEPTANCE ?= $(or $(SHAKETABLE_ACCEPTANCE),$(ROOT)/../shared/acceptance)

acceptance: build rig ## the long proof: golden figures, attacks, then kills, rebalances and losses on a real Kafka and Redis
	$(BIN)/shaketable evaluate --detectors $(ACCEPTANCE)/detectors.yaml --media $(ACCEPTANCE)/media \
	  --labels $(ACCEPTANCE)/media/labels.csv --attacks acceptance --out build/evaluate
	$(ACCEPTANCE)/compare.py $(ACCEPTANCE)/golden/ra_rr.csv build/evaluate/ra_rr.csv
	SHAKETABLE_ACCEPTANCE=$(ACCEPTANCE) $(GO) test -count=1 -tags acceptance -timeout 40m -v -run '^TestAttack' ./pipeline/onnx ./perturb
	SHAKETABLE_ACCEPTANCE=$(ACCEPTANCE) $(GO) test -count=1 -tags acceptance -timeout 80m -v -skip '^TestBench' ./cmd/shaketable

bench: build rig ## speed and memory, each as a ratio to the raw limit in the same run (needs the acceptance data)
	$(GO) test -run '^$$' -bench . -benchtime 1x -timeout 30m ./pipeline/onnx
	SHAKETABLE_ACCEPTANCE=$(ACCEPTANCE) $(GO) test -count=1 -tags acceptance -timeout 30m -v -run '^TestBench' ./cmd/shaketable
	$(GO) test -run '^$$' -bench . -timeout 30m ./pipeline/redis ./pipeline/kafka ./pipeline ./perturb/... ./metrics

fuzz: ## every fuzz target for 10 s
	@set -e; for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p 2>/dev/null | grep '^Fuzz' || true); do \
	    echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime 10s -fuzzminimizetime 1s $$p; done; done

lint: fmt-check vet ## gofmt, go vet, and golangci-lint where it can be installed
	@if [ ! -x $(LINT) ]; then \
	  echo "installing golangci-lint $(GOLANGCI_VERSION)"; \
	  GOBIN=$(dir $(LINT)) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION) \
	    || { echo "golangci-lint could not be installed with go install: only gofmt and go vet have run"; exit 0; }; \
	fi; \
	if [ -x $(LINT) ]; then $(LINT) run ./...; fi

fmt-check:
	@files=$$(find . -name '*.go' -not -path './.cache/*' -exec gofmt -l {} +); \
	if [ -n "$$files" ]; then echo "not formatted, run gofmt -w on:"; echo "$$files"; exit 1; fi

vet:
	$(GO) vet ./...

# An alerter needs no ONNX Runtime: everything builds without cgo.
nocgo:
	CGO_ENABLED=0 $(GO) build ./...

tools: ## say what is missing on this machine
	@missing=; for t in $(GO) gcc; do command -v $$t >/dev/null || missing="$$missing $$t"; done; \
	if [ -n "$$missing" ]; then echo "missing:$$missing. Install Go 1.26 or later and a C compiler, then run make again."; exit 1; fi

# What only some tests need: where it can't be installed they skip, except in CI (CI=true), where nothing may be skipped.
.PHONY: rig
rig: onnxruntime
	@for part in kafka redis chromium; do \
	  deploy/install/$$part.sh || { [ "$$CI" != true ] || exit 1; \
	    echo "$$part is not installed: tests that need a real one will be skipped"; }; \
	done

onnxruntime: ## install the ONNX Runtime library into .cache (needs npm)
	@deploy/install/onnxruntime.sh

kafka: ## install Apache Kafka into .cache (needs Java 17 and Maven)
	@deploy/install/kafka.sh

redis: ## install redis-server if it is not there
	@deploy/install/redis.sh

clean: ## remove what was built; what was installed stays in .cache
	rm -rf bin build
