// SPDX-License-Identifier: Apache-2.0
/* Whole commands against a server with a script: what they ask, what they print, and their exit
 * code. */
#include "userspace/cli/cli_private.h"
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define MAX_STEPS 4

struct step {
	const char *request; /* how it has to begin, and … */
	const char *body;    /* … end; NULL: any */
	int status;
	const char *answer;
};
struct server {
	int fd;
	const struct step *steps;
	size_t n;
	char requests[MAX_STEPS][4096];
};

static void *serve(void *arg)
{
	struct server *s = arg;

	for (size_t i = 0; i < s->n; i++) {
		pw_autofree char *answer =
			pw_xasprintf("HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n%s",
				     s->steps[i].status, strlen(s->steps[i].answer),
				     s->steps[i].answer);
		pw_autoclose int fd = accept(s->fd, NULL, NULL);
		char *head_end = NULL;
		size_t len = 0, want = 0;

		while (!head_end || len < want) {
			ssize_t n =
				read(fd, s->requests[i] + len, sizeof(s->requests[i]) - 1 - len);
			const char *length;

			if (n <= 0)
				break;
			len += (size_t)n;
			head_end = strstr(s->requests[i], "\r\n\r\n");
			length = strstr(s->requests[i], "Content-Length: ");
			if (head_end)
				want = (size_t)(head_end + 4 - s->requests[i]) +
				       (length ? (size_t)atoi(length + 16) : 0);
		}
		if (write(fd, answer, strlen(answer)) < 0)
			break;
	}
	return NULL;
}

static char out[8192], err_text[8192];
static const char *input;

/* Runs "a b c" against the script and returns the exit code; words of the line are separated by
 * blanks. */
static int run(const char *line, const struct step *steps, size_t n)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	pw_cleanup(pw_strv_clear) struct pw_strv words = { 0 };
	pw_cleanup(cli_clear) struct cli c = { 0 };
	struct server s = { .steps = steps, .n = n };
	socklen_t len = sizeof(sa);
	pthread_t thread;
	int code;

	s.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s.fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(s.fd, 8), 0);
	assert_int_equal(getsockname(s.fd, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(pthread_create(&thread, NULL, serve, &s), 0);
	pw_strv_split(&words, line, " ");
	c.o.http_addr = pw_xasprintf("127.0.0.1:%u", ntohs(sa.sin_port));
	memset(out, 0, sizeof(out));
	memset(err_text, 0, sizeof(err_text));
	c.out = fmemopen(out, sizeof(out), "w");
	c.err = fmemopen(err_text, sizeof(err_text), "w");
	c.in = fmemopen((char *)(input ? input : " "), strlen(input ? input : " "), "r");
	code = cli_run(&c, (int)words.n, words.items);
	fclose(c.out);
	fclose(c.err);
	fclose(c.in);
	/* A command that asked less than the script has would leave the server waiting. */
	shutdown(s.fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(s.fd);
	for (size_t i = 0; i < n; i++) {
		if (!pw_str_starts(s.requests[i], steps[i].request))
			fail_msg("request %zu is %s", i, s.requests[i]);
		if (steps[i].body && !pw_str_ends(s.requests[i], steps[i].body))
			fail_msg("request %zu is %s", i, s.requests[i]);
	}
	return code;
}
#define RUN(line, ...)                                  \
	run(line, (const struct step[]){ __VA_ARGS__ }, \
	    sizeof((const struct step[]){ __VA_ARGS__ }) / sizeof(struct step))

static void peering_commands_ask_and_print_as_known(void **state)
{
	assert_int_equal(RUN("peering generate-token -name east -meta a=b "
			     "-server-external-addresses x:1,y:2",
			     { "POST /v1/peering/token HTTP/1.1\r\n",
			       "{\"PeerName\":\"east\",\"Meta\":{\"a\":\"b\"},"
			       "\"ServerExternalAddresses\":[\"x:1\",\"y:2\"]}",
			       200, "{\"PeeringToken\":\"dG9r\"}" }),
			 0);
	assert_string_equal(out, "dG9r\n");
	assert_int_equal(RUN("peering establish -name west -peering-token dG9r",
			     { "POST /v1/peering/establish ",
			       "{\"PeerName\":\"west\",\"PeeringToken\":\"dG9r\"}", 200, "{}" }),
			 0);
	assert_string_equal(out, "Successfully established peering connection with west\n");
	assert_int_equal(RUN("peering list", { "GET /v1/peerings ", NULL, 200, "[]" }), 0);
	assert_string_equal(out, "There are no peering connections.\n");
	assert_int_equal(RUN("peering read -name a/b",
			     { "GET /v1/peering/a%2Fb ", NULL, 404, "Peering not found" }),
			 1);
	assert_string_equal(err_text, "No peering with name a/b found.\n");
	assert_int_equal(RUN("peering establish -name x -peering-token t",
			     { "POST /v1/peering/establish ", NULL, 500, "no\n" }),
			 1);
	assert_string_equal(err_text, "Error establishing peering for x: Unexpected response code: "
				      "500 (no)\n");
	assert_int_equal(RUN("peering exported-services -name w -format json",
			     { "GET /v1/peering/w ", NULL, 200,
			       "{\"StreamStatus\":{\"ExportedServices\":[\"billing\"]}}" }),
			 0);
	assert_string_equal(out, "[{\"ID\":\"billing\"}]\n");
}

static void tokens_go_into_the_header_and_nowhere_else(void **state)
{
	assert_int_equal(RUN("peering list -token secret1",
			     { "GET /v1/peerings HTTP/1.1\r\n", "X-Consul-Token: secret1\r\n\r\n",
			       403, "Permission denied" }),
			 1);
	assert_null(strstr(err_text, "secret1"));
	setenv("CONSUL_HTTP_TOKEN", "theirs", 1);
	setenv("PEERWAY_HTTP_TOKEN", "ours", 1);
	RUN("peering list", { "GET ", "X-Consul-Token: ours\r\n\r\n", 200, "[]" });
	unsetenv("PEERWAY_HTTP_TOKEN");
	RUN("peering list", { "GET ", "X-Consul-Token: theirs\r\n\r\n", 200, "[]" });
	unsetenv("CONSUL_HTTP_TOKEN");
	setenv("CONSUL_HTTP_TOKEN", "a\r\nX: y", 1);
	assert_int_equal(run("peering list", NULL, 0), 1);
	assert_non_null(strstr(err_text, "control characters"));
	unsetenv("CONSUL_HTTP_TOKEN");
}

static void missing_flags_are_named_before_anything_is_asked(void **state)
{
	static const char *const cases[][2] = {
		{ "peering read", "Missing the required -name flag\n" },
		{ "peering establish -name x", "Missing the required -peering-token flag\n" },
		{ "peering list -format=xml", "Invalid format, valid formats are {json|pretty}\n" },
		{ "services export -name api",
		  "Missing the required -consumer-peers or -consumer-partitions flag\n" },
		{ "config read -kind k", "Must specify the -name parameter\n" },
		{ "peering list -nope", "unknown flag: -nope\n"
					"Run \"peerway peering list -h\" for its options.\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(run(cases[i][0], NULL, 0), 1);
		assert_string_equal(err_text, cases[i][1]);
	}
	assert_int_equal(run("intention check web", NULL, 0), 2);
	assert_int_equal(run("peering", NULL, 0), 1);
	assert_non_null(strstr(err_text, "peering generate-token"));
	assert_int_equal(run("config write -h", NULL, 0), 0);
	assert_true(pw_str_starts(out, "Usage: peerway config write [options] FILE|-\n"));
}

static void an_export_is_merged_and_tried_again_when_another_writer_came_between(void **state)
{
	static const char entry[] =
		"{\"Kind\":\"exported-services\",\"Name\":\"default\",\"Services\":[{\"Name\":\"api\","
		"\"Consumers\":[{\"Peer\":\"north\"}]}],\"CreateIndex\":3,\"ModifyIndex\":9}";
	static const char merged[] =
		"{\"Kind\":\"exported-services\",\"Name\":\"default\",\"Services\":[{\"Name\":\"api\","
		"\"Consumers\":[{\"Peer\":\"north\"},{\"Peer\":\"west\"}]}]}";

	assert_int_equal(RUN("services export -name api -consumer-peers north,west",
			     { "GET /v1/config/exported-services/default ", NULL, 404, "none" },
			     { "PUT /v1/config?cas=0 ", NULL, 200, "false" },
			     { "GET /v1/config/exported-services/default ", NULL, 200, entry },
			     { "PUT /v1/config?cas=9 ", merged, 200, "true" }),
			 0);
	assert_string_equal(
		out, "Successfully exported service \"api\" to cluster peers \"north,west\"\n");
}

static void config_entries_are_written_from_hcl(void **state)
{
	input = "Kind = \"service-intentions\"\nName = \"db\"\n";
	assert_int_equal(RUN("config write -cas -modify-index 4 -",
			     { "PUT /v1/config?cas=4 ",
			       "{\"Kind\":\"service-intentions\",\"Name\":\"db\"}", 200, "true" }),
			 0);
	assert_string_equal(out, "Config entry written: service-intentions/db\n");
	assert_int_equal(RUN("config write -",
			     { "PUT /v1/config ", NULL, 400,
			       "Request decoding failed: invalid config entry kind: "
			       "nope" }),
			 1);
	assert_string_equal(err_text, "Failed to decode config entry input: invalid config entry "
				      "kind: nope\n");
	input = "Kind = ";
	assert_int_equal(run("config write -", NULL, 0), 1);
	assert_true(pw_str_starts(err_text, "Failed to decode config entry input: stdin:1:"));
	input = NULL;
	assert_int_equal(run("config write /nonexistent.hcl", NULL, 0), 1);
	assert_true(pw_str_starts(err_text, "Failed to load data: Failed to read file: "));
}

static void intentions_take_peers_as_sources(void **state)
{
	static const char entry[] =
		"{\"Kind\":\"service-intentions\",\"Name\":\"db\",\"Sources\":[{"
		"\"Name\":\"web\",\"Action\":\"deny\"}],\"ModifyIndex\":5}";

	assert_int_equal(
		RUN("intention create peer:west/web db",
		    { "GET /v1/config/service-intentions/db ", NULL, 200, entry },
		    { "PUT /v1/config?cas=5 ",
		      "\"Sources\":[{\"Name\":\"web\",\"Action\":\"deny\"},{\"Name\":\"web\","
		      "\"Peer\":\"west\",\"Action\":\"allow\"}]}",
		      200, "true" }),
		0);
	assert_string_equal(out, "Created: peer:west/web => db (allow)\n");
	assert_int_equal(RUN("intention create -replace web db",
			     { "GET /v1/config/service-intentions/db ", NULL, 200, entry },
			     { "PUT /v1/config?cas=5 ",
			       "\"Sources\":[{\"Name\":\"web\",\"Action\":\"allow\"}]}", 200,
			       "true" }),
			 0);
	assert_string_equal(out, "");
	assert_int_equal(RUN("intention check peer:west/web db",
			     { "GET /v1/connect/intentions/check?source=peer%3Awest%2Fweb&"
			       "destination=db ",
			       NULL, 200, "{\"Allowed\":false}" }),
			 1);
	assert_string_equal(out, "Denied\n");
	assert_int_equal(RUN("intention list", { "GET /v1/connect/intentions ", NULL, 200, "[]" }),
			 2);
	assert_string_equal(err_text, "There are no intentions.\n");
	assert_int_equal(
		RUN("intention list",
		    { "GET ", NULL, 200,
		      "[{\"SourceName\":\"web\",\"SourcePeer\":\"west\",\"Action\":\"allow\","
		      "\"DestinationName\":\"db\",\"Precedence\":9}]" }),
		0);
	assert_string_equal(out, "ID  Source  Source Peer  Action  Destination  Precedence\n"
				 "    web     west         allow   db           9\n");
}

static void services_are_registered_one_by_one(void **state)
{
	input = "service { name = \"web\" port = 80 }\nservice { name = \"api\" }\n";
	assert_int_equal(RUN("services register -",
			     { "PUT /v1/agent/service/register ", "{\"name\":\"web\",\"port\":80}",
			       200, "" },
			     { "PUT /v1/agent/service/register ", "{\"name\":\"api\"}", 200, "" }),
			 0);
	assert_string_equal(out, "Registered service: web\nRegistered service: api\n");
	input = NULL;
	assert_int_equal(RUN("services deregister -id web",
			     { "PUT /v1/agent/service/deregister/web ", NULL, 200, "" }),
			 0);
	assert_string_equal(out, "Deregistered service: web\n");
}

static void an_agent_that_is_not_there_is_said(void **state)
{
	/* Port 1 of the loopback: nothing listens there, and the flag wins over the address of the
	 * run. */
	assert_int_equal(run("peering list -http-addr 127.0.0.1:1", NULL, 0), 1);
	assert_string_equal(
		err_text, "Error listing peerings: GET \"http://127.0.0.1:1/v1/peerings\": cannot "
			  "connect: Connection refused (is the agent running?)\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(peering_commands_ask_and_print_as_known),
		cmocka_unit_test(tokens_go_into_the_header_and_nowhere_else),
		cmocka_unit_test(missing_flags_are_named_before_anything_is_asked),
		cmocka_unit_test(
			an_export_is_merged_and_tried_again_when_another_writer_came_between),
		cmocka_unit_test(config_entries_are_written_from_hcl),
		cmocka_unit_test(intentions_take_peers_as_sources),
		cmocka_unit_test(services_are_registered_one_by_one),
		cmocka_unit_test(an_agent_that_is_not_there_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
