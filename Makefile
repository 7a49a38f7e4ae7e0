# SPDX-License-Identifier: Apache-2.0
# peerway: `make help` lists what can be asked for. Variables: CC=gcc|clang, BUILD=dir, V=1 (print commands).

CC      ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
CLANG   ?= clang
BPFTOOL ?= bpftool
BUILD   ?= build
PREFIX  ?= /usr/local
Q       := $(if $(V),,@)

# Folders in dependency order: each may use those before it, never those behind (scripts/lint.sh keeps it).
FOLDERS := base model store catalog policy ca kernel dataplane rpc peering api agent cli
PKGS    := libbpf libelf zlib openssl libmnl libevent libevent_pthreads libnghttp2 libprotobuf-c jansson sqlite3 libcap
WARN    := -Wall -Wextra -Werror -Wno-unused-parameter -Wno-missing-field-initializers -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes
GEN     := $(BUILD)/gen

ifneq ($(filter-out help clean fmt,$(or $(MAKECMDGOALS),all)),)
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lpthread
endif
CFLAGS_ALL := -std=gnu17 -O2 -g -fno-strict-aliasing -fno-omit-frame-pointer -D_GNU_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE \
              $(WARN) -Iinclude -I$(GEN) $(PKG_CFLAGS) $(CFLAGS)
ASAN       := -std=gnu17 -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined -D_GNU_SOURCE -DPW_TEST \
              $(WARN) -Iinclude -I$(GEN) -I. $(PKG_CFLAGS) $(CFLAGS)
LDFLAGS_ALL := -pie -Wl,-z,relro,-z,now $(LDFLAGS)

BPF_SRC  := $(wildcard bpf/*.bpf.c)
SKELS    := $(patsubst bpf/%.bpf.c,$(GEN)/%.skel.h,$(BPF_SRC))
PROTO    := $(wildcard userspace/rpc/proto/*.proto)
PROTO_C  := $(patsubst userspace/rpc/proto/%.proto,$(GEN)/proto/%.pb-c.c,$(PROTO))
PROTO_H  := $(PROTO_C:.c=.h)
GENERATED := $(SKELS) $(PROTO_H)

src_of    = $(wildcard userspace/$(1)/*.c)
objs_of   = $(patsubst userspace/%.c,$(BUILD)/$(2)/%.o,$(call src_of,$(1))) $(if $(filter rpc,$(1)),$(patsubst $(GEN)/proto/%.c,$(BUILD)/$(2)/proto/%.o,$(PROTO_C)))
LIBS_OBJ  := $(foreach f,$(FOLDERS),$(BUILD)/obj/lib$(f).a)
LIBS_ASAN := $(foreach f,$(FOLDERS),$(BUILD)/asan/lib$(f).a)
UNIT_SRC  := $(wildcard tests/unit/*.c)
UNIT_BIN  := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(UNIT_SRC))
BPF_TEST_SRC := $(wildcard tests/bpf/*.c)
BPF_TEST_BIN := $(patsubst tests/bpf/%.c,$(BUILD)/bpftest/%,$(BPF_TEST_SRC))
HARNESS_SRC := $(wildcard tests/harness/*.c)
HARNESS_BIN := $(patsubst tests/harness/%.c,$(BUILD)/harness/%,$(HARNESS_SRC))
FUZZ_SRC  := $(wildcard tests/fuzz/*.c)
FUZZ_BIN  := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(FUZZ_SRC))
# A unit test is named FOLDER_NOUN.c and links FOLDER and the folders before it, nothing else.
folder_of = $(firstword $(subst _, ,$(1)))
libs_upto = $(shell set -- $(FOLDERS); out=; for f in "$$@"; do out="$(BUILD)/$(2)/lib$$f.a $$out"; [ "$$f" = "$(1)" ] && break; done; echo $$out)

.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: bench bpf-test all help deps demo test check unit e2e lint fmt lab fuzz install clean harness conformance
all: $(BUILD)/peerway harness

help:
	@echo "make demo         install what is missing, build, and walk the four steps between two clusters"
	@echo "make test         everything: unit, BPF, e2e, conformance; last line 'N passed, N failed, N skipped'"
	@echo "make check        lint, formatting, dependency order, unit tests: under a minute"
	@echo "make lab          bring up the two clusters and leave them (scripts/lab.sh down takes them away)"
	@echo "make unit         unit tests (ASan, UBSan); make unit T=store_sqlite runs one"
	@echo "make bpf-test     the guard by BPF test-run; make e2e: the lab tests (E=name runs one)"
	@echo "make conformance  compare the HTTP API with the recordings of a real Consul"
	@echo "make bench        throughput of each forwarder against plain routing (needs iperf3)"
	@echo "make fuzz         20 s for each parser of outside bytes"
	@echo "make lint, fmt    check or apply the house rules"
	@echo "make install      binary, unit file, /etc/peerway, data directory (PREFIX, DESTDIR)"

deps:
	$(Q)scripts/install-deps.sh

# --- generated ------------------------------------------------------------------------------------------------------------------
$(GEN)/vmlinux.h:
	$(Q)mkdir -p $(@D)
	$(Q)$(BPFTOOL) btf dump file /sys/kernel/btf/vmlinux format c > $@.tmp && mv $@.tmp $@

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c $(GEN)/vmlinux.h
	$(Q)mkdir -p $(@D)
	$(Q)echo "  BPF   $<"; $(CLANG) -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_x86 -Wall -Werror -Wno-missing-declarations -Iinclude -I$(GEN) -Ibpf -MMD -MP -MT $@ -MF $@.d -c $< -o $@

$(GEN)/%.skel.h: $(BUILD)/bpf/%.bpf.o
	$(Q)mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@.tmp && mv $@.tmp $@

$(GEN)/proto/%.pb-c.c $(GEN)/proto/%.pb-c.h &: userspace/rpc/proto/%.proto
	$(Q)mkdir -p $(@D)
	$(Q)echo "  PROTO $<"; protoc-c --proto_path=userspace/rpc/proto --c_out=$(GEN)/proto $<

# --- objects ---------------------------------------------------------------------------------------------------------------------
$(BUILD)/obj/%.o: userspace/%.c | $(GENERATED)
	$(Q)mkdir -p $(@D)
	$(Q)echo "  CC    $<"; $(CC) $(CFLAGS_ALL) -MMD -MP -c $< -o $@
$(BUILD)/asan/%.o: userspace/%.c | $(GENERATED)
	$(Q)mkdir -p $(@D)
	$(Q)echo "  ASAN  $<"; $(CC) $(ASAN) -MMD -MP -c $< -o $@
$(BUILD)/obj/proto/%.o: $(GEN)/proto/%.c | $(GENERATED)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) -Wno-error -MMD -MP -c $< -o $@
$(BUILD)/asan/proto/%.o: $(GEN)/proto/%.c | $(GENERATED)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ASAN) -Wno-error -MMD -MP -c $< -o $@

define folder_rules
$(BUILD)/obj/lib$(1).a: $(call objs_of,$(1),obj)
	$(Q)mkdir -p $$(@D); rm -f $$@; ar rcs $$@ $$^
$(BUILD)/asan/lib$(1).a: $(call objs_of,$(1),asan)
	$(Q)mkdir -p $$(@D); rm -f $$@; ar rcs $$@ $$^
endef
$(foreach f,$(FOLDERS),$(eval $(call folder_rules,$(f))))


$(BUILD)/peerway: $(LIBS_OBJ)
	$(Q)echo "  LD    $@"; $(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ -Wl,--start-group $^ -Wl,--end-group $(PKG_LIBS)

# --- tests -----------------------------------------------------------------------------------------------------------------------
define unit_rule
$(BUILD)/unit/$(1): tests/unit/$(1).c $(call libs_upto,$(call folder_of,$(1)),asan)
	$(Q)mkdir -p $$(@D)
	$(Q)echo "  UNIT  $$<"; $(CC) $(ASAN) -MMD -MP -MF $$@.d -o $$@ $$< -Wl,--start-group $(call libs_upto,$(call folder_of,$(1)),asan) -Wl,--end-group -lcmocka $(PKG_LIBS)
endef
$(foreach t,$(UNIT_SRC),$(eval $(call unit_rule,$(notdir $(basename $(t))))))

unit: $(if $(T),$(BUILD)/unit/$(T),$(UNIT_BIN))
	$(Q)scripts/run-unit.sh $^

# The BPF tests link kernel and the folders before it, without sanitizers: their subject runs in the kernel.
$(BUILD)/bpftest/%: tests/bpf/%.c $(call libs_upto,kernel,obj)
	$(Q)mkdir -p $(@D)
	$(Q)echo "  BTEST $<"; $(CC) $(CFLAGS_ALL) -I. $(LDFLAGS_ALL) -MMD -MP -MF $@.d -o $@ $< -Wl,--start-group $(call libs_upto,kernel,obj) -Wl,--end-group -lcmocka $(PKG_LIBS)
bpf-test: $(if $(T),$(BUILD)/bpftest/$(T),$(BPF_TEST_BIN))
	$(Q)scripts/bpf-test.sh $^

# libFuzzer programs link an archive of their own build of everything but the agent and the command line.
FUZZ_FLAGS := -std=gnu17 -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -D_GNU_SOURCE -DPW_TEST -Iinclude -I$(GEN) -I. $(PKG_CFLAGS)
FUZZ_OBJ   := $(foreach f,$(filter-out agent cli,$(FOLDERS)),$(patsubst userspace/%.c,$(BUILD)/fuzzobj/%.o,$(call src_of,$(f)))) \
              $(patsubst $(GEN)/proto/%.c,$(BUILD)/fuzzobj/proto/%.o,$(PROTO_C))
$(BUILD)/fuzzobj/proto/%.o: $(GEN)/proto/%.c | $(GENERATED)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_FLAGS) -MMD -MP -c $< -o $@
$(BUILD)/fuzzobj/%.o: userspace/%.c | $(GENERATED)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(FUZZ_FLAGS) -MMD -MP -c $< -o $@
$(BUILD)/fuzzobj/all.a: $(FUZZ_OBJ)
	$(Q)rm -f $@; ar rcs $@ $^
$(BUILD)/fuzz/%: tests/fuzz/%.c $(BUILD)/fuzzobj/all.a
	$(Q)mkdir -p $(@D)
	$(Q)echo "  FUZZ  $<"; $(CLANG) $(subst fuzzer-no-link,fuzzer,$(FUZZ_FLAGS)) -o $@ $< $(BUILD)/fuzzobj/all.a $(PKG_LIBS)
fuzz: $(FUZZ_BIN)
	$(Q)scripts/run-fuzz.sh $^

$(BUILD)/harness/%: tests/harness/%.c $(LIBS_OBJ)
	$(Q)mkdir -p $(@D)
	$(Q)echo "  CC    $<"; $(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -MMD -MP -MF $@.d -o $@ $< -Wl,--start-group $(LIBS_OBJ) -Wl,--end-group $(PKG_LIBS)
harness: $(HARNESS_BIN)

-include $(wildcard $(BUILD)/obj/*/*.d $(BUILD)/asan/*/*.d $(BUILD)/fuzzobj/*/*.d $(BUILD)/unit/*.d $(BUILD)/bpftest/*.d $(BUILD)/bpf/*.d $(BUILD)/harness/*.d)

clean:
	$(Q)rm -rf $(BUILD)

# --- what a person types ---------------------------------------------------------------------------------------------------------
demo: deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)scripts/demo.sh

test: deps
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all $(UNIT_BIN)
	$(Q)MAKE="$(MAKE)" scripts/test.sh

check: lint
	$(Q)$(MAKE) --no-print-directory unit

e2e: all
	$(Q)scripts/e2e.sh $(E)

conformance: all
	$(Q)scripts/conformance.sh $(S)

lab: deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)scripts/lab.sh up

bench: all
	$(Q)scripts/bench/latency.sh
	$(Q)scripts/bench/throughput.sh

lint:
	$(Q)scripts/lint.sh

fmt:
	$(Q)clang-format-14 -i $$(git ls-files '*.c' '*.h')

install: $(BUILD)/peerway
	$(Q)install -D -m 0755 $(BUILD)/peerway $(DESTDIR)$(PREFIX)/bin/peerway
	$(Q)sed "s,/usr/local/bin,$(PREFIX)/bin," scripts/peerway.service | install -D -m 0644 /dev/stdin $(DESTDIR)/lib/systemd/system/peerway.service
	$(Q)install -d -m 0755 $(DESTDIR)/etc/peerway
	$(Q)install -d -m 0700 $(DESTDIR)/var/lib/peerway
	$(Q)[ -e $(DESTDIR)/etc/peerway/peerway.hcl ] || install -m 0640 scripts/peerway.hcl $(DESTDIR)/etc/peerway/peerway.hcl
	$(Q)echo "installed; edit /etc/peerway/peerway.hcl, then: systemctl enable --now peerway"
