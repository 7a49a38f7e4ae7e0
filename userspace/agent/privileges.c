// SPDX-License-Identifier: Apache-2.0
#include "privileges.h"
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static void cap_freep(cap_t *c)
{
	if (*c)
		cap_free(*c);
}

int pw_privileges_drop(struct pw_err *err)
{
	static const cap_value_t kept[] = { CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON,
					    CAP_NET_BIND_SERVICE };
	pw_cleanup(cap_freep) cap_t now = cap_get_proc();
	pw_cleanup(cap_freep) cap_t want = cap_init();

	if (!now || !want)
		return pw_err_set(err, PW_ERR_INTERNAL, errno, "capabilities: %s", strerror(errno));
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		cap_flag_value_t held = CAP_CLEAR;

		if (cap_get_flag(now, kept[i], CAP_PERMITTED, &held) < 0 || held != CAP_SET)
			continue;
		if (cap_set_flag(want, CAP_PERMITTED, 1, &kept[i], CAP_SET) < 0 ||
		    cap_set_flag(want, CAP_EFFECTIVE, 1, &kept[i], CAP_SET) < 0)
			return pw_err_set(err, PW_ERR_INTERNAL, errno, "capabilities: %s",
					  strerror(errno));
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, errno, "no-new-privileges: %s",
				  strerror(errno));
	if (cap_set_proc(want) < 0)
		return pw_err_set(err, PW_ERR_INTERNAL, errno, "capabilities cannot be dropped: %s",
				  strerror(errno));
	/* The process holds private keys: neither a core file nor another user's ptrace may show
	 * them. */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return 0;
}

uint64_t pw_privileges_raise_files(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return 0;
	if (l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
		getrlimit(RLIMIT_NOFILE, &l);
	}
	return l.rlim_cur;
}
