// SPDX-License-Identifier: Apache-2.0
#include "agent.h"
#include "../base/log.h"
#include "../base/str.h"
#include "../kernel/kernel.h"
#include <net/if.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
	"Usage: peerway uninstall [-bpf-dir DIR] [-interface NAME]...\n\n"
	"Takes every program, map, link, pin and qdisc of peerway off this host. Stop the agent\n"
	"first. Without -interface all interfaces are looked at. Data and configuration stay.\n";

static void all_interfaces(struct pw_strv *ret)
{
	struct if_nameindex *list = if_nameindex();

	for (struct if_nameindex *i = list; i && i->if_index; i++)
		pw_strv_add(ret, i->if_name);
	if (list)
		if_freenameindex(list);
}

int pw_agent_uninstall_main(int argc, char **argv)
{
	pw_cleanup(pw_strv_clear) struct pw_strv interfaces = { 0 };
	const char *bpf_dir = "/sys/fs/bpf/peerway";
	struct pw_err err = PW_ERR_INIT;

	for (int i = 1; i < argc; i++) {
		const char *flag = argv[i] + (pw_str_starts(argv[i], "--") ? 1 : 0);

		if (!strcmp(flag, "-h") || !strcmp(flag, "-help")) {
			fputs(usage, stdout);
			return 0;
		}
		if (!strcmp(flag, "-bpf-dir") && i + 1 < argc) {
			bpf_dir = argv[++i];
		} else if (!strcmp(flag, "-interface") && i + 1 < argc) {
			pw_strv_add(&interfaces, argv[++i]);
		} else {
			fprintf(stderr, "peerway uninstall: unknown flag %s\n%s", argv[i], usage);
			return 1;
		}
	}
	if (!interfaces.n)
		all_interfaces(&interfaces);
	interfaces.items = pw_xrealloc(interfaces.items, (interfaces.n + 1) * sizeof(char *));
	interfaces.items[interfaces.n] = NULL;
	if (pw_kernel_uninstall(bpf_dir, (const char *const *)interfaces.items, &err) < 0) {
		fprintf(stderr, "peerway uninstall: %s\n", err.text);
		return 1;
	}
	puts("peerway: no program, map, link, pin or qdisc is left on this host");
	return 0;
}
