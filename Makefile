# SPDX-License-Identifier: BSD-3-Clause
# Thin: every target is a few commands that you could type yourself. Meson does the work.
#   make demo    install what is missing, build, run the main job on modelled hardware
#   make test    the same for the tests (unit, driver, app, lint, sanitizers, fuzz smoke, aarch64,
#                the quick guests; ALL=1: every guest, as CI runs it)
#   make test-vm only the guests, and all of them: devices of QEMU under real kernels
#   make lab     devices that fault in: patched VFIO and stock iommufd, on page requests of a guest's VT-d;
#                builds QEMU and kernels first. A step of it: make lab-qemu lab-module lab-fault-type1 ...
#   make bench   measure beside DPDK; writes build/bench.json
#   make lint    formatting and the tree's own rules
#   make install PREFIX=/usr/local

BUILD  ?= build
PREFIX ?= /usr/local

.PHONY: all setup build demo test test-vm lab bench lint install clean

all: build

build:
	@config/setup.sh build
	@[ -f $(BUILD)/build.ninja ] || \
		meson setup $(BUILD) --prefix=$(PREFIX) -Dtests=disabled -Dbench=disabled
	@ninja -C $(BUILD)

demo: build
	@apps/demo/demo.py $(BUILD)

test:
	@config/setup.sh build test cross $(if $(ALL),vm)
	@tests/run.py $(if $(ALL),--all)

test-vm:
	@config/setup.sh build test vm
	@tests/run.py --vm

lab:
	@config/setup.sh build test vm
	@kernel-patches/lab/lab.py

lab-%:
	@config/setup.sh build test vm
	@kernel-patches/lab/lab.py $*

bench:
	@config/setup.sh build bench
	@[ -f $(BUILD)/build.ninja ] || meson setup $(BUILD) --prefix=$(PREFIX) -Dtests=disabled
	@meson configure $(BUILD) -Dbench=auto
	@ninja -C $(BUILD)
	@python3 tests/bench/run.py --build $(BUILD)

lint:
	@config/setup.sh build test
	@git ls-files '*.c' '*.h' | xargs clang-format --dry-run --Werror
	@for rule in layers spdx tokens links; do tests/lint/check.py $$rule || exit 1; done

install: build
	@meson configure $(BUILD) --prefix=$(abspath $(PREFIX))
	@meson install -C $(BUILD)

clean:
	rm -rf $(BUILD) build-*
