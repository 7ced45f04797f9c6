# make, make deps, make demo, make test: see README.md. Only Go, make and git are
# needed for deps, build, install, test, test-noasm, demo, bench and cross; a target that needs
# more names the tool and its Debian package.

GO        ?= go
PREFIX    ?= /usr/local
FUZZTIME  ?= 10s
BENCHTIME ?= 1s
GOLINT    ?= $(firstword $(shell command -v golangci-lint 2>/dev/null) $(wildcard $(shell $(GO) env GOPATH)/bin/golangci-lint))
QEMU_ARM64 ?= $(firstword $(shell command -v qemu-aarch64-static qemu-aarch64 2>/dev/null))
QEMU_ARM   ?= $(firstword $(shell command -v qemu-arm-static qemu-arm 2>/dev/null))

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X github.com/qwq-edge/qwq/cmd/internal/prog.version=$(VERSION)
BUILD   := $(GO) build -trimpath -ldflags '$(LDFLAGS)'
CMDS    := $(notdir $(patsubst %/main.go,%,$(wildcard cmd/*/main.go)))
MODEL   := testdata/tinystories-qwen2

# The kernels that this CPU has by its own account: a test that could not run one of them fails.
comma   := ,
has      = $(if $(shell grep -swm1 $(1) /proc/cpuinfo),$(comma)$(2))
KERNELS  = generic$(call has,avx2,avx2)$(call has,avx512_vnni,avx512)$(call has,asimd,neon)$(call has,asimddp,dotprod)$(call has,i8mm,i8mm)

export CGO_ENABLED = 0

.PHONY: help deps build cross install install-systemd check lint generated test test-noasm test-arm64 race fuzz bench build-mpi test-mpi test-slurm proof-kill proof-store interop test-compat test-webui soak proof-stream proof-daemon proof-memory proof-train proof-gc proof-bits count-arm static-arm bench-peers bench-torch proof-distill proof-mnist proof-dialog train-safety proof-safety man demo demo-distill clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## download the Go modules; the only target that needs a network
	$(GO) mod download
	cd internal/compat && $(GO) mod download

build: ## build the commands into bin/
	$(BUILD) -o bin/ $(addprefix ./cmd/,$(CMDS))

cross: ## static binaries for linux/arm64, linux/arm (v7) and linux/amd64 into dist/
	@set -e; for t in arm64 arm amd64; do \
		echo "linux/$$t"; mkdir -p dist/linux-$$t; \
		GOOS=linux GOARCH=$$t GOARM=7 $(BUILD) -o dist/linux-$$t/ $(addprefix ./cmd/,$(CMDS)); \
	done
	QWQ_DIST=$(CURDIR)/dist $(GO) test -count=1 -run TestStatic ./internal/deps
	@ls -l dist/*/*

install: build ## install the commands into $(PREFIX)/bin
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(addprefix bin/,$(CMDS)) $(DESTDIR)$(PREFIX)/bin

install-systemd: install ## and the units of qwqd; then: systemctl daemon-reload && systemd-sysusers && systemctl enable --now qwqd.socket
	install -d $(DESTDIR)/etc/systemd/system $(DESTDIR)/usr/lib/sysusers.d
	sed 's,/usr/local/bin/,$(PREFIX)/bin/,' deploy/systemd/qwqd.service >$(DESTDIR)/etc/systemd/system/qwqd.service
	install -m 644 deploy/systemd/qwqd.socket $(DESTDIR)/etc/systemd/system/
	install -m 644 deploy/systemd/sysusers.conf $(DESTDIR)/usr/lib/sysusers.d/qwq.conf

check: lint generated ## format, vet, lint, import graph, generated files
	@bad=$$(gofmt -s -l .); if [ -n "$$bad" ]; then echo "gofmt -s would change:"; echo "$$bad"; exit 1; fi
	@set -e; for arch in amd64 arm64 arm; do for tags in '' noasm; do \
		echo "vet linux/$$arch $$tags"; GOOS=linux GOARCH=$$arch $(GO) vet -tags "$$tags" ./...; \
	done; done
	@set -e; for arch in amd64 arm64; do echo "vet linux/$$arch cuda"; GOOS=linux GOARCH=$$arch $(GO) vet -tags cuda ./runtime/cuda/... ./cmd/...; done
	@set -e; for arch in amd64 arm64; do echo "vet linux/$$arch mpi"; GOOS=linux GOARCH=$$arch $(GO) vet -tags mpi ./distill/mpi ./cmd/qwq-convert; done
	$(GO) test -count=1 ./internal/deps

lint:
	@if [ -z "$(GOLINT)" ]; then echo "make check: golangci-lint is missing (no Debian package): go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0"; exit 1; fi
	$(GOLINT) run ./...
	$(GOLINT) run --build-tags cuda ./runtime/cuda/... ./cmd/...

generated: ## check that generated files are current and that every emitted word disassembles to its mnemonic
	@command -v llvm-mc >/dev/null || { echo "make check: llvm-mc is missing: apt-get install llvm"; exit 1; }
	$(GO) test -count=1 ./internal/asmgen/...
	@if [ -d internal/demo ]; then $(GO) test -count=1 -run TestModel ./internal/demo; fi

test: ## all tests of this machine, with every kernel that its CPU can run
	@echo "kernels required: $(KERNELS)$(if $(findstring avx2,$(KERNELS)),$(if $(findstring avx512,$(KERNELS)),,; this CPU has no AVX-512 VNNI: avx512 is not tested))"
	QWQ_REQUIRE_KERNEL=$(KERNELS) $(GO) test ./...

test-noasm: ## the kernels and all that stands on them in plain Go
	$(GO) test -tags noasm ./arm/... ./internal/... ./quant/... ./runtime/...

test-arm64: ## kernels, logits goldens and greedy ids on emulated ARM CPUs: Cortex-A72, A76, max, and 32-bit
	@if [ -z "$(QEMU_ARM64)" ] || [ -z "$(QEMU_ARM)" ]; then echo "make test-arm64: qemu-aarch64 or qemu-arm is missing: apt-get install qemu-user-static"; exit 1; fi
	@set -e; for c in cortex-a72:neon cortex-a76:neon,dotprod max:neon,dotprod,i8mm; do \
		echo "== $${c%%:*} ($${c##*:})"; \
		GOARCH=arm64 QWQ_REQUIRE_KERNEL=$${c##*:} $(GO) test -exec "$(QEMU_ARM64) -cpu $${c%%:*}" ./arm/... ./internal/cpu/... ./internal/kernel/...; \
		GOARCH=arm64 QWQ_REQUIRE_KERNEL=$${c##*:} $(GO) test -short -run 'TestGoldens|TestQuantized' -exec "$(QEMU_ARM64) -cpu $${c%%:*}" ./runtime/model; \
		GOARCH=arm64 QWQ_REQUIRE_KERNEL=$${c##*:} $(GO) test -short -run 'TestGreedy|TestBits' -exec "$(QEMU_ARM64) -cpu $${c%%:*}" ./runtime/engine; \
	done
	GOARCH=arm GOARM=7 $(GO) test -short -exec "$(QEMU_ARM)" ./internal/mmap ./gguf/... ./quant

# $(call need,TARGET,PROGRAM:PACKAGE …) names the Debian package of the first program that is missing.
need = @for t in $(2); do PATH=$$PATH:/usr/sbin command -v $${t%%:*} >/dev/null || { echo "make $(1): $${t%%:*} is missing: apt-get install $${t\#\#*:}"; exit 1; }; done

build-mpi: ## bin/qwq-convert-mpi: qwq-convert that mpirun and srun can start as several processes (a dynamic program, no cgo)
	$(BUILD) -tags mpi -o bin/qwq-convert-mpi ./cmd/qwq-convert

test-mpi: ## training and the whole pipeline in 1, 2 and 4 processes under Open MPI and MPICH: same bits, dead ranks, mismatched launchers
	$(call need,test-mpi,mpirun.openmpi:openmpi-bin mpirun.mpich:mpich)
	QWQ_REQUIRE_MPI=openmpi,mpich $(GO) test -count=1 -tags mpi ./distill/mpi
	QWQ_REQUIRE_MPI=openmpi,mpich $(GO) test -count=1 -tags mpi -run TestMPI ./cmd/qwq-convert

test-slurm: ## as root: a Slurm of this machine runs deploy/slurm; a killed task is requeued
	$(call need,test-slurm,slurmctld:slurmctld slurmd:slurmd srun:slurm-client munged:munge mpirun.openmpi:openmpi-bin mpirun.mpich:mpich)
	QWQ_TEST_SLURM=1 $(GO) test -count=1 -tags mpi -run TestSlurm ./distill/mpi

KILLS ?= 50
proof-kill: ## kill -9 at random moments, KILLS (50) times each: in the cache, in training, and ranks of MPI (20) where it is; the results have the bits of undisturbed runs
	QWQ_KILL_ROUNDS=$(KILLS) $(GO) test -count=1 -timeout 1h -v -run 'TestKill$$' ./distill/cache ./distill/pipeline
	QWQ_KILL_ROUNDS=20 $(GO) test -count=1 -timeout 1h -v -tags mpi -run 'TestKillRanks' ./distill/mpi

proof-store: ## kill -9 while the store writes, and the daemon, 500 times each, and a power cut after every operation of the store: nothing wrong is ever found
	QWQ_KILL_ROUNDS=500 $(GO) test -count=1 -timeout 1h -v -run 'TestKill$$|TestPowerLoss' ./runtime/store
	QWQ_KILL_ROUNDS=500 $(GO) test -count=1 -timeout 1h -v -run TestKillState ./cmd/qwqd

race: ## tests under the race detector
	@command -v gcc >/dev/null || { echo "make race: gcc is missing: apt-get install gcc libc6-dev"; exit 1; }
	CGO_ENABLED=1 $(GO) test -race -short ./cmd/... ./convert/... ./gguf/... ./internal/... ./runtime/...

fuzz: ## every fuzz target for FUZZTIME (10s); minimising would eat that time, so it is kept short
	GO="$(GO)" bench/fuzz/run.sh $(FUZZTIME)

bench: ## Go benchmarks of kernels, codecs and tokenizers
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./arm/... ./internal/kernel/... ./quant/... ./runtime/...

test-compat: build ## the daemon under the clients of OpenAI, Ollama and Anthropic (Python in a scratch environment, Go, curl) on its Unix socket, and openapi.yaml; prints the matrix
	@python3 -c 'import venv, ensurepip' 2>/dev/null || { echo "make test-compat: python3 with venv is missing: apt-get install python3-venv"; exit 1; }
	$(call need,test-compat,curl:curl)
	[ -x .scratch/compat/bin/python ] || python3 -m venv .scratch/compat
	.scratch/compat/bin/pip install -q -r internal/compat/requirements.txt
	cd internal/compat && $(GO) vet . && QWQD=$(CURDIR)/bin/qwqd QWQ_PYTHON=$(CURDIR)/.scratch/compat/bin/python $(GO) test -count=1 -v .

SOAK ?= 10m
soak: ## 64 clients mix everything at the daemon under a memory ceiling for SOAK (10m): no wrong answer, no improper refusal, no growth, no goroutine left
	QWQ_SOAK=$(SOAK) $(GO) test -count=1 -timeout 2h -v -run 'TestSoak$$' ./cmd/qwqd

test-webui: build ## the web page in headless Chromium (Playwright in a scratch environment), 30 s; CHECKS=WORD for some checks, SHOTS=docs for the screenshots
	@python3 -c 'import venv, ensurepip' 2>/dev/null || { echo "make test-webui: python3 with venv is missing: apt-get install python3-venv"; exit 1; }
	[ -x .scratch/webtest/bin/python ] || python3 -m venv .scratch/webtest
	.scratch/webtest/bin/pip install -q -r internal/webtest/requirements.txt
	@PYTHONDONTWRITEBYTECODE=1 SHOTS=$(SHOTS) .scratch/webtest/bin/python internal/webtest/run.py . $(CHECKS)

INTEROP ?= tokenizers templates files
interop: build ## our files, tokenizers and chat templates against independent readers (scratch Python environment); INTEROP=tokenizers for these alone, INTEROP=embeddings for a BERT encoder beside sentence-transformers
	@python3 -c 'import venv, ensurepip' 2>/dev/null || { echo "make interop: python3 with venv is missing: apt-get install python3-venv"; exit 1; }
	@case "$(INTEROP)" in *files*) command -v g++ >/dev/null || { echo "make interop: g++ is missing: apt-get install g++ cmake"; exit 1; };; esac
	@mkdir -p .scratch/interop
	[ -x .scratch/venv/bin/python ] || python3 -m venv .scratch/venv
	@set -e; for part in $(INTEROP); do .scratch/venv/bin/pip install -q -r bench/interop/requirements-$$part.txt; done
	.scratch/venv/bin/python bench/interop/interop.py bin . .scratch/interop $(INTEROP)

PRESET ?= 3gb
proof-stream: build ## quantize a synthetic checkpoint (PRESET=3gb, min) under two memory limits: peak RSS, rate beside cp
	@[ -x /usr/bin/time ] || { echo "make proof-stream: /usr/bin/time is missing: apt-get install time"; exit 1; }
	bench/stream/run.sh bin .scratch/stream $(PRESET)

define proof
	@mkdir -p .scratch/$@
	$(GO) run ./bench/synth -preset $(or $(PROOF),0.5b) -o .scratch/$@/src
	bin/qwq-convert quantize .scratch/$@/src -o .scratch/$@/m.gguf --type q8_0 --force
	QWQ_LONG=1 QWQ_BENCH_MODEL=$(CURDIR)/.scratch/$@/m.gguf $(GO) test -count=1 -v -run '$(1)' ./runtime/engine
	rm -rf .scratch/$@
endef

proof-daemon: build ## a daemon with a Q8_0 file of 531 MB (PROOF=0.5b) or 13 MB (PROOF=min), or with MODEL=FILE: start, idle memory, 4 streams beside one; wants an idle machine
	@mkdir -p .scratch/$@
	@[ -n "$(filter-out testdata/%,$(MODEL))" ] || $(GO) run ./bench/synth -preset $(or $(PROOF),0.5b) -o .scratch/$@/src
	@[ -n "$(filter-out testdata/%,$(MODEL))" ] || bin/qwq-convert quantize .scratch/$@/src -o .scratch/$@/m.gguf --type q8_0 --force
	QWQD=$(CURDIR)/bin/qwqd QWQ_BENCH_MODEL=$(or $(filter-out testdata/%,$(MODEL)),$(CURDIR)/.scratch/$@/m.gguf) $(GO) test -count=1 -v -run TestGoals ./cmd/qwqd
	rm -rf .scratch/$@

proof-memory: build ## open and run a Q8_0 file of 531 MB (PROOF=0.5b) or 13 MB (PROOF=min): anonymous memory
	$(call proof,TestOpenMemory|TestPrefillMemory)

proof-gc: build ## write with a file of 531 MB for 10 s beside a garbage collector that never pauses: p99 under 1.5 times the median; wants an idle machine
	$(call proof,TestGarbageCollector)

proof-train: build ## bf16 beside fp32 over 500 steps, memory of recompute, bits of 1 to 3 threads, 50 kills, another rung, every loss, Q4_0 trained for: 10 minutes (LONG=1: every recipe in full)
	$(GO) test -count=1 -v -run 'TestBF16|TestResume|TestRung|TestOverflow|TestStates' ./distill/train
	$(GO) test -count=1 -v -run 'TestBits|TestRecomputeMemory|TestShip|TestFP16' ./distill/tape
	QWQ_KILLS=50 $(if $(LONG),QWQ_LONG=1) $(GO) test -count=1 -timeout 2h -v -run 'TestKill$$|TestRecipes|TestFinish|TestHalf|TestRung|TestHidden' ./distill/pipeline
	rm -rf .scratch/finish
	bin/qwq-convert distill testdata/recipes/finish.yaml

COUNT ?= small
count-arm: ## guest instructions per token on emulated Cortex-A72, A76 and i8mm cores beside llama.cpp's, and against bench/countarm/expected.txt; COUNT=0.5b: that shape (3 minutes)
	@command -v qemu-aarch64 >/dev/null || { echo "make count-arm: qemu-aarch64 is missing: apt-get install qemu-user (the static one takes no plugin)"; exit 1; }
	@command -v gcc >/dev/null || { echo "make count-arm: gcc is missing: apt-get install gcc libc6-dev"; exit 1; }
	@mkdir -p .scratch/count-arm
	GOARCH=arm64 $(GO) build -trimpath -o .scratch/count-arm/qwq ./cmd/qwq
	@set -e; src=$(MODEL); steps=32; if [ "$(COUNT)" = 0.5b ]; then \
		$(GO) run ./bench/synth -preset 0.5b -o .scratch/count-arm/src; src=.scratch/count-arm/src; steps=4; \
	fi; \
	$(GO) run ./cmd/qwq-convert quantize $$src -o .scratch/count-arm/q8_0.gguf --type q8_0 --force >/dev/null; \
	$(GO) run ./cmd/qwq-convert quantize $$src -o .scratch/count-arm/q4_0.gguf --type q4_0 --tensor-type token_embd=q8_0 --force >/dev/null; \
	$(GO) run ./bench/countarm -shape $(COUNT) -n $$steps -qwq .scratch/count-arm/qwq $(if $(UPDATE),-update) $(if $(TOP),-top $(TOP)) \
		-model Q8_0=.scratch/count-arm/q8_0.gguf -model Q4_0=.scratch/count-arm/q4_0.gguf

static-arm: ## instructions per 32 weights of every ARM kernel, and llvm-mca's cycles where LLVM has a model of the core
	@mkdir -p .scratch/count-arm
	GOARCH=arm64 $(GO) build -trimpath -o .scratch/count-arm/qwq ./cmd/qwq
	@$(GO) run ./bench/countarm -static -qwq .scratch/count-arm/qwq

bench-peers: build ## tokens/s beside llama.cpp on the same files (built from source in a scratch environment); bench/peers/peers.py says how to choose
	@command -v python3 >/dev/null || { echo "make bench-peers: python3 is missing: apt-get install python3 python3-venv"; exit 1; }
	@PYTHONDONTWRITEBYTECODE=1 python3 bench/peers/peers.py

bench-torch: build ## training steps beside PyTorch's: tokens/s and peak RSS, 2 minutes (TORCH_PYTHON=a Python with torch and transformers, else 1 GB is installed)
	@command -v python3 >/dev/null || { echo "make bench-torch: python3 is missing: apt-get install python3 python3-venv"; exit 1; }
	@PYTHONDONTWRITEBYTECODE=1 python3 bench/torch/bench.py

proof-distill: ## what the teacher is worth: hard labels against distillation at their best rates, three seeds, then temperatures and weights; 30 minutes of one thread, goes on where it was ended
	$(GO) run ./bench/proofdistill -out .scratch/proof-distill

proof-mnist: ## a tiny CLIP trained on 8,000 digits with captions names the other 2,000 by their words, in F32, F16 and int8; fails under 90 %; 2 minutes of two threads
	$(GO) run ./bench/proofmnist -out .scratch/proof-mnist

proof-dialog: ## the article's tracker trained on spliced texts against the cosine of vectors: F1 of topic boundaries, recall of planted facts; ENCODER=all-minilm-l6-v2.gguf; 3 minutes of two threads
	$(GO) run ./bench/proofdialog -encoder '$(ENCODER)' -out .scratch/proof-dialog

train-safety: ## train the embedded toxicity classifier anew from ../shared/data: 2 seconds; the same seed gives the same file
	$(GO) run ./bench/proofsafety -write runtime/safety/toxicity.gguf

proof-safety: ## the toxicity classifier: precision and recall on held-out rows, unseen books, words and disguises; fails at 1 % of a book or under 90 % of the disguises; 10 seconds
	$(GO) run ./bench/proofsafety

proof-bits: ## 1,000 greedy tokens, the whole product of rungs, threads, batches and chunks; on emulated ARM CPUs with the small model (BITS=regexp of cases, as /small-q4_0/avx2)
	QWQ_FULL=1 $(GO) test -count=1 -timeout 2h -run 'TestBits$(BITS)' -v ./runtime/engine
	@set -e; for c in cortex-a72:neon cortex-a76:dotprod max:i8mm; do \
		echo "== $${c%%:*} ($${c##*:})"; \
		GOARCH=arm64 QWQ_FULL=small QWQ_REQUIRE_KERNEL=$${c##*:} $(GO) test -count=1 -timeout 2h -run "TestBits/.*/$${c##*:}" -v -exec "$(QEMU_ARM64) -cpu $${c%%:*}" ./runtime/engine; \
	done

man: build ## manual pages, made from the commands' own help, into dist/man
	@mkdir -p dist/man
	@set -e; for c in $(CMDS); do bin/$$c man > dist/man/$$c.1; done; ls dist/man/*

demo: build ## the main job: quantize the trained model to int8, show its size, write three stories
	@mkdir -p .scratch/demo
	@echo '$$ qwq-convert quantize $(MODEL) -o tiny-int8.gguf --type int8'
	@bin/qwq-convert quantize $(MODEL) -o .scratch/demo/tiny-int8.gguf --type int8 --force
	@echo; echo '$$ qwq-convert inspect tiny-int8.gguf'
	@bin/qwq-convert inspect .scratch/demo/tiny-int8.gguf
	@for p in 'Once upon a time' 'The dog' 'Lily had'; do \
		echo; echo "\$$ qwq generate -m tiny-int8.gguf -p '$$p' -n 120 --temp 0.6 --echo"; \
		bin/qwq generate -m .scratch/demo/tiny-int8.gguf -p "$$p" -n 120 --temp 0.6 --echo || exit 1; \
	done

demo-distill: build ## five minutes: prune the trained model, let it teach the pruned one, beside hard labels alone; fails unless it helps
	@rm -rf .scratch/demo-distill
	@echo '$$ qwq-convert distill testdata/recipes/demo.yaml'
	@bin/qwq-convert distill testdata/recipes/demo.yaml
	@echo; echo 'report: .scratch/demo-distill/report.html'

clean: ## remove what make made
	rm -rf bin dist .scratch
