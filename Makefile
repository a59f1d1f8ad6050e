# Two commands to know: `make up` and `make test`. Needs Python 3.11 or newer, git and make; everything else is installed
# into .venv from the lock files in requirements/.

PYTHON ?= python3
BIN := .venv/bin
CODE := mesh availability_svc booking_svc learning_svc payment_svc session_svc bff ops devkit bench
PROTOS := $(shell find protos -name '*.proto')
COMPILE := uv pip compile --quiet --generate-hashes --no-emit-index-url --no-annotate --no-header --universal --python-version 3.11
# Node comes with the development dependencies; npm and buf find it on the path.
NODE := PATH="$(CURDIR)/$(BIN):$$PATH"
ARGS ?=
# A mesh is seven processes, and the tests start hundreds: what Python has compiled once is kept.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: up test demo observe boards bench bench-growth bench-memory bench-peers chaos compose-test pictures protos wheel release lint format lock clean venv venv-dev help

help: ## what there is
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 18

up: venv ## the whole mesh on this machine; Ctrl-C stops it
	@exec $(BIN)/tutormesh up

demo: venv ## against a running mesh: publish hours, book, pay, until CONFIRMED
	@exec $(BIN)/python -m devkit.demo.lesson

observe: venv ## Prometheus with our alerts, and Grafana with our boards where it is installed, beside a running mesh
	@exec $(BIN)/python -m devkit.observe

boards: venv-dev ## write deploy/grafana/ anew from devkit/boards/; PROMETHEUS=URL draws the boards into docs/pictures/ too
	@$(BIN)/python -m devkit.boards
	@$(if $(PROMETHEUS),$(BIN)/python -m devkit.boards.drawing $(PROMETHEUS) docs/pictures)

test: venv-dev tools/axe/node_modules tools/buf/node_modules tools/federation/node_modules ## every test, with coverage; ARGS="tests/payment -k holds" runs some of them
	@exec $(BIN)/python -m pytest $(if $(ARGS),$(ARGS),-n 3 --dist loadfile --no-loadscope-reorder --cov --cov-report= --cov-fail-under=90)

bench: venv-dev ## what a lesson costs, and the engine alone, into bench/results/; ARGS=--quick for a taste
	@exec $(BIN)/python -m bench $(ARGS)

bench-growth: venv-dev ## lessons and lists beside 10³, 10⁵ and 10⁶ sales that are over, into bench/results/; ARGS="1000 10000" for others
	@exec $(BIN)/python -m bench.growth $(ARGS)

bench-memory: venv-dev ## the memory of each process after 10³ and after 2·10⁴ lessons, into bench/results/; ten minutes
	@exec $(BIN)/python -m bench.memory $(ARGS)

bench-peers: venv-dev build/bench-peers/installed ## our engine beside DBOS, alternated, into bench/results/; ARGS=--quick for a taste
	@exec $(BIN)/python -m bench.peers build/bench-peers/bin/python $(ARGS)

build/bench-peers/installed: requirements/bench-peers.txt | venv-dev
	@$(BIN)/python -m venv --clear build/bench-peers
	@build/bench-peers/bin/python -m pip -q --disable-pip-version-check install --no-deps --require-hashes -r requirements/bench-peers.txt
	@touch $@

chaos: venv-dev ## faults on a mesh of its own; SECONDS=60 SEED=1 as you like, FULL=1 for ten minutes and the kill -9 matrix
	@exec $(BIN)/python -m devkit.chaos $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED)) $(if $(FULL),--full)

compose-test: venv-dev ## what a user does with docker-compose.yml; needs a Docker engine
	@exec $(BIN)/python -m tests.compose $(ARGS)

pictures: venv-dev ## a picture of every page into docs/pictures/; needs Chromium. FULL=1 PICTURES=folder makes all sizes and colours
	@PICTURES=$(or $(PICTURES),docs/pictures) $(BIN)/python -m pytest -q --no-header tests/pages/take_pictures.py

lint: venv-dev tools/buf/node_modules ## format, types, import rules, proto rules, nothing released is broken
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy $(wildcard $(CODE))
	@$(BIN)/lint-imports
	@$(NODE) tools/buf/node_modules/.bin/buf lint
	@$(NODE) tools/buf/node_modules/.bin/buf format --diff --exit-code
	@$(NODE) tools/buf/node_modules/.bin/buf breaking --against protos/released.binpb

format: venv-dev ## put everything in the house's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

protos: venv-dev ## regenerate generated/ from protos/
	@rm -rf build/protos && mkdir -p build/protos
	@$(BIN)/python -m grpc_tools.protoc --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy \
		--plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc -Iprotos \
		--python_out=build/protos --grpc_python_out=build/protos --mypy_out=quiet:build/protos --mypy_grpc_out=quiet:build/protos $(PROTOS)
	@rm -rf generated/tutormesh && mv build/protos/tutormesh generated/ && rmdir build/protos

wheel: venv-dev ## tutormesh-protos: the protos and their typed stubs as a wheel in dist/
	@cd protos && $(CURDIR)/$(BIN)/python -m hatchling build -t wheel -d ../dist

release: venv-dev tools/buf/node_modules ## VERSION=0.2.0: check the contracts, renew protos/released.binpb, name the version
	@$(NODE) $(BIN)/python -m devkit.release $(VERSION)

lock: ## resolve the dependencies again into requirements/ (needs uv)
	@$(COMPILE) pyproject.toml -o requirements/services.txt
	@$(COMPILE) pyproject.toml --extra devkit -c requirements/services.txt -o requirements/devkit.txt
	@$(COMPILE) pyproject.toml --extra dev -c requirements/devkit.txt -o requirements/dev.txt
	@printf '%s\n' dbos uvloop | $(COMPILE) - -c requirements/services.txt -o requirements/bench-peers.txt

clean: ## remove what make made: .venv, .data, caches
	@rm -rf .venv .data tools/*/node_modules build dist .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Not `npm ci`: it refuses a lock without the binaries of every platform, and a lock made on one registry may lack some.
tools/%/node_modules: tools/%/package-lock.json | venv-dev
	@cd tools/$* && $(NODE) npm install --silent --no-save --ignore-scripts && touch node_modules

venv:
	@$(PYTHON) devkit/install.py devkit

venv-dev:
	@$(PYTHON) devkit/install.py dev
