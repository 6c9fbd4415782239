# kubeiso: `make cluster` ends with a running Kubernetes cluster, `make test` tries everything once.
SHELL := /bin/bash
RUNTIME ?= cri-containerd
NODES ?= 1
VENV := .venv
KUBEISO := $(VENV)/bin/kubeiso
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

# What the host must have; each package names its use.
HOST_PACKAGES := \
	python3 python3-venv \
	gcc libc6-dev pkg-config libseccomp-dev \
	debian-archive-keyring dpkg e2fsprogs xz-utils zstd kmod \
	squashfs-tools cryptsetup-bin xorriso mtools grub-common grub-pc-bin grub-efi-amd64-bin sbsigntool minisign \
	qemu-system-x86 qemu-utils ovmf vde2
TEST_PACKAGES := systemd-boot-efi fdisk gpg gpg-agent iproute2 libengine-pkcs11-openssl openssh-client openssl shellcheck skopeo softhsm2

.PHONY: help setup cluster build test test-media test-all check bench doctor clean
help:
	@echo "make cluster              installs what is missing, builds $(RUNTIME), boots a cluster and leaves it running"
	@echo "make build RUNTIME=NAME   media of recipes/NAME.yml under out/"
	@echo "make setup                only prepares this machine"
	@echo "make check                every test that needs no virtual machine"
	@echo "make test                 every test but those of whole suites, firmwares and media"
	@echo "make test-media           boots every format of media with each firmware on every kind of controller"
	@echo "make test-all             every test (hours)"
	@echo "make bench                what the cache and work side by side save, as ratios"

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml Makefile
	@missing=$$(for p in $(HOST_PACKAGES) $(TEST_PACKAGES); do \
	    dpkg-query -W -f='$${db:Status-Status}' $$p 2>/dev/null | grep -qx installed || echo $$p; done); \
	if [ -n "$$missing" ]; then \
	    echo "installing:" $$missing; \
	    $(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi
	[ -x $(VENV)/bin/python ] || python3 -m venv --clear $(VENV)   # another python3 in a folder that has one already breaks both
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

cluster: setup
	$(KUBEISO) up --runtime $(RUNTIME) --nodes $(NODES) --wait

build: setup
	$(KUBEISO) build --runtime $(RUNTIME)

doctor: setup
	$(KUBEISO) doctor

# Else every worker, and every program that a test starts, would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE

# No test of the first kind takes a minute; one that hangs is not to take the rest with it. Half of them wait for something.
QUICK := $(VENV)/bin/pytest -n $$((2 * $$(nproc))) --dist worksteal --timeout 600 -m "not boot and not network and not bench and not long"
# First what builds, then what boots. Each takes the machine for itself: two emulated machines side by side took twice as long each.
SLOW := $(VENV)/bin/pytest --durations=60 --durations-min=5

# Times are compared in a run of their own: workers side by side would disturb them.
check: setup
	$(QUICK)
	$(VENV)/bin/pytest tests/bench

bench: setup
	$(VENV)/bin/pytest tests/bench

# Boots something of every kind.
test: check
	$(SLOW) -m "network and not boot and not long"
	$(SLOW) -m "boot and not long"

# Every format of media with each firmware, on every kind of controller.
test-media: setup
	$(SLOW) tests/media tests/boot/test_formats.py tests/boot/test_secure_boot.py

test-all: check
	$(SLOW) -m "(network or long) and not boot"
	$(SLOW) -m "boot"

clean:
	rm -rf out
