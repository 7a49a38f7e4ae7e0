// SPDX-License-Identifier: Apache-2.0
#include "../base/log.h"
#include "kernel_private.h"

#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#define VERIFIER_LINES 60
#define VERIFIER_MARK  "-- BEGIN PROG LOAD LOG --"

/* The last lines say what the verifier did not like; there may be a million before them. */
static char *last_lines(char *text, int lines)
{
	char *pos = text + strlen(text);

	while (pos > text)
		if (*--pos == '\n' && lines-- == 0)
			return pos + 1;
	return text;
}

static void print_verifier_log(char *text)
{
	struct utsname u = { 0 };
	char *line, *save = NULL, program[64] = "";

	uname(&u);
	sscanf(text, "libbpf: prog '%63[^']'", program);
	pw_log_error("kernel.verifier", "program", program, "kernel", u.release, "log",
		     "refused a program, the end of its log:", NULL);
	for (line = strtok_r(last_lines(text, VERIFIER_LINES), "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		pw_log_error("kernel.verifier", "line", line, NULL);
}

static int print(enum libbpf_print_level level, const char *fmt, va_list args)
{
	pw_autofree char *text = NULL;
	enum pw_log_level ours = level == LIBBPF_WARN ? PW_LOG_INFO : PW_LOG_DEBUG;

	/* libbpf tells its life at debug, hundreds of lines for one load. */
	if (level == LIBBPF_DEBUG && pw_log_level() > PW_LOG_TRACE)
		return 0;
	if (ours < pw_log_level() && !strstr(fmt, VERIFIER_MARK))
		return 0;
	if (vasprintf(&text, fmt, args) < 0) {
		text = NULL;
		return 0;
	}
	if (strstr(text, VERIFIER_MARK)) {
		print_verifier_log(text);
		return 0;
	}
	text[strcspn(text, "\n")] = '\0';
	pw_log(level == LIBBPF_DEBUG ? PW_LOG_TRACE : ours, "kernel.libbpf", "text", text, NULL);
	return 0;
}

void pw_kernel_log_setup(void)
{
	libbpf_set_print(print);
}
