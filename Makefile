# The few commands that contributors use. They need Go, git and make.

GOLANGCI_LINT = go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: test lint fmt fuzz bench table laws api

test: ## all tests, as in CI
	go test -race -shuffle=on -count=1 ./...

lint: ## formatting, linters, the import graph
	$(GOLANGCI_LINT) run ./...
	$(GOLANGCI_LINT) fmt --diff ./...
	go mod tidy -diff

fmt: ## mend the formatting
	$(GOLANGCI_LINT) fmt ./...

# A number of runs and not of seconds: Go reports a worker that is busy when the
# time is up as a failure.
FUZZTIME = 2000x
fuzz: ## every fuzz test, FUZZTIME each
	@grep -rl --include='*_test.go' '^func Fuzz' . | while read -r file; do \
		sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$$file" | while read -r target; do \
			echo "$$(dirname "$$file") $$target"; \
			go test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) "$$(dirname "$$file")" || exit 1; \
		done || exit 1; \
	done

BENCH = .
bench: ## benchmarks; compare two runs with golang.org/x/perf/cmd/benchstat
	go test -run='^$$' -bench='$(BENCH)' -benchmem -count=6 ./...

table: ## what a bulk change costs, into crm/bitrix24/PERFORMANCE.md
	go test -count=1 -run='^TestBulkTable$$' ./crm/bitrix24 -write-table

CHECKS = 20000
laws: ## the promises of a synchronisation, over many random histories
	go test -run=TestLaws -rapid.checks=$(CHECKS) -rapid.nofailfile -timeout=2h .

api: ## what of the API changed since the last tag; incompatible changes fail
	./scripts/api
