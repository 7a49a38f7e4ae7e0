// SPDX-License-Identifier: Apache-2.0
#include "../agent/agent.h"
#include "cli.h"
#include <string.h>

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "agent") == 0)
		return pw_agent_main(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "uninstall") == 0)
		return pw_agent_uninstall_main(argc - 1, argv + 1);
	return pw_cli_main(argc, argv);
}
