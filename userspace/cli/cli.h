/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_CLI_CLI_H
#define PW_CLI_CLI_H
/*
 * The command line. Each command is a row of data (command.c) and one function; all talk to the
 * agent over its HTTP API and hold no state of their own. Texts, layouts and exit codes are those
 * that users of Consul's tool know.
 */
int pw_cli_main(int argc, char **argv); /* returns the exit code */
#endif
