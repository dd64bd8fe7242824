# The same words everywhere: by hand, in the documentation and in .ci/run.
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help demo test check format lint types imports links bench torture lock clean

help: ## show these lines
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

demo: ## run the whole platform on embedded parts; options in ARGS="…"
	@.ci/environment runtime
	@$(BIN)/fieldlab demo $(ARGS)

test: ## run all tests, on real databases and brokers; options in ARGS="…"
	@.ci/environment dev
	@$(BIN)/pytest $(ARGS)

check: format lint types imports links ## formatting, lint, types, import rules, links of the documentation

format:
	@.ci/environment dev
	$(BIN)/ruff format --check

lint:
	@.ci/environment dev
	$(BIN)/ruff check

types:
	@.ci/environment dev
	$(BIN)/mypy

imports:
	@.ci/environment dev
	$(BIN)/lint-imports

links:
	@.ci/environment dev
	$(BIN)/pytest -q --no-header tests/architecture/test_docs_links.py

bench: ## measure against the physical limit; options in ARGS="…"
	@.ci/environment dev
	@$(BIN)/python -m bench $(ARGS)

torture: ## kill and break everything again and again while data comes in; KILLS=100, replay with ARGS="--seed N"
	@.ci/environment dev
	@$(BIN)/python -m tests.torture --kills $(or $(KILLS),100) $(ARGS)

lock: ## write constraints.txt anew; ARGS=--upgrade takes the newest of everything
	@.ci/environment dev
	@$(BIN)/python .ci/lock.py $(ARGS)

clean: ## remove the environment and what tools left; data of the demo stays
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache htmlcov .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
