# make          lists the targets
# make drill    is the main job: set up, build, play the first recovery drill
# make test     is what CI runs
#
# Every target installs what it needs through packaging/setup, so that a bare
# Debian or Ubuntu with Go, gcc and make is enough.

SHELL    := /bin/bash
GO       ?= go
SCENARIO ?= S01
PACK     ?= packs/$(SCENARIO)-$(shell date -u +%Y%m%dT%H%M%SZ)
TESTFLAGS ?=

export CGO_ENABLED = 1

# axe-core, where packaging/setup browser has put it; without it the tests of
# pages in a browser skip and say so.
export AXE_JS ?= $(abspath $(wildcard .cache/axe.min.js))

.DEFAULT_GOAL := help
.PHONY: help setup setup-test build release sbom reproducible drill test bench bench-scale compare check soak fuzz clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what is missing (SoftHSM 2, OpenSSL) through the system's package manager
	@packaging/setup

setup-test: ## the same, and what the tests need (PostgreSQL, xmllint, zip)
	@packaging/setup test

build: ## leave bin/smki, bin/drill and bin/ceremony
	@mkdir -p bin
	@$(GO) build -trimpath -o bin/ ./cmd/smki ./cmd/drill ./cmd/ceremony

release: ## what is packaged: bin/ without a trace of when and where it was built, Debian packages and SBOM in dist/
	@mkdir -p bin dist
	@$(GO) build -trimpath -buildvcs=false -buildmode=pie -ldflags='-s -w -buildid=' -o bin/ ./cmd/smki ./cmd/drill ./cmd/ceremony
	@packaging/build-deb
	@$(MAKE) --no-print-directory sbom
	@cd dist && sha256sum *.deb *.cdx.json >SHA256SUMS && cat SHA256SUMS

sbom: ## dist/NAME.cdx.json: what each program is made of (CycloneDX)
	@mkdir -p dist
	@cd tools && $(GO) build -o ../bin/cyclonedx-gomod github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod
	@for p in smki drill ceremony; do bin/cyclonedx-gomod app -json -licenses -noserial -main cmd/$$p -output dist/$$p.cdx.json . ; done

reproducible: ## build and package twice, in two places, and compare every octet
	@packaging/reproducible

drill: setup build ## play the first recovery drill with its default answers
	@mkdir -p packs
	@bin/drill run $(SCENARIO) --auto --out $(PACK)

test: setup-test build ## formatting, vet, structure and every test; what CI runs
	@unformatted="$$(gofmt -l $$(git ls-files '*.go' 2>/dev/null || find . -name '*.go'))"; \
	  if [ -n "$$unformatted" ]; then echo "not formatted (run gofmt -w):"; echo "$$unformatted"; exit 1; fi
	@$(GO) vet ./...
	@$(GO) test -timeout 15m $(TESTFLAGS) ./...

bench: setup build ## benchmarks, with the ceiling of issuance in the same run, and a ledger of 200,000
	@$(GO) test -run '^$$' -bench . -benchmem -benchtime 2s $$($(GO) list ./... | grep -v /tools)
	@$(GO) run ./bench/scale

bench-scale: setup build ## a ledger of 10,000,000 made-up certificates: start-up, look-up, lists, searches (16 GB of disk, an hour)
	@$(GO) run ./bench/scale -certificates $(or $(CERTIFICATES),10000000)

compare: setup build ## this CA beside cfssl, openssl ca and what else is installed, as a table
	@$(GO) run ./bench/compare -n $(or $(REQUESTS),5000)

check: test ## test, and the race detector, static analysis, short fuzzing and every drill
	@$(GO) test -race -short -timeout 30m ./policy/... ./hsm/... ./softhsm/... ./ca/... ./drills/...
	@cd tools && $(GO) build -o ../bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	@bin/staticcheck ./...
	@$(MAKE) --no-print-directory fuzz
	@SMKI_SOAK=1 $(GO) test -run TestEveryOption ./cmd/drill
	@for s in $$(bin/drill list --json | grep -o '"id": *"[^"]*"' | cut -d'"' -f4); do \
	  d=$$(mktemp -d); echo "drill $$s"; bin/drill run $$s --auto --devices 200 --out $$d/pack >$$d/log || { cat $$d/log; exit 1; }; \
	  bin/drill verify $$d/pack || exit 1; rm -rf $$d; done

fuzz: ## ten seconds of each fuzz target
	@for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p 2>/dev/null | grep '^Fuzz'); do \
	    echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime 10s $$p || exit 1; done; done

soak: setup ## slow runs: crash and fault tests many times over
	@SMKI_SOAK=1 $(GO) test -count 20 -timeout 6h -run 'Crash|Kill|Fault|Lost' ./ca/... ./hsm/... ./cmd/...

clean: ## remove what was built; evidence packs stay
	@rm -rf bin dist
