// SPDX-License-Identifier: Apache-2.0
/*
 * A plain server for tests.
 *	pwserve --listen ADDR:PORT [--mode http|echo|greet|blob|sink] [--name NAME] [--size N]
 *[--count FILE] [--background] http answers "hello from NAME", or a pattern for
 * /blob/SIZE[/BYTES_PER_SECOND]; echo; greet speaks first, then echoes; blob sends SIZE bytes of
 *the pattern; sink checks the pattern until the end and answers with a line of JSON.
 */
#include "serve.h"
#include <getopt.h>

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "listen", required_argument, NULL, 'l' },
		{ "mode", required_argument, NULL, 'm' },
		{ "name", required_argument, NULL, 'n' },
		{ "size", required_argument, NULL, 's' },
		{ "count", required_argument, NULL, 'c' },
		{ "background", no_argument, NULL, 'b' },
		{ NULL, 0, NULL, 0 },
	};
	struct server server = { .mode = "http", .name = "pwserve" };
	const char *at = NULL;
	bool background = false;
	int c, fd;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'l':
			at = optarg;
			break;
		case 'm':
			server.mode = optarg;
			break;
		case 'n':
			server.name = optarg;
			break;
		case 's':
			server.size = number(optarg);
			break;
		case 'c':
			server.count_file = optarg;
			break;
		case 'b':
			background = true;
			break;
		default:
			return 2;
		}
	}
	if (!at)
		fail("usage: pwserve --listen ADDR:PORT [--mode http|echo|greet|blob|sink] ...");
	check_mode(server.mode);
	fd = listen_at(at);
	if (background)
		to_background();
	serve(&server, fd);
	return 0;
}
